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
// removes what others left behind that had it meanwhile, and holds the lock
// until the test ends. Call it first in a test that uses any other fixture, and
// once. With `go test -short`, the run without root and Docker, it skips the
// test; `make test` is never short.
func Lock(t TB) {
	t.Helper()
	if s, ok := t.(interface{ Skip(args ...any) }); ok && short() {
		s.Skip("needs root and a Docker engine, which -short does without")
	}
	waiting := time.AfterFunc(10*time.Second, func() {
		t.Logf("waiting for %s: another run uses the lab (see fuser(1))", lockFile)
	})
	file, err := lock()
	waiting.Stop()
	must(t, err, "take the lab's lock (its tests need root)")
	t.Cleanup(func() { _ = file.Close() }) // closing releases the lock
	again, err := sign(file)
	must(t, err, "sign %s", lockFile)
	Mark()
	if !again {
		Sweep(t)
	}
}

// self tells this process from others in the lock's file.
var self = randomHex() + randomHex()

func isOurs(file *os.File) bool {
	text := make([]byte, len(self))
	_, err := file.ReadAt(text, 0)
	return err == nil && string(text) == self
}

// sign writes who has the lock, and says whether that was this process already:
// then nobody has swept meanwhile.
func sign(file *os.File) (again bool, err error) {
	if isOurs(file) {
		return true, nil
	}
	kept = &keepsakes{}
	_, err = file.WriteAt([]byte(self), 0)
	return false, err
}

// lock waits for the lock; closing the file gives it up. One that sleeps in the
// kernel is woken when the lock is given up: two runs take turns, test by test.
func lock() (*os.File, error) {
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		_ = file.Close()
		return nil, &os.PathError{Op: "lock", Path: lockFile, Err: err}
	}
	return file, nil
}

// short is testing.Short without the testing package, which registers its
// flags in every program that imports it.
func short() bool {
	f := flag.Lookup("test.short")
	return f != nil && f.Value.String() == "true"
}
