package capture

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiskFull fills a small file system of its own.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=512k"); err != nil {
		if errors.Is(err, syscall.EPERM) && testing.Short() {
			t.Skipf("mounting takes root: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "x.hop")
	w, err := Create(path, Options{Head: testHead()})
	ok(t, err)
	made := newTraffic(1)
	var failed error
	for i := 0; i < 20*flushJourneys && failed == nil; i++ {
		failed = w.Journey(made.next(), nil)
	}
	if !errors.Is(failed, ErrFull) || !errors.Is(failed, syscall.ENOSPC) {
		t.Fatalf("on a full disk: %v", failed)
	}
	if err := w.Status(testStatus(1)); !errors.Is(err, ErrFull) {
		t.Errorf("after that: %v", err)
	}
	if err := w.Close(End{Ended: "error", Error: failed.Error(), Status: testStatus(2)}); !errors.Is(err, ErrFull) {
		t.Errorf("at the end: %v", err)
	}
	c, damage, _ := read(t, path)
	if damage.Any() || len(c.journeys) != 2*flushJourneys || len(c.ends) != 1 || c.ends[0].Status.At != 2 {
		t.Errorf("%d journeys, damage %v, end %+v", len(c.journeys), damage, c.ends)
	}
	again := newTraffic(1)
	for i := range c.journeys {
		if want := again.next(); want.Start != c.journeys[i].Start || want.Sig != c.journeys[i].Sig {
			t.Fatalf("journey %d is another", i)
		}
	}
}
