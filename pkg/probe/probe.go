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
)

// Config says what to record.
type Config struct {
	Sample    uint32        // track one in Sample packets, at least 1
	Slow      time.Duration // always emit journeys at least this long, 0: none
	RingBytes int           // ring buffer, a power of two and a multiple of the page size; 0: default
	Slots     uint32        // packets in flight at once; 0: default
	Filter    Filter
}

// Probe is the loaded and attached kernel side. Its methods may be called from
// several goroutines, but Read from one only.
type Probe struct {
	coll   *ebpf.Collection
	links  []held
	reader *ringbuf.Reader
	facts  kernelFacts
	sweep  sweeper
	meter  meter
	told   told
	busy   atomic.Int64 // ns that Read spent on records

	mu     sync.Mutex
	closed bool
}

// Open loads and attaches the programs; packets are recorded from the moment
// it returns. It fails with an error that wraps [ErrPermission],
// [ErrUnsupported] or [ErrMemory] where privilege or kernel do not allow tracing.
func Open(cfg Config) (*Probe, error) {
	cfg = cfg.withDefaults()
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
	p := &Probe{coll: coll, facts: kernel, sweep: newSweeper(coll.Maps["hs_slots"])}
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
	return c
}

func (p *Probe) start(cfg Config, k kernelFacts) error {
	var err error
	if p.reader, err = ringbuf.NewReader(p.coll.Maps["hs_ring"]); err != nil {
		return fmt.Errorf("open the ring buffer: %w", err)
	}
	if err := p.SetSample(cfg.Sample); err != nil {
		return err
	}
	if err := p.SetFilter(cfg.Filter); err != nil {
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

// Stop ends births; journeys under way still end and are still emitted.
func (p *Probe) Stop() error { return p.setBirths(false) }

func (p *Probe) setBirths(on bool) error {
	var v uint32
	if on {
		v = 1
	}
	return p.set("hs_births", v)
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
	if p.reader != nil {
		errs = append(errs, p.reader.Close())
	}
	p.coll.Close()
	return errors.Join(errs...)
}
