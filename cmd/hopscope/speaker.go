package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// speaker says on stderr what happens; the result alone goes to stdout.
type speaker struct {
	w     io.Writer
	quiet bool
	noted map[string]bool
	joins *joins // since the selection was said
}

func newSpeaker(w io.Writer, quiet bool) *speaker {
	return &speaker{w: w, quiet: quiet, noted: make(map[string]bool), joins: newJoins(nil)}
}

func (s *speaker) line(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.w, format+"\n", args...)
	}
}

// selection names what the selectors matched.
func (s *speaker) selection(selectors []string, matched []inventory.Container) {
	if len(selectors) == 0 {
		return
	}
	s.joins = newJoins(matched)
	names := make([]string, len(matched))
	for i := range matched {
		names[i] = labelled(&matched[i])
	}
	s.line("tracing %s", strings.Join(names, ", "))
}

// notes says what was not said yet. What stands in brackets is a detail, such as the
// engine's latest error, and no news by itself.
func (s *speaker) notes(notes []string) {
	for _, n := range notes {
		about, _, _ := strings.Cut(n, " (")
		if !s.noted[about] {
			s.line("note: %s", n)
		}
		s.noted[about] = true
	}
}

// sources names what the inventory rests on.
func (s *speaker) sources(sources []inventory.Source) {
	for _, x := range sources {
		if x.OK && x.Detail != "" {
			s.line("%s: %s", x.Name, x.Detail)
		}
	}
}

// progress says who joins a running trace, and keeps one line on a terminal up to
// date.
type progress struct {
	quit chan struct{}
	done chan struct{}
}

func (s *speaker) progress(session *pipeline.Session, d time.Duration) *progress {
	p := &progress{quit: make(chan struct{}), done: make(chan struct{})}
	if s.quiet {
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		begun := time.Now()
		for last := false; !last; {
			select {
			case <-p.quit:
				last = true
			case <-tick.C:
			}
			s.clearLine()
			s.changes(session, last)
			if !last && isTerminal(s.w) {
				fmt.Fprint(s.w, progressLine(session, time.Since(begun), d))
			}
		}
	}()
	return p
}

// changes says what has become of the selection.
func (s *speaker) changes(session *pipeline.Session, last bool) {
	s.joins.look(session.Selected())
	if text := s.joins.line(time.Now(), last); text != "" {
		s.line("%s", text)
	}
	if note := session.Unclear(); note != "" {
		s.notes([]string{note})
	}
}

// clearLine takes the line of progress off a terminal.
func (s *speaker) clearLine() {
	if isTerminal(s.w) {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

func (p *progress) stop() {
	close(p.quit)
	<-p.done
}

func progressLine(session *pipeline.Session, since, d time.Duration) string {
	left := since.Round(time.Second).String() + ", Ctrl-C ends"
	if d > 0 {
		left = max(d-since, 0).Round(time.Second).String() + " left"
	}
	c, err := session.Counts()
	if err != nil {
		return left
	}
	return fmt.Sprintf("%s · %d packets tracked · %d lost", left, c.Tracked, c.LostTotal())
}
