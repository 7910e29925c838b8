package capture

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Redaction replaces, while a capture is written, what [Redact] replaces in a
// copy: the original is never on disk. Its methods are those of a [Writer] and
// may be called from several goroutines.
type Redaction struct {
	mu    sync.Mutex
	x     *redactor
	w     *Writer
	j     journey.Journey   // the copy that is changed: a sink's journey is not its own
	facts [sha256.Size]byte // of the inventory that was written last
}

// NewRedaction asks begin for a writer, [Create] or that of a [Ring], with
// options of which nothing tells whose traffic it is.
func NewRedaction(o Options, begin func(Options) (*Writer, error)) (*Redaction, error) {
	x, err := newRedactor(o.Symbols)
	if err != nil {
		return nil, err
	}
	o.Head = x.head(o.Head)
	if x.err != nil {
		return nil, x.err
	}
	o.Symbols = x
	w, err := begin(o)
	if err != nil {
		return nil, err
	}
	return &Redaction{x: x, w: w}, nil
}

// Journey stores a journey, which stays as it is.
func (r *Redaction) Journey(j *journey.Journey, _ []journey.Hop) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.j = *j // no stop holds a name or an address
	if err := r.x.journey(&r.j); err != nil {
		return fmt.Errorf("redact: %w", err)
	}
	return r.w.Journey(&r.j, nil)
}

// Drops stores a number of dropped packets.
func (r *Redaction) Drops(d model.DropCount) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Stack = append([]uint64(nil), d.Stack...)
	d = r.x.drops(d)
	return r.then(func() error { return r.w.Drops(d) })
}

// Retransmits stores a number of retransmitted segments.
func (r *Redaction) Retransmits(c model.RetransmitCount) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.x.replaceAll(reflect.ValueOf(&c).Elem(), "")
	return r.then(func() error { return r.w.Retransmits(c) })
}

// Counters stores how far the kernel's own counters moved.
func (r *Redaction) Counters(c []model.CounterCount) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c = append([]model.CounterCount(nil), c...)
	r.x.replaceAll(reflect.ValueOf(c), "")
	return r.then(func() error { return r.w.Counters(c) })
}

// DNS stores a query with its outcome.
func (r *Redaction) DNS(l dns.Lookup) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.x.replaceAll(reflect.ValueOf(&l).Elem(), "")
	return r.then(func() error { return r.w.DNS(l) })
}

// Inventory stores what exists; facts stay as they are.
func (r *Redaction) Inventory(at uint64, facts inventory.Facts) error {
	text, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("store the inventory: %w", err)
	}
	sum := sha256.Sum256(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	if sum == r.facts {
		return nil
	}
	var own inventory.Facts // a copy in which everything may be replaced
	if err := json.Unmarshal(text, &own); err != nil {
		return fmt.Errorf("store the inventory: %w", err)
	}
	r.x.replaceAll(reflect.ValueOf(&own).Elem(), "")
	if err := r.then(func() error { return r.w.Inventory(at, own) }); err != nil {
		return err
	}
	r.facts = sum
	return nil
}

// InventorySize is that of the [Writer].
func (r *Redaction) InventorySize() int { return r.w.InventorySize() }

// Servers stores where requests are answered.
func (r *Redaction) Servers(list []Server) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	list = r.x.servers(list)
	return r.then(func() error { return r.w.Servers(list) })
}

// Findings stores nothing: they are sentences with names in them, which a report
// finds again.
func (r *Redaction) Findings([]model.Finding) error { return nil }

// Status stores the accounting, which names nobody.
func (r *Redaction) Status(s Status) error { return r.w.Status(s) }

// Flush is that of the [Writer].
func (r *Redaction) Flush() error { return r.w.Flush() }

// Close ends the file. The text of an error, which may name things, is left
// out.
func (r *Redaction) Close(e End) error { return r.w.Close(e.Redacted()) }

// Abandon closes the file without marking its end.
func (r *Redaction) Abandon() error { return r.w.Abandon() }

// then stores what was replaced, unless something could not be.
func (r *Redaction) then(store func() error) error {
	if r.x.err != nil {
		return fmt.Errorf("redact: %w", r.x.err)
	}
	return store()
}

// Redacted is the end without words of the tool's own.
func (e End) Redacted() End { return End{Ended: e.Ended, Status: e.Status} }
