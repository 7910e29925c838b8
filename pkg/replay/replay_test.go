package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
)

func frame(t testing.TB, p *Player, window time.Duration) history.Frame {
	t.Helper()
	f, err := p.Frame(history.Query{Window: window})
	must(t, err)
	f.Snapshot = f.Snapshot.Whole()
	return f
}

func text(t testing.TB, s model.Snapshot) string {
	t.Helper()
	out, err := json.MarshalIndent(s, "", " ")
	must(t, err)
	return string(out)
}

func packets(s model.Snapshot) (n uint64) {
	for _, p := range s.Paths {
		n += p.Total.Samples
	}
	return n
}

func at(second float64) time.Time { return started().Add(time.Duration(second * 1e9)) }

// TestEndIsTheReport: played to the end, or to any end, a capture shows what
// its report says, to the last digit.
func TestEndIsTheReport(t *testing.T) {
	path := write(t)
	for name, c := range map[string]capture.Choice{
		"whole":     {},
		"container": {Containers: []string{"web"}},
		"part":      {From: at(10), To: at(50)},
		"late":      {From: at(90)},
		"nothing":   {Ports: []uint16{1}},
	} {
		facts, err := capture.Survey(path)
		must(t, err)
		filter, err := c.Filter(facts)
		must(t, err)
		p := openPlayer(t, path, Options{Filter: filter, From: c.From, To: c.To})
		p.Seek(at(1000))
		settle(t, p)
		want, got := text(t, report(t, path, c)), text(t, frame(t, p, 0).Snapshot)
		if got != want {
			t.Errorf("%s:\n got %.3000s\nwant %.3000s", name, got, want)
		}
		if !p.State().Ended {
			t.Errorf("%s: %+v", name, p.State())
		}
	}
}

func TestCutCapture(t *testing.T) {
	path := write(t)
	cut(t, path, 0.6)
	p := openPlayer(t, path, Options{})
	p.Seek(at(1000))
	settle(t, p)
	p.Seek(at(1000)) // where it ends was not known before
	settle(t, p)
	if want, got := text(t, report(t, path, capture.Choice{})), text(t, frame(t, p, 0).Snapshot); got != want {
		t.Errorf("got %.2000s\nwant %.2000s", got, want)
	}
	if s := p.State(); !s.Ended || s.To.Before(at(30)) || s.To.After(at(90)) {
		t.Errorf("%+v", s)
	}
}

// TestClock: what is shown is what the trace had seen at that moment.
func TestClock(t *testing.T) {
	p := openPlayer(t, write(t), Options{})
	p.step(2 * time.Second)
	if f := frame(t, p, 0); !f.At.Equal(at(2)) || packets(f.Snapshot) != 2*perSecond || f.Snapshot.Ended != "" {
		t.Errorf("after 2 s: at %v, %d packets, ended %q", f.At, packets(f.Snapshot), f.Snapshot.Ended)
	}
	if a := p.State(); a.At != at(2) || a.Ended || a.Paused {
		t.Errorf("%+v", a)
	}
	p.Pause()
	p.step(time.Minute)
	if s := p.State(); s.At != at(2) || !s.Paused {
		t.Errorf("paused: %+v", s)
	}
	p.Pause()
	p.Faster()
	p.Faster()
	p.step(2 * time.Second) // × 5
	f := frame(t, p, 10*time.Second)
	if !f.At.Equal(at(12)) || packets(f.Snapshot) != 10*perSecond {
		t.Errorf("last 10 of 12 s: at %v, %d packets", f.At, packets(f.Snapshot))
	}
	if f.Snapshot.Accounting.Tracked != 12*perSecond {
		t.Errorf("accounting of another moment: %+v", f.Snapshot.Accounting)
	}
	for range 20 {
		p.Faster()
	}
	if s := p.State().Speed; s != 100 {
		t.Errorf("speed %v", s)
	}
	for range 20 {
		p.Slower()
	}
	if s := p.State().Speed; s != 1 {
		t.Errorf("speed %v", s)
	}
}

func TestSeek(t *testing.T) {
	p := openPlayer(t, write(t), Options{})
	for _, second := range []float64{80, 40, 41.5, 10, 0, 93, 5} {
		p.Seek(at(second))
		settle(t, p)
		if s := p.State(); s.At != at(second) || s.Seeking {
			t.Errorf("to %v s: %+v", second, s)
		}
		if second == 0 {
			continue
		}
		f := frame(t, p, time.Second)
		whole := at(float64(int(second)))
		if n := packets(f.Snapshot); !f.At.Equal(whole) || n != perSecond {
			t.Errorf("to %v s: shows %v with %d packets", second, f.At, n)
		}
	}
	p.step(3 * time.Second) // from what the history has, on into it
	if f := frame(t, p, time.Second); !f.At.Equal(at(8)) {
		t.Errorf("on from 5 s: %v", f.At)
	}
	p.Seek(at(-7))
	settle(t, p)
	if s := p.State(); s.At != at(0) {
		t.Errorf("before the begin: %+v", s)
	}
}

