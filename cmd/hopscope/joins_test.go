package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

func running(id string, started int64) inventory.Container {
	return inventory.Container{ID: id, Name: "name-" + id, PID: 1, State: "running", Started: time.Unix(started, 0)}
}

// New and restarted containers are told once each, others not.
func TestJoinsAreTold(t *testing.T) {
	old, stopped := running("old", 1), running("stopped", 1)
	stopped.PID, stopped.State = 0, "exited"
	made := running("new", 5)
	made.PID, made.State = 0, "created"
	ended := running("short", 6)
	ended.PID, ended.State = 0, "exited"
	j := newJoins([]inventory.Container{old, stopped})
	now := time.Unix(1000, 0)
	for _, step := range []struct {
		selected []inventory.Container
		want     string
	}{
		{[]inventory.Container{old, stopped}, ""},
		{[]inventory.Container{old, stopped, made}, ""},
		{[]inventory.Container{old, stopped, running("new", 6)}, "tracing also name-new"},
		{[]inventory.Container{old, running("stopped", 7), running("new", 6)}, "tracing also name-stopped"},
		{[]inventory.Container{running("old", 8), running("stopped", 7), ended}, "tracing also name-old, name-short (exited)"},
		{[]inventory.Container{running("old", 8)}, ""},
	} {
		now = now.Add(time.Minute)
		j.look(step.selected)
		if got := j.line(now, false); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
}

// Hundreds that come and go in ten minutes are a few short lines, which count all.
func TestJoinsOfChurnAreFewLines(t *testing.T) {
	j := newJoins(nil)
	now, told := time.Unix(1000, 0), 0
	var lines []string
	for s := range 600 {
		var selected []inventory.Container
		for k := range 3 {
			selected = append(selected, running(fmt.Sprintf("%d-%d", s, k), int64(s+1)))
		}
		now = now.Add(time.Second)
		j.look(selected)
		if text := j.line(now, s == 599); text != "" {
			lines = append(lines, text)
		}
	}
	for _, text := range lines {
		if len(text) > 120 {
			t.Errorf("a line of %d characters: %s", len(text), text)
		}
		var more int
		if at := strings.LastIndex(text, " and "); at >= 0 {
			if _, err := fmt.Sscanf(text[at:], " and %d more", &more); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		told += more + strings.Count(text, "name-")
	}
	t.Logf("%d containers in %d lines", told, len(lines))
	if told != 1800 || len(lines) > 20 {
		t.Errorf("%d of 1800 containers told, in %d lines", told, len(lines))
	}
}
