package capture

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/model"
)

// Kinds of extra records that this package itself understands, in version 1:
// their data is JSON.
const (
	extraDrops       = "drops"
	extraRetransmits = "retransmits"
	extraCounters    = "counters"
	extraLookups     = "lookups"
)

// Drops is a number of dropped packets of one group, counted since the record
// of that group before.
type Drops struct {
	At uint64 // CLOCK_MONOTONIC, ns
	model.DropCount
}

// Retransmits is a number of retransmitted segments of one group, counted
// since the record of that group before.
type Retransmits struct {
	At uint64 // CLOCK_MONOTONIC, ns
	model.RetransmitCount
}

// Counters is how far some of the kernel's own counters moved since the record
// of them before.
type Counters struct {
	At     uint64 // CLOCK_MONOTONIC, ns
	Counts []model.CounterCount
}

// DNS is one query with its outcome.
type DNS struct{ dns.Lookup }

// Drops stores a number of dropped packets, with the names of its places. It
// is dated by the newest journey or status.
func (w *Writer) Drops(d model.DropCount) error {
	w.Names(d.Reason, append([]uint64{d.Location}, d.Stack...)...)
	return w.signal(extraDrops, d)
}

// Retransmits stores a number of retransmitted segments. It is dated by the
// newest journey or status.
func (w *Writer) Retransmits(r model.RetransmitCount) error { return w.signal(extraRetransmits, r) }

// Counters stores how far the kernel's own counters moved. It is dated by the
// newest journey or status.
func (w *Writer) Counters(c []model.CounterCount) error {
	for part := range slices.Chunk(c, countersPerRecord) {
		if err := w.signal(extraCounters, part); err != nil {
			return err
		}
	}
	return nil
}

// countersPerRecord bounds what a reader takes in at a time.
const countersPerRecord = 512

// DNS stores a query with its outcome. It is dated by itself.
func (w *Writer) DNS(l dns.Lookup) error { return w.signalAt(extraLookups, l, l.At) }

func (w *Writer) signal(kind string, v any) error { return w.signalAt(kind, v, 0) }

// signalAt stores a signal of a time, 0 for that of the newest journey or
// status.
func (w *Writer) signalAt(kind string, v any, at uint64) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store a count: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if at == 0 {
		at = w.newest
	}
	return w.addExtra(Extra{Kind: kind, Version: 1, At: at, Data: data})
}

// extraRecord gives an extra record in the form of its kind, if that is known.
func extraRecord(x *Extra) (rec Record, err error) {
	switch {
	case x.Kind == extraDrops && x.Version == 1:
		rec.Drops = &Drops{At: x.At}
		return rec, parseDocument(x.Data, &rec.Drops.DropCount)
	case x.Kind == extraRetransmits && x.Version == 1:
		rec.Retransmits = &Retransmits{At: x.At}
		return rec, parseDocument(x.Data, &rec.Retransmits.RetransmitCount)
	case x.Kind == extraCounters && x.Version == 1:
		rec.Counters = &Counters{At: x.At}
		return rec, parseDocument(x.Data, &rec.Counters.Counts)
	case x.Kind == extraLookups && x.Version == 1:
		rec.DNS = &DNS{}
		return rec, parseDocument(x.Data, &rec.DNS.Lookup)
	}
	if rec.Sockets, err = socketRecord(x); rec.Sockets != nil {
		return rec, err
	}
	return Record{Extra: x}, nil
}

// Counts are those of a record that the filter wants.
func (f Filter) Counts(c *Counters) []model.CounterCount {
	if f.Counters == nil {
		return c.Counts
	}
	var out []model.CounterCount
	for i := range c.Counts {
		if f.Counters(c, &c.Counts[i]) {
			out = append(out, c.Counts[i])
		}
	}
	return out
}
