// Package baseline keeps captures under names, so that there is a "before" when
// one is needed. They belong to a user and a host.
package baseline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hopscope/hopscope/pkg/capture"
)

// maxName bounds a name, in bytes.
const maxName = 64

// ErrExists says that there is a baseline of that name.
var ErrExists = errors.New("there is a baseline of that name")

// NameError says that a text is no name of a baseline.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("%q is no name of a baseline: letters, digits, dots, - and _ are, at most %d", e.Name, maxName)
}

// UnknownError says that there is no baseline of a name.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("no baseline is named %s: none was saved", e.Name)
	}
	return fmt.Sprintf("no baseline is named %s; saved: %s", e.Name, strings.Join(e.Known, ", "))
}

// Store is a directory of baselines.
type Store struct{ dir string }

// Open gives the baselines in a directory, which need not exist.
func Open(dir string) *Store { return &Store{dir} }

// Path is where the capture of a name is, or would be. Its error is a
// *[NameError].
func (s *Store) Path(name string) (string, error) {
	ok := name != "" && len(name) <= maxName && name[0] != '.' && name[0] != '-'
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	}
	if !ok {
		return "", &NameError{name}
	}
	return filepath.Join(s.dir, name+capture.Extension), nil
}

// Find is the file of a name that was saved. Its errors are a *[NameError], an
// *[UnknownError], or those of [os.Stat].
func (s *Store) Find(name string) (string, error) {
	path, err := s.Path(name)
	if err != nil {
		return "", err
	}
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		known, err := s.Names()
		return "", errors.Join(err, &UnknownError{name, known})
	}
	return path, err
}

// Names are those of all baselines, sorted.
func (s *Store) Names() ([]string, error) {
	entries, err := os.ReadDir(s.dir) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), capture.Extension); ok && name != "" && name[0] != '.' && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	return names, err
}

// Save keeps what write puts into a new file as the baseline of a name: all of
// it, or nothing. Another one of that name is [ErrExists], unless it is to be
// replaced.
func (s *Store) Save(name string, replace bool, write func(path string) error) error {
	path, err := s.Path(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil && !replace {
		return fmt.Errorf("%w: %s", ErrExists, name)
	}
	if err := makeDirs(s.dir); err != nil {
		return err
	}
	work, err := os.MkdirTemp(s.dir, ".save-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	fresh := filepath.Join(work, "new"+capture.Extension)
	if err := write(fresh); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Copy is a write for [Store.Save]: that of a capture that exists.
func Copy(from string) func(path string) error {
	return func(path string) error {
		in, err := os.Open(from)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := capture.CreatePrivate(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	}
}

// Remove forgets a baseline. Its errors are those of [Store.Find] and
// [os.Remove].
func (s *Store) Remove(name string) error {
	path, err := s.Find(name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// makeDirs makes private directories that belong to the user behind sudo.
func makeDirs(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeDirs(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	capture.GiveToUser(f)
	return nil
}
