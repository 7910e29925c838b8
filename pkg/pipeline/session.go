package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/pkg/hostcounters"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/probe"
)

// Options of a tracing session.
type Options struct {
	Containers  []string // selectors, see inventory.View.Select; empty: all
	Networks    []string // names of Docker networks; empty: all
	Ports       []uint16
	Protos      []uint8
	Sample      uint32  // one in Sample packets; 0: as MaxOverhead allows
	MaxOverhead float64 // percent of all CPUs, for Sample 0
	Slow        time.Duration
	RingBytes   int    // 0: default
	Slots       uint32 // packets in flight at once, 0: default
	NoDNS       bool   // read no DNS headers
	DockerHost  string
	Unsummed    bool // Snapshot is not asked for: a sink adds journeys up
	ToolVersion string
}

// Drain is how long a session waits at its end for packets that are on their
// way.
const Drain = 300 * time.Millisecond

// signalsEvery is how often the kernel's counters are looked at.
const signalsEvery = time.Second

// Session traces this host: it ties the kernel side to the inventory.
type Session struct {
	opts  Options
	inv   *inventory.Inventory
	probe *probe.Probe
	pipe  *Pipeline

	network  *networkMatcher
	listened []Server // when the session began

	meaning *meaning // of the selectors; of open, then of the goroutine that watches

	mu       sync.Mutex
	selected inventory.Selection
	unclear  string // what is not clear about the selectors by now

	reading  sync.Mutex // of counters
	counters *hostcounters.Tracker

	listening *listenDrops // of the goroutine that takes signals

	gov     governor
	own     ownCost
	clocks  clocks
	started time.Time
	zero    time.Time // wall-clock time of CLOCK_MONOTONIC 0
	ended   atomic.Pointer[time.Time]
}

// Open takes the inventory, resolves the selection and starts tracing. Errors
// are those of inventory.View.Select and probe.Open, and *UnknownNetworkError.
func Open(ctx context.Context, o Options) (*Session, error) {
	inv, err := inventory.Open(ctx, inventory.Options{DockerHost: o.DockerHost})
	if err != nil {
		return nil, err
	}
	s := &Session{opts: o, inv: inv, gov: governor{budget: o.MaxOverhead}}
	s.gov.sample.Store(max(o.Sample, 1))
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Session) open() error {
	if _, err := s.inv.Select(s.opts.Containers); err != nil {
		return err
	}
	s.meaning = newMeaning(s.opts.Containers)
	sel, _, err := s.meaning.in(s.inv.View())
	if err != nil {
		return err
	}
	s.setSelection(sel, "")
	s.network = newNetworkMatcher(s.inv, s.opts.Networks)
	match := Match{Ports: s.opts.Ports, Protos: s.opts.Protos}
	if len(s.opts.Networks) > 0 {
		if err := knownNetworks(s.inv.View(), s.opts.Networks); err != nil {
			return err
		}
		match.Network = s.network.has
	}
	s.pipe = New(match)
	s.pipe.unsummed = s.opts.Unsummed
	s.pipe.Want(s.wantedSockets())
	s.listened = listeners(s.inv.View())
	s.learnServers()
	s.probe, err = probe.Open(probe.Config{
		Sample: s.gov.sample.Load(), Slow: s.opts.Slow, RingBytes: s.opts.RingBytes, Slots: s.opts.Slots,
		Filter: s.filter(sel), Services: services(s.Servers()), NoDNS: s.opts.NoDNS,
	})
	if err != nil {
		return err
	}
	s.counters = hostcounters.New()
	s.listening = newListenDrops(s.probe.ReasonsOfListeners())
	s.takeCounters(true)
	s.started = time.Now()
	s.clocks.start()
	s.zero = s.started.Add(-s.clocks.begun.monotonic)
	s.own.start()
	s.own.guess = s.estimates()
	return nil
}

// Selected is the containers that the session's selectors mean at present.
func (s *Session) Selected() []inventory.Container { return s.selection().Containers }

// Unclear says which selector means something else by now than what is traced, ""
// when all is clear.
func (s *Session) Unclear() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unclear
}

// Inventory is the session's inventory.
func (s *Session) Inventory() *inventory.Inventory { return s.inv }

func (s *Session) filter(sel inventory.Selection) probe.Filter {
	if len(s.opts.Containers) == 0 {
		return probe.Filter{}
	}
	return probe.Filter{
		Enabled: true, Netns: sel.Netns, Cgroups: sel.Cgroups, Selected: sel.Addrs, Others: sel.Others,
	}
}

// learnServers tells the aggregator and the sinks which ports answer, for connections that
// are older than the session.
func (s *Session) learnServers() { s.pipe.Servers(s.Servers()) }

// Run traces until ctx ends, then takes in what is still under way.
func (s *Session) Run(ctx context.Context) error {
	watch, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	crash.Go(func() {
		defer close(done)
		s.watch(watch)
	})
	err := s.probe.Read(ctx, Drain, probe.Records{Journey: s.pipe.Record, Event: s.event, DNS: s.pipe.DNS})
	s.pipe.EndEvents()
	stop()
	<-done
	s.pipe.EndDNS()
	now := time.Now()
	s.ended.Store(&now)
	s.takeCounters(true)
	return errors.Join(err, s.takeSignals(true), s.pipe.Err())
}

