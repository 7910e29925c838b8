// Package program runs hopscope as its users do: the built program, with
// arguments, in a directory of its own.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/hopscope/hopscope/internal/lab"
)

// built is the program, built once for all tests of a process.
type built struct {
	once      sync.Once
	dir, path string
	err       error
}

var program built

func (b *built) build() {
	if b.dir, b.err = os.MkdirTemp("", "hopscope-program-"); b.err != nil {
		return
	}
	b.path = filepath.Join(b.dir, "hopscope")
	cmd := exec.Command("go", "build", "-o", b.path, "github.com/hopscope/hopscope/cmd/hopscope")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.err = fmt.Errorf("go build: %w\n%s", err, out)
		return
	}
	b.err = os.Chmod(b.dir, 0o755) // tests run it as other users, too
}

// Path is where the program is; it is built when it is first asked for. A
// package that asks removes it in its TestMain, with [Main].
func Path(t lab.TB) string {
	t.Helper()
	program.once.Do(program.build)
	lab.Mark() // what is run
	if program.err != nil {
		t.Fatalf("build the program: %v", program.err)
	}
	return program.path
}

// Main runs a package's tests and removes what they shared, the program and the
// lab's kept fixtures: os.Exit(program.Main(m)).
func Main(m interface{ Run() int }) int {
	code := m.Run()
	if err := lab.Release(); err != nil {
		fmt.Fprintln(os.Stderr, "remove what was kept:", err)
		code = max(code, 1)
	}
	if program.dir != "" {
		_ = os.RemoveAll(program.dir)
	}
	return code
}
