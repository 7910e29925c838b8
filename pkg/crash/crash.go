// Package crash brings a panic of any goroutine to who holds the terminal, which
// is to be restored before anything can be read on it. Where nobody does, a panic
// ends the program as ever.
package crash

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// Error is a panic that was caught.
type Error struct {
	Value any
	Stack []byte
}

func (e *Error) Error() string {
	return fmt.Sprintf("this is a bug, please report it: %v\n%s", e.Value, e.Stack)
}

// Of makes an error of what recover gave.
func Of(value any) *Error { return &Error{Value: value, Stack: debug.Stack()} }

// catcher is of the process, as panics are.
var catcher atomic.Pointer[context.CancelCauseFunc]

// Catch has a panic of goroutines that are begun by Go end the context: its cause
// is then an *Error. The goroutine that panicked is gone, and may have left a lock
// held: who waits for others after that waits in vain. release ends Catch.
func Catch(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(parent)
	catcher.Store(&cancel)
	return ctx, func() {
		catcher.CompareAndSwap(&cancel, nil)
		cancel(nil)
	}
}

// Go runs f in a goroutine of its own.
func Go(f func()) {
	go func() {
		defer guard()
		f()
	}()
}

func guard() {
	cancel := catcher.Load()
	if cancel == nil {
		return // the panic goes on
	}
	if r := recover(); r != nil {
		(*cancel)(Of(r))
	}
}
