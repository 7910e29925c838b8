package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// payload is what packets carry here, and no file may.
const payload = "the-payload-of-a-packet"

// held counts what is in a capture by its kind.
func held(t *testing.T, path string) (kinds map[string]int, r *capture.Reader) {
	t.Helper()
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	kinds = map[string]int{}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return kinds, r
		}
		if err != nil {
			t.Fatal(err)
		}
		for kind, is := range map[string]bool{
			"journeys": rec.Journey != nil && rec.Journey.Weight > 0, "drops": rec.Drops != nil, "retransmits": rec.Retransmits != nil,
			"counters": rec.Counters != nil, "lookups": rec.DNS != nil, "inventories": rec.Inventory != nil, "servers": rec.Servers != nil,
			"exchanges": rec.Sockets != nil && rec.Sockets.Exchange != nil, "connects": rec.Sockets != nil && rec.Sockets.Connect != nil,
			"resets": rec.Sockets != nil && rec.Sockets.Resets != nil, "findings": len(rec.Findings) > 0, "unknown": rec.Extra != nil,
			"statuses": rec.Status != nil && rec.Status.Accounting.Tracked > 0, "ends": rec.End != nil,
			"devices": rec.Inventory != nil && len(rec.Inventory.Facts.Devices) > 0,
		} {
			if is {
				kinds[kind]++
			}
		}
	}
}

// rawText is all that a capture holds, unpacked as docs/capture-format.md tells
// another reader to.
func rawText(t *testing.T, path string) (out []byte) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unzip, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unzip.Close()
	const preface, header = 16, 32
	for rest := file[preface:]; len(rest) > 0; {
		if len(rest) < header || string(rest[:4]) != "Hop\xb1" {
			t.Fatalf("no block at %d", len(file)-len(rest))
		}
		stored := header + binary.LittleEndian.Uint32(rest[12:])
		if rest[9]&1 == 0 {
			out = append(out, rest[header:stored]...)
		} else if out, err = unzip.DecodeAll(rest[header:stored], out); err != nil {
			t.Fatal(err)
		}
		rest = rest[stored:]
	}
	return out
}

