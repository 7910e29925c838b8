package capture

import (
	"encoding/json"
	"fmt"

	"github.com/hopscope/hopscope/pkg/model"
)

// Kinds of extra records that this package itself understands, in version 1:
// their data is JSON.
const (
	extraDrops       = "drops"
	extraRetransmits = "retransmits"
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

// Drops stores a number of dropped packets, with the names of its places. It
// is dated by the newest journey or status.
func (w *Writer) Drops(d model.DropCount) error {
	w.Names(d.Reason, append([]uint64{d.Location}, d.Stack...)...)
	return w.signal(extraDrops, d)
}

// Retransmits stores a number of retransmitted segments. It is dated by the
// newest journey or status.
func (w *Writer) Retransmits(r model.RetransmitCount) error { return w.signal(extraRetransmits, r) }

func (w *Writer) signal(kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store a count: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addExtra(Extra{Kind: kind, Version: 1, At: w.newest, Data: data})
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
	}
	return Record{Extra: x}, nil
}
