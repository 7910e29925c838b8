package robust

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab/program"
)

// A capture that cannot be written is exit code 1, by name, before anything is
// loaded: here nothing could be. What was there is not touched.
func TestOutputThatCannotBeWritten(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	there := filepath.Join(dir, "there.hop")
	if err := os.WriteFile(there, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "link.hop")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, says string }{
		{"exists", there, "exists"},
		{"directory", dir, "is a directory"},
		{"symbolic link", dangling, "exists"},
		{"no such directory", filepath.Join(dir, "no", "x.hop"), "no such file"},
		{"file as directory", filepath.Join(there, "x.hop"), "not a directory"},
		{"not writable", "/proc/x.hop", "/proc/x.hop"},
		{"read-only", readOnly(t) + "/x.hop", "read-only file system"},
		{"name too long", filepath.Join(dir, strings.Repeat("x", 300)), "name too long"},
	} {
		for _, more := range []string{"", " --keep 1m --when drops>0", " --redact"} {
			t.Run(c.name+more, func(t *testing.T) {
				args := append([]string{"trace", "--quiet", "--duration", "1m", "--output", c.path}, strings.Fields(more)...)
				runWith(t, through(t, "no-bpf"), args...).WantError(t, 1, "write the capture", c.says)
			})
		}
	}
	if b, err := os.ReadFile(there); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("files were made: %v, %v", files, err)
	}
}

// readOnly is a directory in which not even root can make a file.
func readOnly(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// A disk that fills up ends the trace long before its time: the summary is
// printed, the loss is said once, and what was written is a whole file.
func (p *pair) diskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "x.hop")
	r := program.Start(t, "trace", "--output", path, "--duration", "5m", "--container", p.web.Name, "--sample", "1", "--format", "json")
	r.Tracing(t)
	load := p.client.Start("rr", "--count", "20000", p.at)
	o := r.Wait(t) // it ends by itself
	wantOK(t, load.Wait(), 20000)
	last := o.Stderr[strings.LastIndex(strings.TrimSuffix(o.Stderr, "\n"), "\n")+1:]
	if o.Code != 1 || !strings.Contains(last, "no space left") || strings.Count(o.Stderr, "no space left for the capture") != 1 {
		t.Errorf("exit code %d: %s", o.Code, o.Stderr)
	}
	if sum := parse(t, o.Stdout); sum.Ended != "error" || sum.Accounting.Tracked < 1000 || len(sum.Paths) == 0 {
		t.Errorf("the summary ended by %q, has %d packets, %d paths", sum.Ended, sum.Accounting.Tracked, len(sum.Paths))
	}
	table, document := program.Run(t, "report", path), program.Run(t, "report", path, "--format", "json")
	if table.Code != 0 || document.Code != 0 || !strings.Contains(table.Stdout, "packets") {
		t.Errorf("report: exit codes %d, %d: %s", table.Code, document.Code, table.Stderr)
	}
	if sum := parse(t, document.Stdout); sum.Ended != "error" || len(sum.Paths) == 0 || sum.Paths[0].Journeys < 1000 {
		t.Errorf("the file ended by %q, paths %+v", sum.Ended, sum.Paths)
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
		if o.Code != 0 || o.Stderr != "" {
			t.Errorf("%v: exit code %d, %q", args, o.Code, o.Stderr)
		}
	}
}

// Whoever reads stderr may go away, too, as with `2>&1 | head`: the trace goes on to
// its end, and its file is whole.
func (p *pair) closedStderr(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.hop")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	run := program.Command(t, "trace", "--duration", "5s", "--output", path, "--container", p.web.Name, "--sample", "1", "-v")
	run.Cmd.Stdout, run.Cmd.Stderr = w, w
	run.Start(t)
	w.Close()
	load := p.client.Start("rr", "--count", "100000", "--rate", "200", "--duration", "7s", p.at)
	if o := run.Wait(t); o.Code != 0 {
		t.Errorf("exit code %d", o.Code)
	}
	got := load.Wait()
	wantOK(t, got, got.OK)
	o := program.Run(t, "report", path, "--format", "json")
	o.WantDone(t)
	if sum := parse(t, o.Stdout); o.Stderr != "" || sum.Ended != "duration" {
		t.Errorf("the file ended by %q: %s", sum.Ended, o.Stderr)
	} else {
		sum.wantWay(t, p.client.Name, p.web.Name, 100)
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
	o.WantError(t, 1, "no space left")
}
