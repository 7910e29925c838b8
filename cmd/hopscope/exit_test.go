package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/probe"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{syscall.EPIPE, 0},
		{errors.New("disk on fire"), 1},
		{context.Canceled, 1},
		{usage(errors.New("no such flag")), 2},
		{&inventory.AmbiguousError{Name: "a", Matches: []string{"ab", "ac"}}, 2},
		{&pipeline.UnknownNetworkError{Name: "shop"}, 2},
		{path.ErrBadPattern, 2},
		{probe.ErrPermission, 3},
		{probe.ErrUnsupported, 3},
		{probe.ErrMemory, 3},
		{probe.ErrLimit, 3},
		{&inventory.UnknownError{Name: "wbe", Near: []string{"web"}}, 4},
		{errInterruptedTwice, 130},
	} {
		for _, err := range []error{c.err, wrapped(c.err), errors.Join(c.err, nil)} {
			if got := exitCode(err); got != c.code {
				t.Errorf("exit code of %v is %d, want %d", err, got, c.code)
			}
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("trace: %w", err)
}

// Each sentence is one line that says what to do.
func TestSentences(t *testing.T) {
	for _, c := range []struct {
		err  error
		says string
	}{
		{fmt.Errorf("load: %w", probe.ErrPermission), "run as root"},
		{fmt.Errorf("load: %w", probe.ErrUnsupported), "hopscope doctor"},
		{usage(errors.New("bad")), "hopscope --help"},
		{&inventory.UnknownError{Name: "wbe", Near: []string{"web"}}, "did you mean web?"},
		{&inventory.AmbiguousError{Name: "a", Matches: []string{"ab", "ac"}}, "ab, ac"},
	} {
		s := sentence(c.err)
		if !strings.Contains(s, c.says) || strings.Contains(s, "\n") {
			t.Errorf("%q does not say %q in one line", s, c.says)
		}
	}
}

func TestOnlySomeErrorsAreSilent(t *testing.T) {
	for _, err := range []error{errInterruptedTwice, fmt.Errorf("write: %w", syscall.EPIPE)} {
		if !isSilent(err) {
			t.Errorf("%v is not silent", err)
		}
	}
	if isSilent(errors.New("disk on fire")) {
		t.Error("a failure is silent")
	}
}
