package main

import (
	"context"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
	"github.com/hopscope/hopscope/pkg/when"
)

const (
	// watched is the time of which a condition speaks.
	watched = 10 * time.Second
	// watchedBytes is enough for that time: of what is before nothing is asked.
	watchedBytes = 32 << 20
)

// watch judges the last seconds of a session every second, and tells why a
// condition holds when it does for the first time.
func watch(ctx context.Context, s *pipeline.Session, c *when.Condition) <-chan string {
	h := newHistory(s, history.Options{Bytes: watchedBytes})
	holds := make(chan string, 1)
	go func() {
		clock := time.NewTicker(time.Second)
		defer clock.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-clock.C:
				h.Roll(now)
			}
			meta, err := s.Meta("")
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				continue // the next second may tell
			}
			f := h.Frame(history.Query{Window: watched}, s.Inventory().View(), meta)
			if why, ok := c.Holds(&f.Snapshot); ok {
				holds <- why
				return
			}
		}
	}()
	return holds
}

// newHistory begins a history of what a session collects from now on.
func newHistory(s *pipeline.Session, o history.Options) *history.History {
	h := history.New(o, time.Now())
	sink := historySink{h}
	_ = sink.Servers(s.Servers()) // is always nil
	s.AddSink(sink)
	return h
}

// historySink gives a history what a session collects.
type historySink struct{ *history.History }

func (h historySink) Drops(d model.DropCount) error {
	h.With(func(a *model.Aggregator) { a.AddDrops(d) })
	return nil
}

func (h historySink) Retransmits(r model.RetransmitCount) error {
	h.With(func(a *model.Aggregator) { a.AddRetransmits(r) })
	return nil
}

func (h historySink) Counters(c []model.CounterCount) error {
	h.With(func(a *model.Aggregator) { a.AddCounters(c) })
	return nil
}

func (h historySink) Sockets(e model.SocketEvent) error {
	h.With(func(a *model.Aggregator) { a.AddSocket(e) })
	return nil
}

func (h historySink) DNS(l dns.Lookup) error {
	h.With(func(a *model.Aggregator) { a.AddDNS(l) })
	return nil
}

func (h historySink) Servers(list []pipeline.Server) error {
	h.With(func(a *model.Aggregator) {
		for _, x := range list {
			a.LearnServer(x.Proto, x.Addr)
		}
	})
	return nil
}
