package robust

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/pprof/profile"
	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// harmless is the part of hostile names that is to be read.
const harmless = "evilname"

// attack is what a name has beside: what terminals, parsers of the exports and
// readers would fall for.
const attack = "\x1b]0;owned\x07\x1b[2J\x9b31m\u009b31m\u202e\u200b\x00\r\n\t\x7f;</script><script>alert(1)</script>\"'&]]>"

// hostile has names and labels that attack: by labels of 4 kB that Docker takes, by
// a name that no engine should give but this one does, and by an interface that the
// container has renamed.
func (p *pair) hostile(t *testing.T) {
	long := harmless + strings.Repeat(attack+"x", 4096/len(attack))
	evil := p.shop.Container(lab.ContainerSpec{Name: "evil", Networks: []*lab.Network{p.net}, Args: []string{"serve"},
		Labels: map[string]string{"com.docker.compose.service": long, "com.docker.compose.project": long}})
	defer evil.Remove()
	renameDevice(t, evil.Netns, "eth0", "\x1b[2J<b>&\x07\xff;")
	at := engineThrough(t, func(r *http.Response) error {
		if strings.HasSuffix(r.Request.URL.Path, "/events") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		body = bytes.ReplaceAll(body, []byte(evil.Name), quoted(long))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Del("Content-Length")
		return nil
	})
	file := p.traceOf(t, evil, at)
	for _, args := range [][]string{
		{"report", file}, {"report", file, "--format", "json"}, {"report", file, "--format", "folded"},
		{"flame", file, "--format", "html"}, {"flame", file, "--format", "svg"}, {"flame", file, "--format", "folded"},
		{"flame", file, "--format", "pprof"}, {"flame", file, "--format", "perfetto"},
		{"diff", file, file}, {"diff", file, file, "--format", "json"}, {"diff", file, file, "--format", "html"}, {"diff", file, file, "--format", "svg"},
		{"list", "--docker-host", at}, {"__complete", "trace", "--docker-host", at, "--container", harmless},
		{"__complete", "report", file, "--container", harmless},
	} {
		o := program.Run(t, args...)
		if o.Code != 0 {
			t.Errorf("%v: exit code %d: %s", args, o.Code, o.Stderr)
			continue
		}
		wantShown(t, args, o.Stdout)
		wantShown(t, args, o.Stderr+harmless)
	}
}

// traceOf traces a container, once each as a table and as JSON, and gives the file.
func (p *pair) traceOf(t *testing.T, c *lab.Container, at string) (file string) {
	t.Helper()
	for _, format := range []string{"table", "json"} {
		args := []string{"trace", "--format", format, "--sample", "1", "--container", c.ID, "--docker-host", at, "--output", "x.hop"}
		r := program.Start(t, args...)
		r.Tracing(t)
		wantOK(t, p.client.Run("rr", "--count", "2500", "--rate", "1000", c.IP(p.net).String()+":8000"), 2500)
		o := r.Interrupt(t)
		o.WantDone(t, "tracing "+harmless)
		wantShown(t, args, o.Stdout)
		wantShown(t, args, o.Stderr)
		file = filepath.Join(r.Cmd.Dir, "x.hop")
	}
	return file
}

// wantShown checks that an output tells the name, that a terminal would obey nothing
// of it, and that its parser takes it as one thing.
func wantShown(t *testing.T, args []string, out string) {
	t.Helper()
	if strings.Contains(strings.Join(args, " "), "pprof") && out != harmless {
		prof, err := profile.ParseData([]byte(out))
		if err != nil {
			t.Errorf("%v: %v", args, err)
			return
		}
		out = prof.String()
	}
	if !strings.Contains(out, harmless) {
		t.Errorf("%v does not tell of %s: %.2000s", args, harmless, out)
	}
	if !utf8.ValidString(out) {
		t.Errorf("%v: not UTF-8", args)
	}
	for _, r := range out {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			t.Errorf("%v: %q reaches the terminal", args, r)
			break
		}
	}
	if err := parses(strings.Join(args, " "), out); err != nil {
		t.Errorf("%v: %v", args, err)
	}
}

var foldedLine = regexp.MustCompile(`^[^;]+(;[^;]+){4} [0-9]+$`)

// parses reads an output as its consumer does.
func parses(args, out string) error {
	switch {
	case out == harmless: // an empty stderr
		return nil
	case strings.Contains(args, "json"), strings.Contains(args, "perfetto"):
		if strings.HasPrefix(out, "tracing ") {
			return nil
		}
		return json.Unmarshal([]byte(out), new(any))
	case strings.Contains(args, "svg"):
		d := xml.NewDecoder(strings.NewReader(out))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	case strings.Contains(args, "html"):
		if strings.Contains(out, "<script>alert") {
			return errors.New("a name is a script of the page")
		}
	case strings.Contains(args, "folded"):
		for line := range strings.Lines(out) {
			if !foldedLine.MatchString(strings.TrimSuffix(line, "\n")) {
				return errors.New("no stack of five frames: " + line)
			}
		}
	}
	return nil
}

// quoted is a text as it stands in a JSON string, but for what is no UTF-8.
func quoted(s string) []byte {
	parts := strings.Split(s, "\x9b")
	for i, part := range parts {
		text, _ := json.Marshal(part) // a string always can be
		parts[i] = string(text[1 : len(text)-1])
	}
	return []byte(strings.Join(parts, "\x9b"))
}

// renameDevice takes the name as it is: the kernel refuses '/', ':' and blanks alone.
func renameDevice(t *testing.T, netns, from, to string) {
	t.Helper()
	err := lab.InNetns(netns, func() error {
		link, err := netlink.LinkByName(from)
		if err == nil {
			err = netlink.LinkSetName(link, to) // the kernel renames one that is up (IFF_LIVE_RENAME_OK)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
