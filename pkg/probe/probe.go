// Package probe loads the kernel programs, attaches them, and hands out what
// they record. It attaches only: no packet's fate is changed, and everything
// it put into the kernel goes with the process.
package probe

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/hopscope/hopscope/bpf"
)

// Defaults of [Config].
const (
	DefaultRingBytes = 16 << 20
	DefaultSlots     = 16384
	DefaultSockets   = 32768
)

// Config says what to record.
type Config struct {
	Sample    uint32        // track one in Sample packets, at least 1
	Slow      time.Duration // always emit journeys at least this long, 0: none
	RingBytes int           // ring buffer, a power of two and a multiple of the page size; 0: default
	Slots     uint32        // packets in flight at once; 0: default
	Sockets   uint32        // TCP sockets followed at once; 0: default
	Filter    Filter
	Services  []Service // as of KnowServices, known before the first packet is seen
	NoDNS     bool      // read no DNS headers
	NoSockets bool      // follow no TCP connections: no exchanges and connects
}

// Probe is the loaded and attached kernel side. Its methods may be called from
// several goroutines, but Read from one only.
type Probe struct {
	coll   *ebpf.Collection
	links  []held
	hooks  []Hook
	reader *ringbuf.Reader // of journeys
	events *ringbuf.Reader // of exchanges and connects
	dns    *ringbuf.Reader // of DNS messages
	facts  kernelFacts
	sweep  sweeper
	conns  connections
	meter  meter
	told   told
	busy   atomic.Int64  // ns that Read spent on records
	filter atomic.Uint32 // how often the filter was set

	readsDNS bool

	opened time.Time
	second uint32 // hs_second, as it was then

	mu     sync.Mutex
	closed bool
}

// Open loads and attaches the programs; packets are recorded from the moment
// it returns. It fails with an error that wraps [ErrPermission],
// [ErrUnsupported], [ErrMemory] or [ErrLimit] where privilege or kernel do not
// allow tracing.
func Open(cfg Config) (*Probe, error) {
	cfg = cfg.withDefaults()
	if err := withinLimits(cfg.RingBytes); err != nil {
		return nil, err
	}
	// At once: to read what the kernel offers takes longer than to see that it refuses.
	if err := lockedDown(Lockdown()); err != nil {
		return nil, err
	}
	kernel, err := readKernel()
	if err != nil {
		return nil, err
	}
	spec, err := bpf.LoadHopscope()
	if err != nil {
		return nil, fmt.Errorf("read the embedded programs: %w", err)
	}
	if err := adapt(spec, cfg, kernel); err != nil {
		return nil, err
	}
	coll, err := load(spec, kernel)
	if err != nil {
		return nil, err
	}
	kernel.types = nil // some 40 MB that nothing needs any more
	p := &Probe{coll: coll, facts: kernel, readsDNS: cfg.readsDNS(kernel), opened: time.Now()}
	p.sweep = newSweeper(coll.Maps["hs_slots"], func(on bool) error { return p.flag("hs_sweeping", on) })
	p.conns = newConnections(coll.Maps["hs_conns"])
	if err := p.start(cfg, kernel); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (c Config) withDefaults() Config {
	if c.Sample == 0 {
		c.Sample = 1
	}
	if c.RingBytes == 0 {
		c.RingBytes = DefaultRingBytes
	}
	if c.Slots == 0 {
		c.Slots = DefaultSlots
	}
	if c.Sockets == 0 {
		c.Sockets = DefaultSockets
	}
	return c
}

func (p *Probe) start(cfg Config, k kernelFacts) error {
	err := p.coll.Variables["hs_second"].Get(&p.second)
	if err != nil {
		return fmt.Errorf("read hs_second: %w", err)
	}
	if p.reader, err = ringbuf.NewReader(p.coll.Maps["hs_ring"]); err != nil {
		return fmt.Errorf("open the ring buffer: %w", err)
	}
	if p.events, err = ringbuf.NewReader(p.coll.Maps["hs_events"]); err != nil {
		return fmt.Errorf("open the ring buffer of events: %w", err)
	}
	if p.dns, err = ringbuf.NewReader(p.coll.Maps["hs_dns"]); err != nil {
		return fmt.Errorf("open the ring buffer of DNS messages: %w", err)
	}
	if err := p.SetSample(cfg.Sample); err != nil {
		return err
	}
	if err := p.SetFilter(cfg.Filter); err != nil {
		return err
	}
	// A connection keeps the role that its first segment gives it.
	if err := p.KnowServices(cfg.Services); err != nil {
		return err
	}
	if err := p.attach(k); err != nil {
		return err
	}
	return p.setBirths(true)
}

// Capabilities says what this kernel allowed when the probe was opened.
func (p *Probe) Capabilities() []Capability { return p.facts.capabilities() }

// SetSample changes the sample rate: one in n packets is tracked.
func (p *Probe) SetSample(n uint32) error {
	return p.set("hs_sample", max(n, 1))
}

// tellSecond tells the programs, which read no clock for it, how long they have run.
func (p *Probe) tellSecond() error {
	return p.set("hs_second", p.second+uint32(time.Since(p.opened)/time.Second))
}

// Stop ends births; journeys under way still end and are still emitted.
func (p *Probe) Stop() error { return p.setBirths(false) }

func (p *Probe) setBirths(on bool) error { return p.flag("hs_births", on) }

func (p *Probe) flag(variable string, on bool) error {
	var v uint32
	if on {
		v = 1
	}
	return p.set(variable, v)
}

func (p *Probe) set(variable string, value any) error {
	if err := p.coll.Variables[variable].Set(value); err != nil {
		return fmt.Errorf("set %s: %w", variable, err)
	}
	return nil
}

// Close detaches and unloads everything. It may be called more than once.
func (p *Probe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var errs []error
	p.meter.close()
	for _, l := range p.links {
		if err := l.link.Close(); err != nil {
			errs = append(errs, fmt.Errorf("detach %s: %w", l.name, err))
		}
	}
	for _, ring := range []*ringbuf.Reader{p.reader, p.events, p.dns} {
		if ring != nil {
			errs = append(errs, ring.Close())
		}
	}
	p.coll.Close()
	return errors.Join(errs...)
}
