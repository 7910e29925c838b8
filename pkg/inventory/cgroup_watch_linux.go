package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/crash"
)

const (
	// cgroupEvents is how many new cgroups may wait to be taken in. Each is looked
	// at at once, since it may be gone soon: when these are all waiting, the next
	// ones are missed.
	cgroupEvents = 4096
	// maxWatched bounds how many directories are watched. A host with systemd has
	// some two hundred that are no container's.
	maxWatched = 4096
)

// cgroupWatcher tells of containers' cgroups when they are made and removed: they live
// longer than the process, so that even one of a few milliseconds is known. The
// directories of the hierarchy are watched (inotify(7)), but for those of
// containers themselves.
type cgroupWatcher struct {
	file *os.File
	dirs map[int32]string // by watch descriptor
	out  chan<- cgroupBirth
	old  bool // what is found was there before the watch
}

// watch begins with what is there already. The channel is never closed; nothing
// comes after ctx ends.
func (c cgroupV2) watch(ctx context.Context) (<-chan cgroupBirth, error) {
	if c.mount == "" {
		return nil, errors.New("no cgroup v2 hierarchy is mounted")
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch cgroups: %w", err)
	}
	out := make(chan cgroupBirth, cgroupEvents)
	w := &cgroupWatcher{file: os.NewFile(uintptr(fd), "inotify"), dirs: make(map[int32]string), out: out, old: true}
	if err := w.add(ctx, c.mount); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	w.old = false
	crash.Go(func() {
		<-ctx.Done()
		_ = w.file.Close() // ends the reading
	})
	crash.Go(func() { w.run(ctx, c.mount) })
	return out, nil
}

// add watches a directory and those below, and tells of containers that are
// there by now.
func (w *cgroupWatcher) add(ctx context.Context, dir string) error {
	if len(w.dirs) >= maxWatched {
		return nil
	}
	wd, err := w.watch(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it went again
		return nil
	case err != nil:
		return fmt.Errorf("watch cgroups: %w", &fs.PathError{Op: "inotify_add_watch", Path: dir, Err: err})
	}
	w.dirs[wd] = dir
	entries, err := os.ReadDir(dir) // after the watch: nothing falls in between
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			w.found(ctx, filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

func (w *cgroupWatcher) watch(dir string) (wd int32, err error) {
	const mask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_ONLYDIR
	raw, err := w.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	closed := raw.Control(func(fd uintptr) {
		var n int
		n, err = unix.InotifyAddWatch(int(fd), dir, mask)
		wd = int32(n)
	})
	return wd, errors.Join(closed, err)
}

// found tells of a container's cgroup, and watches any other.
func (w *cgroupWatcher) found(ctx context.Context, dir string) {
	m := containerID.FindStringSubmatch(filepath.Base(dir))
	if m == nil {
		_ = w.add(ctx, dir) // beyond a limit of inotify(7), containers below are found as before
		return
	}
	ino, err := inode(dir)
	if err != nil || w.old && deserted(dir) {
		return
	}
	w.tell(ctx, cgroupBirth{container: m[1], cgroup: ino})
}

// deserted says that no process is left in a cgroup or below it: an engine that
// was killed leaves those of its containers behind.
func deserted(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.events"))
	return err == nil && bytes.Contains(b, []byte("populated 0"))
}

func (w *cgroupWatcher) removed(ctx context.Context, name string) {
	if m := containerID.FindStringSubmatch(name); m != nil {
		w.tell(ctx, cgroupBirth{container: m[1]})
	}
}

func (w *cgroupWatcher) tell(ctx context.Context, b cgroupBirth) {
	select {
	case w.out <- b:
	case <-ctx.Done():
	}
}

// run reads events until the file is closed.
func (w *cgroupWatcher) run(ctx context.Context, mount string) {
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			e := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
			name := buf[at+unix.SizeofInotifyEvent : at+unix.SizeofInotifyEvent+int(e.Len)]
			at += unix.SizeofInotifyEvent + int(e.Len)
			switch {
			case e.Mask&unix.IN_Q_OVERFLOW != 0:
				w.tell(ctx, cgroupBirth{overflow: true})
				_ = w.add(ctx, mount) // what was missed and is still there
			case e.Mask&unix.IN_IGNORED != 0:
				delete(w.dirs, e.Wd)
			case e.Mask&unix.IN_ISDIR != 0 && e.Mask&unix.IN_DELETE != 0:
				w.removed(ctx, unix.ByteSliceToString(name))
			case e.Mask&unix.IN_ISDIR != 0 && w.dirs[e.Wd] != "":
				w.found(ctx, filepath.Join(w.dirs[e.Wd], unix.ByteSliceToString(name)))
			}
		}
	}
}
