package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrFull says that a capture ended because there was no room for more. What
// was written before is readable.
var ErrFull = errors.New("no space left for the capture")

// Create begins a capture file of mode 0600 that belongs to the user behind
// sudo. A file that exists is an error that wraps [fs.ErrExist], unless
// o.Overwrite asks for its replacement.
func Create(path string, o Options) (*Writer, error) {
	f, err := createFile(path, o.Overwrite)
	if err != nil {
		return nil, err
	}
	w, err := newWriter(&fileSink{f: f}, o)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return w, nil
}

func createFile(path string, overwrite bool) (*os.File, error) {
	if overwrite {
		if err := removeFile(path); err != nil {
			return nil, err
		}
	}
	f, err := CreatePrivate(path)
	if err != nil {
		return nil, fmt.Errorf("write the capture: %w", err)
	}
	return f, nil
}

// TryCreate finds out what would make [Create] fail, so that it is told before the
// work of a trace is done for nothing. Its errors are those of Create.
func TryCreate(path string) error {
	f, err := createFile(path, false)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(path))
}

// CreatePrivate makes a new file of mode 0600 that belongs to the user behind
// sudo: for what tells of others' traffic. Errors are those of [os.OpenFile];
// a file that exists is one that wraps [fs.ErrExist].
func CreatePrivate(path string) (*os.File, error) {
	// O_EXCL follows no symbolic link, which matters to root in a directory
	// that others may write to.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		if info, e := os.Stat(path); e == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a directory", path)
		}
		return nil, fmt.Errorf("%s exists (%w)", path, fs.ErrExist)
	case err != nil:
		return nil, err
	}
	GiveToUser(f)
	return f, nil
}

// GiveToUser makes the user behind sudo, if any, the owner of a file or
// directory. That it cannot be is no error: some file systems know no owners.
func GiveToUser(f *os.File) {
	if uid, gid, ok := sudoUser(os.Geteuid(), os.Getenv); ok {
		_ = f.Chown(uid, gid)
	}
}

// removeFile makes room for a new file: only for one that is a file.
func removeFile(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write the capture: %w", err)
	case info.IsDir():
		return fmt.Errorf("write the capture: %s is a directory", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("write the capture: %s is no regular file", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("replace the capture: %w", err)
	}
	return nil
}

// sudoUser is who ran the program through sudo (sudo(8), SUDO_UID and
// SUDO_GID); ok is false without a sane answer, and for who is not root, whose
// files are theirs anyway.
func sudoUser(euid int, env func(string) string) (uid, gid int, ok bool) {
	if euid != 0 {
		return 0, 0, false
	}
	const nobody = 1<<32 - 1 // (uid_t)-1 means "leave alone" to chown(2)
	u, errU := strconv.ParseUint(env("SUDO_UID"), 10, 32)
	g, errG := strconv.ParseUint(env("SUDO_GID"), 10, 32)
	if errU != nil || errG != nil || u == nobody || g == nobody {
		return 0, 0, false
	}
	return int(u), int(g), true
}

// maxSelection bounds the selection's part of a default name, in bytes.
const maxSelection = 64

// DefaultName is hopscope-SELECTION-TIME.hop, such as
// hopscope-web+api-20260102T030405Z.hop. It is safe as a file name whatever the
// selectors are.
func DefaultName(selection []string, t time.Time) string {
	name := strings.Join(selection, "+")
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._+-", r):
			return r
		}
		return '_'
	}, name)
	if len(name) > maxSelection {
		name = name[:maxSelection]
	}
	if len(selection) == 0 || name == "" {
		name = "all"
	}
	return "hopscope-" + name + "-" + t.UTC().Format("20060102T150405Z") + Extension
}

// fileSink appends blocks to a file.
type fileSink struct {
	f    *os.File
	seq  uint32
	size int64 // of the whole blocks
	buf  []byte
}

// put writes a block in one piece. When that fails the file is cut back to its
// last whole block.
func (s *fileSink) put(b block, _, _ uint64) error {
	s.buf = s.buf[:0]
	if s.size == 0 {
		s.buf = appendPreface(s.buf)
	}
	b.seq = s.seq
	s.buf = b.header.append(s.buf)
	s.buf = append(s.buf, b.payload...)
	if _, err := s.f.Write(s.buf); err != nil {
		return s.failed(err)
	}
	s.seq++
	s.size += int64(len(s.buf))
	return nil
}

func (s *fileSink) failed(err error) error {
	errs := []error{fmt.Errorf("write %s: %w", filepath.Base(s.f.Name()), err)}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		errs[0] = fmt.Errorf("%w: the first %d bytes are readable (%w)", ErrFull, s.size, err)
	}
	if e := s.f.Truncate(s.size); e != nil {
		errs = append(errs, e)
	} else if _, e := s.f.Seek(s.size, 0); e != nil {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

func (s *fileSink) close() error { return s.f.Close() }
