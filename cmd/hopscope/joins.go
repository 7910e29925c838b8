package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

const (
	// joinsNamed is how many containers a line names.
	joinsNamed = 5
	// joinsRarest is the longest time between two lines: where containers come and go
	// all the time, each line makes the next one wait twice as long.
	joinsRarest = time.Minute
)

// joins tells which containers came into the selection of a running trace.
type joins struct {
	lives map[string]time.Time // when the present or last life of each began, by id
	news  []string             // names that were not told yet
	more  int                  // beyond news
	next  time.Time            // not before
	pause time.Duration
}

func newJoins(selected []inventory.Container) *joins {
	j := &joins{lives: make(map[string]time.Time)}
	j.look(selected)
	j.news, j.more = nil, 0
	return j
}

// look takes in the selection as it is now.
func (j *joins) look(selected []inventory.Container) {
	now := make(map[string]time.Time, len(selected))
	for i := range selected {
		c := &selected[i]
		if c.State == "created" { // will be told when it is started
			continue
		}
		now[c.ID] = c.Started
		if j.lives[c.ID].Equal(c.Started) {
			continue
		}
		if len(j.news) == joinsNamed {
			j.more++
			continue
		}
		j.news = append(j.news, labelled(c))
	}
	j.lives = now
}

// line is what is new, "" for nothing, or for not yet; last is to leave nothing
// untold.
func (j *joins) line(now time.Time, last bool) string {
	switch {
	case len(j.news) == 0:
		if now.After(j.next) {
			j.pause = 0
		}
		return ""
	case now.Before(j.next) && !last:
		return ""
	}
	text := "tracing also " + strings.Join(j.news, ", ")
	if j.more > 0 {
		text += fmt.Sprintf(" and %d more", j.more)
	}
	j.pause = min(max(2*j.pause, 2*time.Second), joinsRarest)
	j.news, j.more, j.next = nil, 0, now.Add(j.pause)
	return text
}

// labelled is a container's name, with its state where it is not running.
func labelled(c *inventory.Container) string {
	if c.Running() {
		return c.Name
	}
	return c.Name + " (" + c.State + ")"
}
