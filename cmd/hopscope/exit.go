package main

import (
	"errors"
	"path"
	"strings"
	"syscall"

	"github.com/hopscope/hopscope/pkg/diff"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
)

// Exit codes of the command line.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotAllowed  = 3
	exitNoContainer = 4
	exitRegression  = 5
	exitInterrupted = 130
)

// usageError is a mistake in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error { return &usageError{err} }

// errInterruptedTwice ends the program without a word: who pressed Ctrl-C
// twice knows.
var errInterruptedTwice = errors.New("interrupted")

// isSilent reports errors that need no sentence: a reader that went away (as
// with `| head`) is no failure of ours.
func isSilent(err error) bool {
	return errors.Is(err, errInterruptedTwice) || errors.Is(err, syscall.EPIPE)
}

func exitCode(err error) int {
	var bad *usageError
	var regression *diff.RegressionError
	var unknown *inventory.UnknownError
	var ambiguous *inventory.AmbiguousError
	var network *pipeline.UnknownNetworkError
	var address *inventory.AddressError
	var sick *sickError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return exitDone
	case errors.Is(err, errInterruptedTwice):
		return exitInterrupted
	case errors.As(err, &bad), errors.As(err, &ambiguous), errors.As(err, &network), errors.As(err, &address),
		errors.Is(err, path.ErrBadPattern):
		return exitUsage
	case errors.As(err, &unknown):
		return exitNoContainer
	case errors.As(err, &regression):
		return exitRegression
	case errors.Is(err, probe.ErrPermission), errors.Is(err, probe.ErrUnsupported), errors.Is(err, probe.ErrMemory),
		errors.Is(err, probe.ErrLimit), errors.As(err, &sick):
		return exitNotAllowed
	}
	return exitFailed
}

// sentence is what the operator reads.
func sentence(err error) string {
	text := strings.TrimSpace(err.Error())
	var sick *sickError
	switch {
	case errors.As(err, &sick):
		return oneLine(text) // the rest is printed
	case errors.Is(err, probe.ErrLockedDown): // root is locked out, too
		return text + " (`hopscope doctor` says what to do)"
	case errors.Is(err, probe.ErrPermission):
		return text + " (run as root; `hopscope doctor` says what is missing)"
	case errors.Is(err, probe.ErrUnsupported):
		return text + " (`hopscope doctor` says what this kernel lacks)"
	}
	var bad *usageError
	if errors.As(err, &bad) {
		return text + " (see `hopscope --help`)"
	}
	return text
}
