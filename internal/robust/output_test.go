package robust

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
)

// A capture that cannot be written is exit code 1, by name; nothing that was
// there is touched.
func TestOutputThatCannotBeWritten(t *testing.T) {
	lab.Lock(t)
	dir := t.TempDir()
	there := filepath.Join(dir, "there.hop")
	if err := os.WriteFile(there, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "link.hop")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), dangling); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"exists": there, "directory": dir, "symbolic link": dangling,
		"no such directory": filepath.Join(dir, "no", "x.hop"),
		"file as directory": filepath.Join(there, "x.hop"),
		"not writable":      "/proc/x.hop",
		"name too long":     filepath.Join(dir, strings.Repeat("x", 300)),
	} {
		t.Run(name, func(t *testing.T) {
			run(t, "trace", "--quiet", "--duration", "100ms", "--output", path).wantError(t, 1, "write the capture")
		})
	}
	if b, err := os.ReadFile(there); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("a symbolic link was followed")
	}
}

// A disk that fills up ends the trace: the summary is printed, the loss is said,
// and what was written can be read.
func TestDiskFull(t *testing.T) {
	p := newPair(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	path := filepath.Join(dir, "x.hop")
	load := p.client.Start("rr", "--count", "12000", "--rate", "4000", p.at)
	o := run(t, "trace", "--output", path, "--duration", "4s", "--sample", "1", "--format", "json")
	wantOK(t, load.Wait(), 12000)
	if o.code != 1 || !strings.Contains(o.stderr, "no space left") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if sum := parse(t, o.stdout); sum.Accounting.Tracked < 1000 {
		t.Errorf("the summary has %d packets", sum.Accounting.Tracked)
	}
	if o := run(t, "report", path); o.code != 0 || !strings.Contains(o.stdout, "packets") {
		t.Errorf("report: exit code %d: %s", o.code, o.stderr)
	}
}

// A reader that goes away is no failure, and nothing is said of it.
func TestClosedStdout(t *testing.T) {
	for _, args := range [][]string{{"report", sample(t)}, {"report", sample(t), "--format", "json"}, {"flame", sample(t), "--format", "folded"}, {"--help"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		o := runWith(t, func(cmd *exec.Cmd) { cmd.Stdout = w }, args...)
		w.Close()
		if o.code != 0 || o.stderr != "" {
			t.Errorf("%v: exit code %d, %q", args, o.code, o.stderr)
		}
	}
}

// With stdout closed altogether there is an error, and no output in a file that
// happens to have its descriptor.
func TestFullStdout(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	o := runWith(t, func(cmd *exec.Cmd) { cmd.Stdout = full }, "report", sample(t))
	o.wantError(t, 1, "no space left")
}