// ask sends one request to the server, of payload and nothing else.
func (s *shop) ask(t *testing.T) {
	t.Helper()
	err := lab.InNetns(s.client.Netns, func() error {
		conn, err := net.Dial("tcp", s.at)
		if err != nil {
			return err
		}
		defer conn.Close()
		request := append(make([]byte, 12), bytes.Repeat([]byte(payload), 50)...)
		request[0] = 'r'
		binary.BigEndian.PutUint32(request[4:], uint32(len(request)))
		binary.BigEndian.PutUint32(request[8:], 64)
		if _, err := conn.Write(request); err != nil {
			return err
		}
		_, err = io.ReadFull(conn, make([]byte, 64))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refused makes a connection where nobody listens.
func (s *shop) refused(t *testing.T) {
	t.Helper()
	err := lab.InNetns(s.client.Netns, func() error {
		conn, err := net.Dial("tcp", net.JoinHostPort(s.web.IP(s.net).String(), "81"))
		if err == nil {
			conn.Close()
		}
		return err
	})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled: %v", err)
	}
}

// A capture of real traffic holds all that docs/capture-format.md says, and
// nothing of what the packets carried; its report says what the trace said,
// number for number.
func (s *shop) holdsEverything(t *testing.T) {
	path := s.file(t)
	run := program.Start(t, "trace", "-d", "12s", "-c", s.web.Name, "-c", s.client.Name, "--sample", "1", "--format", "json", "-o", path)
	run.Tracing(t)
	s.ask(t)
	s.refused(t)
	s.client.Run("resolve", "--count", "5", "web")
	for _, mode := range []string{"rr", "short", "udp"} {
		s.client.Run(mode, "--count", "300", s.at)
	}
	queue := lab.TBF(t, s.client.Netns, "eth0", 20_000_000, 3000, 6000)
	s.client.Run("bulk", "--bytes", "1000000", s.at) // more than the queue holds: drops and retransmissions
	queue.Remove()
	s.idle.Restart()
	r := run.Wait(t)
	if r.Code != 0 || !strings.Contains(r.Stderr, "saved "+path) {
		t.Fatalf("exit code %d: %s", r.Code, r.Stderr)
	}
	if report := s.reportOf(t, path); report.Stdout != r.Stdout || report.Stderr != "" {
		t.Errorf("stderr %q; the report\n%.2000s\nis not the summary\n%.2000s", report.Stderr, report.Stdout, r.Stdout)
	}
	if sum := parse(t, r.Stdout); len(sum.Paths) < 4 || len(sum.Drops) == 0 || sum.Ended != "duration" {
		t.Errorf("%d paths, drops %+v, ended %q", len(sum.Paths), sum.Drops, sum.Ended)
	}
	got, file := held(t, path)
	for kind, least := range map[string]int{
		"journeys": 100, "drops": 1, "retransmits": 1, "exchanges": 1, "connects": 1, "resets": 1, "lookups": 1, "counters": 1,
		"findings": 1, "inventories": 2, "devices": 2, "statuses": 3, "ends": 1,
	} {
		if got[kind] < least {
			t.Errorf("%d %s, want %d at least; it holds %v", got[kind], kind, least, got)
		}
	}
	if d := file.Damage(); d.Any() || got["unknown"] > 0 {
		t.Errorf("%v, %v", d, got)
	}
	h := file.Head()
	if h.ToolVersion == "" || h.Host == "" || h.Kernel == "" || h.CPUs == 0 || h.Sampling.Sample != 1 ||
		strings.Join(h.Command[1:3], " ") != "trace -d" || len(h.Selection) != 2 || h.StartedAt.IsZero() || h.MonotonicZero.IsZero() {
		t.Errorf("head %+v", h)
	}
	text := rawText(t, path)
	if bytes.Contains(text, []byte(payload[:8])) || !bytes.Contains(text, []byte(s.web.Name)) {
		t.Error("the file holds what a packet carried, or this test cannot see what it holds")
	}
}

// A recording that is begun while the live screen runs tells of its own time,
// not of the hours before it.
func (s *shop) recordedFromNow(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	session, err := pipeline.Open(ctx, pipeline.Options{Sample: 1, Containers: []string{s.web.Name}, Unsummed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	done := make(chan error, 1)
	go func() { done <- session.Run(ctx) }()
	feed := &liveFeed{session: session, history: newHistory(session, history.Options{})}
	s.client.Run("rr", "--count", "500", s.at)
	time.Sleep(300 * time.Millisecond) // what is under way is read
	begun := time.Now()
	path, err := feed.StartRecording()
	if err != nil {
		t.Fatal(err)
	}
	s.client.Run("rr", "--count", "100", s.at)
	for range 5 { // what makes a finding
		s.refused(t)
	}
	time.Sleep(300 * time.Millisecond)
	if _, err := feed.StopRecording(); err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := parse(t, s.reportOf(t, filepath.Join(dir, path)).Stdout)
	wantFindings(t, filepath.Join(dir, path), got)
	if start := got.StartedAt; start.Before(begun.Add(-time.Millisecond)) || start.After(ended) || time.Duration(got.DurationNs) > ended.Sub(begun) {
		t.Errorf("it tells of %v from %v on, and was begun at %v", time.Duration(got.DurationNs), start, begun)
	}
	var journeys uint64
	for _, p := range got.Paths {
		journeys += p.Journeys
	}
	if a := got.Accounting; journeys < 200 || journeys > 400 || a.Emitted < journeys || a.Tracked > 400 {
		t.Errorf("%d journeys, accounting %+v", journeys, a)
	}
}

// wantFindings checks that a file holds the findings which its report finds.
func wantFindings(t *testing.T, path string, report model.Snapshot) {
	t.Helper()
	contents, err := capture.Survey(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) == 0 || !slices.Equal(contents.Findings, report.Findings) {
		t.Errorf("findings in the file: %+v\nin its report: %+v", contents.Findings, report.Findings)
	}
}
