package robust

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// fakeEngine answers on a socket of its own as the test wishes, and gives the
// address of it.
func fakeEngine(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "unix://" + l.Addr().String()
}

// listen opens a socket; its path is short, since a socket's may have 107 bytes.
func listen(t *testing.T) net.Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "hs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "d.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// rawEngine does with each connection as the test wishes.
func rawEngine(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go do(c)
		}
	}()
	return "unix://" + l.Addr().String()
}

// answers is an engine that is right but for what wrong says: by the path
// without its version, the whole body.
func answers(api string, wrong map[string]string) http.HandlerFunc {
	right := map[string]string{
		"/_ping":           "OK",
		"/version":         `{"Version":"99.0","ApiVersion":"` + api + `"}`,
		"/containers/json": "[]",
		"/networks":        "[]",
	}
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if strings.HasPrefix(path, "/v") && path != "/version" {
			path = path[strings.Index(path[1:], "/")+1:]
		}
		w.Header().Set("Api-Version", api)
		w.Header().Set("Content-Type", "application/json")
		if body, ok := wrong[path]; ok {
			_, _ = io.WriteString(w, body)
			return
		}
		if path == "/events" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, right[path])
	}
}

// faultySocket is an address at which no sound engine answers.
type faultySocket struct {
	name string
	at   func(*testing.T) string
	says string
	slow time.Duration // how long the start may take beyond the usual
}

func faultySockets() []faultySocket {
	status := func(code int, body string) func(*testing.T) string {
		return func(t *testing.T) string {
			return fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(code)
				_, _ = io.WriteString(w, body)
			})
		}
	}
	wrong := func(path, body string) func(*testing.T) string {
		return func(t *testing.T) string { return fakeEngine(t, answers("1.41", map[string]string{path: body})) }
	}
	return []faultySocket{
		// The slow ones first: the others are tried beside them.
		{name: "hangs after the version", at: func(t *testing.T) string {
			sound := answers("1.41", nil)
			return fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/containers/json") {
					<-r.Context().Done()
					return
				}
				sound(w, r)
			})
		}, says: "does not answer", slow: 11 * time.Second},
		{name: "hangs", at: func(t *testing.T) string { return rawEngine(t, func(net.Conn) {}) }, says: "does not answer", slow: 6 * time.Second},
		{name: "missing", at: func(*testing.T) string { return "unix:///run/no-such-engine.sock" }, says: "/run/no-such-engine.sock"},
		{name: "not a socket", at: func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return "unix://" + path
		}, says: "/file"},
		{name: "refuses", at: func(t *testing.T) string {
			l := listen(t)
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			_ = l.Close()
			return "unix://" + l.Addr().String()
		}, says: "d.sock"},
		{name: "hangs up", at: func(t *testing.T) string { return rawEngine(t, func(c net.Conn) { c.Close() }) }, says: "does not answer"},
		{name: "not HTTP", at: func(t *testing.T) string {
			return rawEngine(t, func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2\r\n\x1b[31m\x00\xff"); c.Close() })
		}, says: "does not answer"},
		{name: "error 500", at: status(500, "\x1b]0;title\x07 out of order \xff\n\n"), says: "does not answer"},
		{name: "403 without a body", at: status(403, ""), says: "does not answer"},
		{name: "web page", at: status(200, "<html><body>It works!</body></html>"), says: "does not answer"},
		{name: "containers that are no list", at: wrong("/containers/json", `{"message":"no"}`), says: "does not answer"},
		{name: "containers cut short", at: wrong("/containers/json", `[{"Id":"aaaa`), says: "does not answer"},
		{name: "networks that are no list", at: wrong("/networks", `"none"`), says: "does not answer"},
		{name: "old API", at: func(t *testing.T) string { return fakeEngine(t, answers("1.18", nil)) }, says: "its API 1.18 is too old: 1.24 or newer is needed"},
		{name: "API of nonsense", at: func(t *testing.T) string { return fakeEngine(t, answers("banana", nil)) }, says: "API"},
	}
}