// TestSeekFar: in a capture that is too large to be read from its begin, a
// moment is shown as if it had been, whatever window is asked for, and nothing
// of long before it is read.
func TestSeekFar(t *testing.T) {
	path := write(t)
	near, far := openPlayer(t, path, Options{}), openPlayer(t, path, Options{})
	far.tooMany = 50
	jumped := 0
	for _, second := range []float64{90, 3, 85, 94, 12, 93} {
		for _, p := range []*Player{near, far} {
			p.Seek(at(second))
			settle(t, p)
			if s := p.State(); s.At != at(second) || s.Seeking {
				t.Errorf("to %v s: %+v", second, s)
			}
		}
		for _, window := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
			want, got := frame(t, near, window), frame(t, far, window)
			if text(t, got.Snapshot) != text(t, want.Snapshot) || !got.At.Equal(want.At) {
				t.Errorf("%v to %v s: %s", window, second, difference(text(t, got.Snapshot), text(t, want.Snapshot)))
			}
		}
		all := frame(t, far, 0)
		if all.Covered < time.Duration(second-1)*time.Second {
			jumped++
			if all.Covered < lookBack-time.Second {
				t.Errorf("to %v s: everything covers %v", second, all.Covered)
			}
			if n, want := packets(all.Snapshot), perSecond*all.Covered.Seconds(); float64(n) > want {
				t.Errorf("to %v s: %d packets in %v", second, n, all.Covered)
			}
		}
	}
	if jumped < 3 {
		t.Errorf("it jumped %d times", jumped)
	}
}

func TestPauseAtTheEndBeginsAnew(t *testing.T) {
	p := openPlayer(t, write(t), Options{})
	p.Seek(at(1000))
	settle(t, p)
	p.Pause()
	settle(t, p)
	if s := p.State(); s.Ended || s.Paused || s.At != at(0) {
		t.Errorf("%+v", s)
	}
	p.step(time.Second)
	if f := frame(t, p, 0); packets(f.Snapshot) != perSecond {
		t.Errorf("%d packets", packets(f.Snapshot))
	}
}

func TestRunObeysAndEnds(t *testing.T) {
	p := openPlayer(t, write(t), Options{Speed: 100})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	deadline := time.Now().Add(20 * time.Second)
	for !p.State().Ended && time.Now().Before(deadline) {
		_ = frame(t, p, 10*time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if !p.State().Ended {
		t.Fatalf("%+v", p.State())
	}
	p.Hold()
	p.Seek(at(20))
	for s := p.State(); (s.Seeking || s.At != at(20)) && time.Now().Before(deadline); s = p.State() {
		time.Sleep(10 * time.Millisecond)
	}
	if f := frame(t, p, time.Second); !f.At.Equal(at(20)) {
		t.Errorf("shows %v, %+v", f.At, p.State())
	}
	stop()
	must(t, <-done)
}

// TestWrongTimes: a file whose clock jumps by years is read to its end.
func TestWrongTimes(t *testing.T) {
	path := t.TempDir() + "/x.hop"
	w, err := capture.Create(path, capture.Options{Head: capture.Head{StartedAt: started(), MonotonicZero: started().Add(-uptime)}})
	must(t, err)
	for _, start := range []uint64{uptime, 1 << 62, 5, uptime + 1e9} {
		j := packet(0, 0)
		j.Start = start
		must(t, w.Journey(j, nil))
	}
	must(t, w.Close(capture.End{Ended: "duration", Status: capture.Status{DurationNs: 1<<62 + 7}}))
	p := openPlayer(t, path, Options{})
	p.Seek(started().AddDate(250, 0, 0))
	settle(t, p)
	if f := frame(t, p, 0); packets(f.Snapshot) != 4 {
		t.Errorf("%d packets", packets(f.Snapshot))
	}
}

// TestMemory: how long a capture is does not matter.
func TestMemory(t *testing.T) {
	p := openPlayer(t, write(t), Options{})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	p.Seek(at(90))
	settle(t, p)
	before := heap()
	for range 5 {
		p.Seek(at(1))
		settle(t, p)
		p.Seek(at(90))
		settle(t, p)
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d bytes grew to %d", before, after)
	}
}

// difference is the first line in which two texts differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: got %q, want %q", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
