package tui

import (
	"github.com/hopscope/hopscope/pkg/history"
)

// Feed is where the screens have their data from. It is asked from a goroutine
// of its own, one question at a time, and must not make collection wait.
type Feed interface {
	// Frame gives what happened in a window of time. An error is shown, and
	// the next tick asks again.
	Frame(q history.Query) (history.Frame, error)
}

// Recorder is a feed that can write a capture file while it is watched. Where
// the feed is none, the key does not exist.
type Recorder interface {
	// StartRecording begins a capture file and names it.
	StartRecording() (path string, err error)
	// StopRecording ends the file so that it is whole.
	StopRecording() (path string, err error)
	// Recorded waits until the recording under way is over: stopped, without an
	// error, or because nothing more can be written, as on a full disk. The file
	// is then ended as well as it can be.
	Recorded() (path string, err error)
}

// Noter is a feed that knows what is missing or guessed: an engine that does not
// answer, a host that was suspended. What is new is shown, once.
type Noter interface {
	Notes() []string
}

// Exporter is a feed that can write what is seen to a file.
type Exporter interface {
	Export(f history.Frame) (path string, err error)
}