// watch follows the containers and the cost while records flow.
func (s *Session) watch(ctx context.Context) {
	changes, stop := s.inv.Changes()
	defer stop()
	slices := time.NewTicker(sliceEvery)
	defer slices.Stop()
	look := time.NewTicker(signalsEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-changes:
			if !ok {
				changes = nil
				continue
			}
			s.follow()
		case <-slices.C:
			s.measure(ctx)
		case <-look.C:
			s.pipe.Advance(uint64(readClock(unix.CLOCK_MONOTONIC)))
			s.takeCounters(false)
			if err := s.takeSignals(false); err != nil {
				s.pipe.noteError(err)
			}
		}
	}
}

// follow takes new and restarted containers that match into the running trace.
func (s *Session) follow() {
	s.learnServers()
	if err := s.probe.KnowServices(services(servers(s.inv.View()))); err != nil {
		s.pipe.noteError(err)
	}
	if len(s.opts.Containers) == 0 {
		return
	}
	sel, unclear, err := s.meaning.in(s.inv.View())
	if err != nil {
		return
	}
	if err := s.probe.SetFilter(s.filter(sel)); err != nil {
		s.pipe.noteError(err)
	}
	s.setSelection(sel, unclear) // whoever sees it may count on the kernel's filter
}

// Meta is what a snapshot of the session carries beside its sums. ended says
// why it came to its end, "" while it runs.
func (s *Session) Meta(ended string) (model.Meta, error) {
	counts, err := s.probe.Counts()
	if err != nil {
		return model.Meta{}, err
	}
	end := time.Now()
	if at := s.ended.Load(); at != nil {
		end = *at
	}
	return model.Meta{
		ToolVersion:   s.opts.ToolVersion,
		Host:          hostName(),
		Kernel:        kernelRelease(),
		StartedAt:     s.started.UTC(),
		Duration:      end.Sub(s.started),
		Ended:         ended,
		MonotonicZero: s.zero,
		Accounting:    s.accounting(counts),
		Cost:          s.own.cost(),
		Containers:    s.inv.View().Containers(),
		Symbols:       s.probe,
		NoDNS:         !s.probe.ReadsDNS(),
	}, nil
}

// Snapshot is the summary so far.
func (s *Session) Snapshot(ended string) (model.Snapshot, error) {
	meta, err := s.Meta(ended)
	if err != nil {
		return model.Snapshot{}, err
	}
	return s.SnapshotAs(meta), nil
}

// SnapshotAs is the summary so far with the given meta data, so that a capture
// and a summary can tell the same.
func (s *Session) SnapshotAs(meta model.Meta) model.Snapshot {
	return s.pipe.Snapshot(s.inv.View(), meta)
}

// AddSink gives what comes from now on to a sink, too. A sink's error ends
// nothing; Run returns the first one.
func (s *Session) AddSink(sink Sink) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if to, ok := sink.(SignalSink); ok { // which counters there are was told before it came
		s.pipe.noteError(to.Counters(s.counters.Known()))
	}
	s.pipe.addSink(sink)
}

// RemoveSink ends AddSink. When it returns, the sink gets nothing any more.
func (s *Session) RemoveSink(sink Sink) { s.pipe.removeSink(sink) }

// Options are those that the session was opened with.
func (s *Session) Options() Options { return s.opts }

func (s *Session) accounting(c probe.Counts) model.Accounting {
	left := s.pipe.LeftOut()
	a := model.Accounting{
		Tracked: c.Tracked, Completed: c.Completed(), InFlight: c.InFlight,
		Emitted: c.Emitted, Suppressed: c.Suppressed, Filtered: c.Filtered,
		SampleRate: 1 / float64(max(s.gov.sample.Load(), 1)),
		Endings:    c.Endings, Lost: c.Lost, Notes: c.Notes,
	}
	a.Notes["undecodable"] = left.Undecodable
	a.Notes["unmatched"] = left.Unmatched
	a.Notes["gaps"] = left.Gaps
	a.Notes["suspended_ms"] = uint64(s.clocks.slept().Milliseconds())
	s.pipe.socketNotes(a.Notes)
	a.Notes["dns_unmatched"] = left.DNS.Unmatched
	a.Notes["dns_beyond"] = left.DNS.Beyond
	return a
}

// Notes are sentences about what is missing or guessed at present, and what
// happened to time since the start: a sleep of the host, a step of its clock.
func (s *Session) Notes() []string {
	notes := s.inv.Notes()
	if unclear := s.Unclear(); unclear != "" {
		notes = append(notes, unclear)
	}
	if s.opts.Sample == 0 && s.own.guess {
		notes = append(notes, "what tracing costs is told only with CAP_SYS_ADMIN: --sample auto keeps to --max-overhead by an estimate")
	}
	return append(notes, s.clocks.notes()...)
}

// Counts is the kernel side's accounting.
func (s *Session) Counts() (probe.Counts, error) { return s.probe.Counts() }

// Close ends everything that the session started.
func (s *Session) Close() error {
	var errs []error
	if s.probe != nil {
		errs = append(errs, s.probe.Close())
	}
	errs = append(errs, s.inv.Close())
	return errors.Join(errs...)
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// UnknownNetworkError says that a name is no Docker network.
type UnknownNetworkError struct{ Name string }

func (e *UnknownNetworkError) Error() string {
	return fmt.Sprintf("no Docker network is named %q", inventory.Clean(e.Name))
}
