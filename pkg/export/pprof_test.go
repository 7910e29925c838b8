package export

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/hopscope/hopscope/pkg/export/flame"
	"github.com/hopscope/hopscope/pkg/model"
)

func parsePprof(t *testing.T, s model.Snapshot) *profile.Profile {
	t.Helper()
	p, err := profile.Parse(strings.NewReader(written(t, s, Pprof)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFoldedPprofFolded checks that nothing is lost or changed on the way.
func TestFoldedPprofFolded(t *testing.T) {
	for _, n := range []names{{}, badNames} {
		s := slowShop().Snapshot(n, meta())
		var stacks []flame.Stack
		for _, sample := range parsePprof(t, s).Sample {
			var frames []string
			for _, l := range slices.Backward(sample.Location) {
				frames = append(frames, l.Line[0].Function.Name)
			}
			stacks = append(stacks, flame.Stack{Frames: frames, Values: []uint64{uint64(sample.Value[0])}})
		}
		var back bytes.Buffer
		if err := flame.Folded(&back, stacks, 0); err != nil {
			t.Fatal(err)
		}
		if want := written(t, s, Folded); back.String() != want {
			t.Errorf("folded, pprof, folded:\n%s\nwant\n%s", back.String(), want)
		}
	}
}

func TestPprofLabelsAndUnits(t *testing.T) {
	s := slowShop().Snapshot(names{}, meta())
	p := parsePprof(t, s)
	var types []string
	for _, st := range p.SampleType {
		types = append(types, st.Type+"/"+st.Unit)
	}
	if got := strings.Join(types, " "); got != "latency/nanoseconds tail/nanoseconds passages/count" {
		t.Errorf("sample types %q", got)
	}
	var tail, passages int64
	for _, sample := range p.Sample {
		tail += sample.Value[1]
		passages += sample.Value[2]
		for label, want := range map[string]string{"container": "web", "peer": "api", "protocol": "tcp", "network": "shop", "port": "8080"} {
			if got := sample.Label[label]; len(got) != 1 || got[0] != want {
				t.Errorf("label %s is %v, want %s", label, got, want)
			}
		}
	}
	if want := int64(flameTree(s).Root.Sum(measureTail)); tail != want {
		t.Errorf("tail is %d, want %d", tail, want)
	}
	if passages != 2*10*1000 { // 10 hops of 1,000 packets in both directions
		t.Errorf("%d passages, want 20,000", passages)
	}
}

// TestGoToolPprof has the format's own consumer read it.
func TestGoToolPprof(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.pb.gz")
	text := written(t, slowShop().Snapshot(names{}, meta()), Pprof)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	top := goToolPprof(t, "-top", file)
	for _, want := range []string{"Type: latency", "qdisc @ veth of api", "12s 99.78%"} {
		if !strings.Contains(top, want) {
			t.Errorf("want %q in pprof -top:\n%s", want, top)
		}
	}
	focused := goToolPprof(t, "-top", "-unit=us", "-tagfocus=direction=response", file)
	if strings.Contains(focused, "qdisc @ veth of api") || !strings.Contains(focused, "2499.27us") {
		t.Errorf("pprof -tagfocus:\n%s", focused)
	}
	raw := goToolPprof(t, "-raw", file)
	for _, want := range []string{"latency/nanoseconds[dflt] tail/nanoseconds passages/count", "11996799270", "container:[web]", "peer:[api]", "protocol:[tcp]"} {
		if !strings.Contains(raw, want) {
			t.Errorf("want %q in pprof -raw:\n%s", want, raw)
		}
	}
}

// TestPprofOnTheWeb has pprof's own web interface draw it.
func TestPprofOnTheWeb(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.pb.gz")
	if err := os.WriteFile(file, []byte(written(t, slowShop().Snapshot(names{}, meta()), Pprof)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := pprofCommand(t, "-no_browser", "-http=127.0.0.1:", file) // at a port that pprof chooses
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // go and its tool
		_ = cmd.Wait()
	})
	url := ""
	for lines := bufio.NewScanner(said); url == "" && lines.Scan(); {
		if i := strings.Index(lines.Text(), "http://"); i >= 0 {
			url = lines.Text()[i:]
		}
	}
	waitListening(t, strings.TrimPrefix(url, "http://")) // it says so before it does
	for page, want := range map[string]string{
		"/top": "qdisc @ veth of api", "/flamegraph": "qdisc @ veth of api", "/top?si=tail": "sock_lock @ eth0 of web",
		"/flamegraph?tf=peer%3Dapi": "web → api tcp/8080",
	} {
		answer, err := http.Get(url + page)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s, %v, %d bytes without %q", page, answer.Status, err, len(text), want)
		}
	}
}

func waitListening(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func goToolPprof(t *testing.T, args ...string) string {
	t.Helper()
	out, err := pprofCommand(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go tool pprof %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func pprofCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("go", append([]string{"tool", "pprof", "-symbolize=none"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PPROF_TMPDIR="+t.TempDir(),
		"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"), "GOFLAGS=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
