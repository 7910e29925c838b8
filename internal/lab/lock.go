package lab

import (
	"flag"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is shared by all users of the lab on this machine.
const lockFile = "/run/hopscope-lab.lock"

// Lock waits until this test is the only user of the lab on this machine,
// removes what earlier ones left behind, and holds the lock until the test
// ends. Call it first in a test that uses any other fixture, and once. With
// `go test -short`, the run without root and Docker, it skips the test; `make
// test` is never short.
func Lock(t TB) {
	t.Helper()
	if s, ok := t.(interface{ Skip(args ...any) }); ok && short() {
		s.Skip("needs root and a Docker engine, which -short does without")
	}
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	must(t, err, "open the lab's lock (tests of the lab need root)")
	for waited := 0; ; waited++ {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			break
		}
		if waited == 200 {
			t.Logf("waiting for %s: another run uses the lab (see fuser(1))", lockFile)
		}
		time.Sleep(50 * time.Millisecond)
	}
	must(t, err, "lock %s", lockFile)
	t.Cleanup(func() { _ = file.Close() }) // closing releases the lock
	Sweep(t)
}

// short is testing.Short without the testing package, which registers its
// flags in every program that imports it.
func short() bool {
	f := flag.Lookup("test.short")
	return f != nil && f.Value.String() == "true"
}
