package robust

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab/program"
)

// Each mistake in a command line is one sentence that names the flag, and exit
// code 2.
func TestBadFlags(t *testing.T) {
	for _, c := range []struct {
		line string // arguments, split at spaces
		says string
	}{
		{"bogus", `unknown command "bogus"`},
		{"trace extra", `unknown command "extra"`},
		{"trace --frobnicate", "unknown flag: --frobnicate"},
		{"trace -Z", "unknown shorthand flag: 'Z'"},
		{"trace --port", "flag needs an argument: --port"},
		{"trace --duration abc", `--duration "abc" is no duration`},
		{"trace --duration 10", `--duration "10" is no duration such as 30s or 5ms: the unit is missing`},
		{"trace --duration -3s", "a duration cannot be negative"},
		{"trace --duration 1e400s", "--duration"},
		{"trace --slow -1ms", "a duration cannot be negative"},
		{"trace --slow fast", `--slow "fast" is no duration`},
		{"trace --sample 2", "--sample"},
		{"trace --sample 1/0", "--sample"},
		{"trace --sample 1/-4", "--sample"},
		{"trace --sample 1/99999999999", "--sample"},
		{"trace --max-overhead 0", "--max-overhead"},
		{"trace --max-overhead 101%", "--max-overhead"},
		{"trace --max-overhead NaN", "--max-overhead"},
		{"trace --port 0", "--port 0 is no port"},
		{"trace --port 65536", "--port 65536 is no port"},
		{"trace --port http", `--port "http" is no port number`},
		{"trace --port -80", "--port"},
		{"trace --port 80,,81", "--port"},
		{"trace --proto xyz", `--proto "xyz"`},
		{"trace --format xml", `--format "xml"`},
		{"trace --color red", `--color "red"`},
		{"trace --quiet=maybe", "--quiet"},
		{"trace --ring-size 5", `--ring-size "5"`},
		{"trace --ring-size 3MiB", `--ring-size "3MiB"`},
		{"trace --ring-size 4GiB", `--ring-size "4GiB"`},
		{"trace --ring-size 4096MiB", `--ring-size "4096MiB"`},
		{"trace --output a --no-save", "exclude each other"},
		{"trace --docker-host nonsense --no-save", "nonsense"},
		{"trace --container [ --no-save", `container pattern "["`},
		{"trace --network no-such-network --no-save", `"no-such-network"`},
		{"list extra", `unknown command "extra"`},
		{"list --docker-host nonsense", "nonsense"},
		{"doctor extra", `unknown command "extra"`},
		{"doctor --format xml", "unknown flag"},
		{"report", "accepts 1 arg"},
		{"report a b", "accepts 1 arg"},
		{"report CAPTURE --from x", `--from "x"`},
		{"report CAPTURE --from 20s --to 10s", "--from 20s is not before --to 10s"},
		{"report CAPTURE --to -5s", `--to "-5s"`},
		{"report CAPTURE --port 0", "--port 0"},
		{"report CAPTURE --network no-such-network", `"no-such-network"`},
		{"flame", "accepts 1 arg"},
		{"flame CAPTURE --view x", `--view "x"`},
		{"flame CAPTURE --output x.docx", "x.docx does not tell a format"},
		{"diff CAPTURE", "accepts 2 arg"},
		{"diff CAPTURE CAPTURE --fail-over -3", `--fail-over "-3"`},
		{"--theme nope", `"nope"`},
		{"top extra", `unknown command "extra"`},
		{"version extra", `unknown command "extra"`},
	} {
		t.Run(c.line, func(t *testing.T) {
			args := strings.Fields(strings.ReplaceAll(c.line, "CAPTURE", sample(t)))
			program.Run(t, args...).WantError(t, 2, c.says)
		})
	}
}

// sample is a capture of the repository's own tests.
func sample(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../pkg/capture/testdata/v1.hop")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Files that are not what they should be are exit code 1, by name.
func TestBadCaptures(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"missing":   filepath.Join(dir, "missing.hop"),
		"empty":     write("empty.hop", ""),
		"text":      write("text.hop", "this is no capture\n"),
		"directory": dir,
		"zeros":     write("zeros.hop", strings.Repeat("\x00", 1<<16)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, args := range [][]string{{"report", path}, {"flame", path}, {"diff", path, sample(t)}, {"diff", sample(t), path}} {
				program.Run(t, args...).WantError(t, 1, path)
			}
		})
	}
}

// A container that a capture does not know is exit code 4, as in a trace.
func TestUnknownContainerOfCapture(t *testing.T) {
	program.Run(t, "report", sample(t), "--container", "no-such-container").WantError(t, 4, `"no-such-container"`)
}
