package lab

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is shared by all users of the lab on this machine.
const lockFile = "/run/hopscope-lab.lock"

// Lock waits until this test is the only user of the lab on this machine,
// removes what earlier ones left behind, and holds the lock until the test
// ends. Call it first in a test that uses any other fixture, and once.
func Lock(t TB) {
	t.Helper()
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	must(t, err, "open the lab's lock (tests of the lab need root)")
	for {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	must(t, err, "lock %s", lockFile)
	t.Cleanup(func() { _ = file.Close() }) // closing releases the lock
	Sweep(t)
}
