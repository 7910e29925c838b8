package tui

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui/internal/fake"
)

// slow is a feed that takes its time, and may be closed when Run has returned.
type slow struct {
	*files
	asked  chan string // what is being answered; has room for all of a test
	closed atomic.Bool
	late   atomic.Bool // it was closed under a question
}

func (s *slow) answer(question string) {
	s.asked <- question
	time.Sleep(300 * time.Millisecond)
	if s.closed.Load() {
		s.late.Store(true)
	}
}

func (s *slow) Frame(q history.Query) (history.Frame, error) {
	defer s.answer("frame")
	return s.Feed.Frame(q)
}

func (s *slow) StartRecording() (string, error) {
	defer s.answer("record")
	return s.files.StartRecording()
}

func (s *slow) Export(f history.Frame) (string, error) {
	defer s.answer("export")
	return s.files.Export(f)
}

// TestNobodyAsksAfterQuit quits while the feed is asked: it may be closed as soon as
// Run returns.
func TestNobodyAsksAfterQuit(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	for question, keys := range map[string]string{"frame": "", "record": "r", "export": "e"} {
		master, slave := pty(t, 80, 24)
		var seen screenText
		go seen.read(master)
		feed := &slow{files: &files{Feed: shopFeed(fake.Shop(), 2), ended: make(chan error)}, asked: make(chan string, 1000)}
		ended := make(chan error, 1)
		go func() {
			err := Run(t.Context(), feed, Options{In: slave, Out: slave, Refresh: 5 * time.Millisecond})
			feed.closed.Store(true)
			ended <- err
		}()
		for end := time.Now().Add(30 * time.Second); !seen.has("shop-front-1"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nothing is shown")
			}
		}
		write := func(text string) {
			if _, err := master.WriteString(text); err != nil {
				t.Fatal(err)
			}
		}
		for len(feed.asked) > 0 { // what was answered before
			<-feed.asked
		}
		write(keys)
		late := time.After(30 * time.Second)
		for asked := ""; asked != question; {
			select {
			case asked = <-feed.asked:
			case <-late:
				t.Fatalf("nobody asks for %q", question)
			}
		}
		write("q")
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: it does not quit", question)
		}
		time.Sleep(400 * time.Millisecond) // whoever is inside comes out
		if feed.late.Load() {
			t.Errorf("%s: Run returned before it was answered", question)
		}
	}
}
