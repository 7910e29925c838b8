package tui

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/internal/fake"
)

// pty opens a pseudo terminal (pty(7)) of that size.
func pty(t *testing.T, width, height uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

// counted is a feed that counts what is asked of it.
type counted struct {
	*fake.Feed
	frames atomic.Int64
}

func (c *counted) Frame(q history.Query) (history.Frame, error) {
	c.frames.Add(1)
	return c.Feed.Frame(q)
}

// screenText is what was read from a terminal.
type screenText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screenText) read(f *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
	}
}

func (s *screenText) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.text.Bytes(), []byte(text))
}

// TestStuckTerminal has a terminal that reads nothing for a while, as one at the
// far end of a bad line: no frame is made for it, every second is collected
// meanwhile, and when it reads again it shows the last one with all that was
// counted.
func TestStuckTerminal(t *testing.T) {
	const talks = 10 // few, so that frames follow each other quickly
	t.Setenv("TERM", "xterm-256color")
	master, slave := pty(t, 500, 200) // one screen is more than the kernel takes in for a terminal
	feed := &counted{Feed: shopFeed(fake.Large(190, talks), 2)}
	ended := make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), feed, Options{In: slave, Out: slave, Refresh: 5 * time.Millisecond, Location: time.UTC})
	}()
	eventually := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	at := 2
	for before, same := int64(-1), 0; same < 60; at++ { // until it is stuck, and some time longer
		feed.World.Second(feed.History, at)
		time.Sleep(10 * time.Millisecond)
		now := feed.frames.Load()
		if same++; now != before {
			before, same = now, 0
		}
		if at > 2000 {
			t.Fatalf("the terminal takes whatever is written: %d frames", now)
		}
	}
	stuck := feed.frames.Load()
	for range 100 {
		feed.World.Second(feed.History, at)
		at++
	}
	if more := feed.frames.Load() - stuck; more > 0 {
		t.Errorf("%d frames were made for a terminal that takes none", more)
	}
	var seen screenText
	go seen.read(master)
	last := fake.Begin.Add(time.Duration(at) * time.Second).Format("15:04:05")
	eventually("the last second is not shown", func() bool { return seen.has(last) })
	if _, err := master.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not quit")
	}
	f, err := feed.Frame(history.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	for i := range f.Snapshot.Paths {
		n += f.Snapshot.Paths[i].Journeys
	}
	if want := uint64(at * talks * 2); n != want {
		t.Errorf("%d packets are counted, want %d", n, want)
	}
}
