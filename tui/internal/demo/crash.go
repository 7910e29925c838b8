package main

import (
	"time"

	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/tui"
)

// crashing is a feed that panics: where the screen is painted (which asks a
// player where it stands), where keys are handled (space pauses a player),
// where a frame is pulled, or in the goroutine that collects.
type crashing struct {
	tui.Feed
	at   string // view, update, pull, collect
	from time.Time
}

func (c *crashing) due(at string) {
	if c.at == at && time.Now().After(c.from) {
		panic("a bug in " + at)
	}
}

func (c *crashing) Frame(q history.Query) (history.Frame, error) {
	c.due("pull")
	return c.Feed.Frame(q)
}

func (c *crashing) Playback() tui.Playback {
	c.due("view")
	return tui.Playback{Speed: 1}
}

func (c *crashing) Pause()         { c.due("update") }
func (c *crashing) Hold()          {}
func (c *crashing) Seek(time.Time) {}
func (c *crashing) Faster()        {}
func (c *crashing) Slower()        {}
