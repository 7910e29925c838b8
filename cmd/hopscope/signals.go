package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signals turns the first Ctrl-C, SIGTERM or SIGHUP into the end of the
// capture, and the second into the end of the program.
type signals struct {
	ctx    context.Context
	second chan struct{}
	first  atomic.Bool
	in     chan os.Signal
	cancel context.CancelFunc
}

func catchSignals(parent context.Context) *signals {
	s := &signals{second: make(chan struct{}), in: make(chan os.Signal, 2)}
	s.ctx, s.cancel = context.WithCancel(parent)
	signal.Notify(s.in, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		if _, ok := <-s.in; !ok {
			return
		}
		s.first.Store(true)
		s.cancel()
		if _, ok := <-s.in; ok {
			close(s.second)
		}
	}()
	return s
}

func (s *signals) caught() bool { return s.first.Load() }

func (s *signals) stop() {
	signal.Stop(s.in)
	close(s.in)
	s.cancel()
}
