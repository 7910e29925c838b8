package lab

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

// Run gives fixtures to a program that is no test: it calls f in a goroutine
// of its own, then every clean-up in reverse order. Its context ends at the
// first SIGINT or SIGTERM; f should then return, and a fixture that waits on
// the context fails. The error is that of Fatalf or Errorf, or a panic of f.
func Run(name string, f func(ctx context.Context, t TB)) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	r := &runner{name: name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.recover()
		f(ctx, r)
	}()
	<-done
	r.cleanUp()
	return r.failure()
}

// runner is the TB of Run.
type runner struct {
	name string

	mu       sync.Mutex
	cleanups []func()
	errs     []error
}

var _ TB = (*runner)(nil)

func (r *runner) Helper()      {}
func (r *runner) Name() string { return r.name }

func (r *runner) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *runner) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

func (r *runner) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *runner) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, r.name+": "+format+"\n", args...)
}

func (r *runner) TempDir() string {
	dir, err := os.MkdirTemp("", "hopscope-"+r.name+"-")
	must(r, err, "make a temporary directory")
	r.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (r *runner) recover() {
	if p := recover(); p != nil {
		r.Errorf("panic: %v", p)
	}
}

// cleanUp runs what was registered, the last first; one that fails does not
// keep the others from running.
func (r *runner) cleanUp() {
	for {
		r.mu.Lock()
		n := len(r.cleanups)
		if n == 0 {
			r.mu.Unlock()
			return
		}
		f := r.cleanups[n-1]
		r.cleanups = slices.Delete(r.cleanups, n-1, n)
		r.mu.Unlock()

		done := make(chan struct{})
		go func() { // of its own: Fatalf ends the goroutine
			defer close(done)
			defer r.recover()
			f()
		}()
		<-done
	}
}

// failure is the first error, nil when there was none.
func (r *runner) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errs) == 0 {
		return nil
	}
	return r.errs[0]
}