// Without an engine the program traces all the same, says in one sentence what
// is amiss, and takes no longer than an engine that hangs is waited for.
func TestFaultySocketWhileTracing(t *testing.T) {
	lab.Lock(t)
	for _, f := range faultySockets() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			o := program.Run(t, "trace", "--no-save", "--duration", "200ms", "--format", "json", "--docker-host", f.at(t))
			o.WantDone(t, f.says, "note: the Docker engine does not answer")
			wantPlain(t, o)
			if n := strings.Count(o.Stderr, "the Docker engine"); n != 1 {
				t.Errorf("said %d times: %s", n, o.Stderr)
			}
			if !json.Valid([]byte(o.Stdout)) {
				t.Errorf("stdout is no JSON: %.200s", o.Stdout)
			}
			if limit := 5*time.Second + f.slow; o.Took > limit {
				t.Errorf("took %s, more than %s", o.Took, limit)
			}
		})
	}
}

// An engine that goes away during a trace is told of once, at its end at the
// latest, and ends nothing.
func TestEngineLostWhileTracing(t *testing.T) {
	lab.Lock(t)
	at, leave := mortalEngine(t)
	r := program.Start(t, "trace", "--no-save", "--format", "json", "-v", "--docker-host", at)
	r.Says(t, "docker: Docker 99.0")
	leave()
	time.Sleep(200 * time.Millisecond)
	o := r.Interrupt(t)
	o.WantDone(t, "note: the Docker engine does not answer: new containers are named by the first 12 digits of their id")
	if n := strings.Count(o.Stderr, "does not answer"); n != 1 {
		t.Errorf("said %d times: %s", n, o.Stderr)
	}
}

// mortalEngine is a sound engine, until it leaves.
func mortalEngine(t *testing.T) (at string, leave func()) {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: answers("1.41", nil)}
	go func() { _ = s.Serve(l) }()
	leave = func() { _ = s.Close() }
	t.Cleanup(leave)
	return "unix://" + l.Addr().String(), leave
}

// A container that is asked for by name cannot be found without an engine: the
// sentence gives the reason.
func TestFaultySocketAndName(t *testing.T) {
	needsRoot(t)
	for _, f := range faultySockets() {
		if f.slow > 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			o := program.Run(t, "trace", "--no-save", "--container", "web", "--docker-host", f.at(t))
			o.WantError(t, 4, `"web"`, "the Docker engine does not answer", f.says)
			wantPlain(t, o)
		})
	}
}

// wantPlain checks that nothing reaches the terminal that it would obey.
func wantPlain(t *testing.T, o program.Ending) {
	t.Helper()
	for _, r := range o.Stderr {
		if r < ' ' && r != '\n' || r == 0x7f || r == '\uFFFD' {
			t.Fatalf("stderr has the character %q: %q", r, o.Stderr)
		}
	}
}

// A proxy before the socket that lets through no more than it must, as is
// common, is a sound engine.
func TestSocketBehindAProxy(t *testing.T) {
	sound := answers("1.41", nil)
	at := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/info") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		sound(w, r)
	})
	o := program.Run(t, "list", "--docker-host", at)
	o.WantDone(t)
	if strings.Contains(o.Stderr, "does not answer") {
		t.Error(o.Stderr)
	}
}

// What containers are called is up to who made them: names and labels may hold
// anything.
func TestHostileNames(t *testing.T) {
	lab.Lock(t)
	id := strings.Repeat("ab", 32)
	hostile := "evil\x1b]0;owned\x07\x1b[2J\r\n\u202e\x00" + strings.Repeat("x", 4096)
	name, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	name = append(name[:len(name)-1], []byte("\xff\xfe\"")...) // not UTF-8
	list := fmt.Sprintf(`[{"Id":%q,"Names":["/%s],"Image":%s,"State":"exited","Labels":{"com.docker.compose.service":%s}}]`, id, name[1:], name, name)
	at := fakeEngine(t, answers("1.41", map[string]string{
		"/containers/json": list,
		"/networks":        fmt.Sprintf(`[{"Id":%q,"Name":%s,"Driver":"bridge"}]`, id, name),
	}))
	o := program.Run(t, "list", "--docker-host", at)
	o.WantDone(t)
	if !strings.Contains(o.Stdout, "evil") || len(o.Stdout) > 2000 {
		t.Errorf("list prints %d bytes: %.300q", len(o.Stdout), o.Stdout)
	}
	o.Stderr += o.Stdout
	wantPlain(t, o)
	o = program.Run(t, "trace", "--no-save", "--duration", "100ms", "--container", "evil*", "--docker-host", at)
	o.WantDone(t, "evil")
	o.Stderr += o.Stdout
	wantPlain(t, o)
}
