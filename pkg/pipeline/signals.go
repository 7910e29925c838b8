package pipeline

import (
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/probe"
)

// SignalSink is a Sink that also takes what is counted in the kernel, exactly
// and whatever the sample rate.
type SignalSink interface {
	Drops(model.DropCount) error
	Retransmits(model.RetransmitCount) error
	Counters([]model.CounterCount) error
	// Sockets takes what sockets told. It is valid during the call only.
	Sockets(model.SocketEvent) error
	DNS(dns.Lookup) error
}

// Drops takes a number of dropped packets.
func (p *Pipeline) Drops(d model.DropCount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agg.AddDrops(d)
	p.toSignalSinks(func(s SignalSink) error { return s.Drops(d) })
}

// Retransmits takes a number of retransmitted segments.
func (p *Pipeline) Retransmits(r model.RetransmitCount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agg.AddRetransmits(r)
	p.toSignalSinks(func(s SignalSink) error { return s.Retransmits(r) })
}

// Counters takes how far the kernel's own counters moved.
func (p *Pipeline) Counters(c []model.CounterCount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agg.AddCounters(c)
	p.toSignalSinks(func(s SignalSink) error { return s.Counters(c) })
}

func (p *Pipeline) toSignalSinks(give func(SignalSink) error) {
	for _, s := range p.sinks {
		if sink, ok := s.(SignalSink); ok {
			p.keepError(give(sink))
		}
	}
}

// takeSignals passes on what the kernel counted since the last time; final says
// that there is no next one.
func (s *Session) takeSignals(final bool) error {
	s.pipe.ExpireDNS(uint64(readClock(unix.CLOCK_MONOTONIC)))
	drops, err := s.probe.Drops()
	if err != nil {
		return err
	}
	for i := range drops {
		if s.wantsDrop(&drops[i]) {
			s.pipe.Drops(dropCount(&drops[i]))
		}
	}
	s.listening.counted(drops)
	if !s.opts.filtersService() { // a counter knows neither port nor protocol
		for _, d := range s.listening.missing(final) {
			if s.wantsOwner([]uint32{d.Place.Netns}, 0) {
				s.pipe.Drops(d)
			}
		}
	}
	retransmits, err := s.probe.Retransmits()
	if err != nil {
		return err
	}
	for i := range retransmits {
		if s.wantsRetransmit(&retransmits[i]) {
			s.pipe.Retransmits(retransmitCount(&retransmits[i]))
		}
	}
	resets, err := s.probe.Resets()
	if err != nil {
		return err
	}
	for i := range resets {
		if s.wantsReset(&resets[i]) {
			s.pipe.Resets(model.ResetCount(resets[i]))
		}
	}
	return nil
}

func dropCount(d *probe.Drop) model.DropCount {
	return model.DropCount{
		Reason: d.Reason, Location: d.Location, Stack: d.Stack,
		Place: journey.Place{Netns: d.Netns, Ifindex: d.Ifindex}, Point: journey.Point(d.Point), Stop: journey.StopFlags(d.Stop),
		Born: d.BornNetns, Cgroup: d.Cgroup, Src: d.Src, Dst: d.Dst, Port: d.Port, Proto: d.Proto,
		TCPFlags: d.TCPFlags, Track: model.Track(d.Track), Attributed: d.Attributed, Count: d.Count,
	}
}

func retransmitCount(r *probe.Retransmits) model.RetransmitCount {
	return model.RetransmitCount{
		Netns: r.Netns, Cgroup: r.Cgroup, Local: r.Local, Remote: r.Remote, Port: r.Port, Server: r.Server,
		Segments: model.RetransmitKinds{
			RTO: r.Segments["rto"], Fast: r.Segments["fast"], TLP: r.Segments["tlp"],
			SYN: r.Segments["syn"], SYNACK: r.Segments["synack"], Other: r.Segments["other"],
		},
	}
}
