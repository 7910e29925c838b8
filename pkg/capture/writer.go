package capture

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

const (
	// flushEvery bounds what a SIGKILL costs.
	flushEvery = time.Second
	// flushJourneys is where a larger block does not compress better any more.
	flushJourneys = 8192
	// flushExtra bounds the bytes of one kind of extra records in memory.
	flushExtra = 256 << 10
	// maxServers bounds the memory of hints that were stored.
	maxServers = 4096
)

// Options of a [Writer].
type Options struct {
	Head Head
	// Symbols names the reasons and locations of drops while the kernel that
	// gave them is at hand. Nil: they stay numbers.
	Symbols model.Symbols
	// Overwrite replaces a file that exists.
	Overwrite bool
	// FlushEvery is the longest time that a record stays in memory; 0 means a
	// second.
	FlushEvery time.Duration
}

// ErrClosed says that something was written after Close.
var ErrClosed = errors.New("the capture is closed")

// sink keeps blocks. from and to are the least and the greatest time of what
// is in one, CLOCK_MONOTONIC, 0 where it has none.
type sink interface {
	put(b block, from, to uint64) error
	close() error
}

// Writer writes one capture. Its methods may be called from several
// goroutines. The first error is final: all later calls return it too, and
// what was written before stays readable.
type Writer struct {
	mu       sync.Mutex
	out      sink
	symbols  model.Symbols
	zip      *zstd.Encoder
	batch    *batch
	extras   []*extraBatch
	names    *names
	servers  map[Server]bool   // that were written
	facts    [sha256.Size]byte // of the inventory that was written last
	factSize int               // bytes that it took
	journeys uint64
	newest   uint64 // time of the newest journey or status, CLOCK_MONOTONIC, ns
	err      error

	payload, packed []byte // memory of store

	stop chan struct{}
	done chan struct{}
}

// newWriter writes the head and flushes from then on.
func newWriter(out sink, o Options) (*Writer, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	w := &Writer{
		out: out, symbols: o.Symbols, zip: zip, batch: newBatch(), names: newNames(), servers: make(map[Server]bool),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := w.document(kindHead, o.Head, 0); err != nil {
		return nil, err
	}
	every := o.FlushEvery
	if every <= 0 {
		every = flushEvery
	}
	crash.Go(func() { w.flushRegularly(every) })
	return w, nil
}

func (w *Writer) flushRegularly(every time.Duration) {
	defer close(w.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			_ = w.Flush() // the error stays, and the next call returns it
		}
	}
}

// Journey stores a journey; the hops follow from it. Both may be reused by the
// caller.
func (w *Writer) Journey(j *journey.Journey, _ []journey.Hop) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if err := w.batch.add(j); err != nil {
		return err
	}
	w.newest = max(w.newest, j.Start)
	if j.Ending == journey.EndingDropped && w.symbols != nil {
		w.names.learn(w.symbols, j.DropReason, j.DropLocation)
	}
	if w.batch.n >= flushJourneys {
		return w.flushJourneys()
	}
	return nil
}

// Inventory stores what exists from the time at on (CLOCK_MONOTONIC, ns), when
// it differs from what was stored last. Where it is too large for a block, what
// is gone longest is left out, and counted; that is no error of the capture.
func (w *Writer) Inventory(at uint64, facts inventory.Facts) error {
	text, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("store the inventory: %w", err)
	}
	sum := sha256.Sum256(text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || sum == w.facts {
		return w.err
	}
	fits, err := fitting(Inventory{At: at, Facts: facts})
	if err != nil {
		return fmt.Errorf("store the inventory: %w", err)
	}
	w.facts, w.factSize = sum, len(fits)
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.store(kindInventory, fits, 1, at, at); err != nil {
		return err
	}
	w.factSize = len(w.packed)
	return nil
}

// InventorySize is how many bytes of the file the last inventory took.
func (w *Writer) InventorySize() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.factSize
}

// Status stores the accounting. The last one of a capture is what counts.
func (w *Writer) Status(s Status) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = max(w.newest, s.At)
	return w.document(kindStatus, s, s.At)
}

// Servers stores hints for [model.Aggregator.LearnServer], those that were not
// stored before.
func (w *Writer) Servers(list []Server) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var fresh []Server
	for _, s := range list {
		if !w.servers[s] {
			fresh = append(fresh, s)
		}
	}
	if len(fresh) == 0 {
		return w.err
	}
	if err := w.document(kindServers, fresh, 0); err != nil {
		return err
	}
	if len(w.servers) > maxServers {
		clear(w.servers) // to be stored twice does no harm
	}
	for _, s := range fresh {
		w.servers[s] = true
	}
	return nil
}

// Findings stores what was found. A report finds again what follows from
// journeys.
func (w *Writer) Findings(list []model.Finding) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.document(kindFindings, list, 0)
}

// Names makes sure that the names of a drop reason and of kernel addresses,
// such as those of a stack, are in the capture. Those of dropped journeys are
// without asking.
func (w *Writer) Names(reason uint32, addrs ...uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.symbols != nil {
		w.names.learn(w.symbols, reason, addrs...)
	}
}

// Extra stores a record of another signal. Its place among records of other
// kinds is not kept.
func (w *Writer) Extra(e Extra) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addExtra(e)
}

func (w *Writer) addExtra(e Extra) error {
	if w.err != nil {
		return w.err
	}
	b := w.extra(e.Kind, e.Version)
	b.add(e)
	if len(b.records) >= flushExtra {
		return w.flushExtra(b)
	}
	return nil
}

func (w *Writer) extra(kind string, version uint32) *extraBatch {
	for _, b := range w.extras {
		if b.kind == kind && b.version == version {
			return b
		}
	}
	b := &extraBatch{kind: kind, version: version}
	w.extras = append(w.extras, b)
	return b
}

// Flush hands everything to the operating system.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

// Close flushes, marks the end and closes the file. After an error it still
// tries to mark the end, and returns that error.
func (w *Writer) Close(e End) error {
	return w.close(func() error {
		failed := w.flush()
		if failed != nil { // a full disk may have room for a few bytes
			w.err, w.batch, w.extras, w.names = nil, newBatch(), nil, newNames()
		}
		e.Journeys = w.journeys
		return errors.Join(failed, w.document(kindEnd, e, 0))
	})
}

// Abandon closes the file without marking the end: readers will call it cut
// short.
func (w *Writer) Abandon() error { return w.close(w.flush) }

func (w *Writer) close(finish func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		return ErrClosed
	}
	close(w.stop)
	err := finish()
	err = errors.Join(err, w.out.close(), w.zip.Close())
	w.out, w.err = nil, ErrClosed
	return err
}

// document stores a block of JSON, after everything that came before it. at is
// its time, 0 without one.
func (w *Writer) document(k kind, v any, at uint64) error {
	if err := w.flush(); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store a record: %w", err)
	}
	return w.store(k, text, 1, at, at)
}

func (w *Writer) flush() error {
	if w.err != nil {
		return w.err
	}
	for _, b := range w.extras {
		if err := w.flushExtra(b); err != nil {
			return err
		}
	}
	return w.flushJourneys()
}

// flushNames stores the names that the records after it need.
func (w *Writer) flushNames() error {
	fresh, any := w.names.take()
	if !any {
		return nil
	}
	text, err := json.Marshal(fresh)
	if err != nil {
		return fmt.Errorf("store names: %w", err)
	}
	return w.store(kindSymbols, text, 1, 0, 0)
}

func (w *Writer) flushJourneys() error {
	if err := w.flushNames(); err != nil {
		return err
	}
	b := w.batch
	if b.n == 0 {
		return nil
	}
	w.payload = b.appendTo(w.payload[:0])
	if err := w.store(kindJourneys, w.payload, b.n, b.from, b.to); err != nil {
		return err
	}
	w.journeys += uint64(b.n)
	b.reset()
	return nil
}

func (w *Writer) flushExtra(b *extraBatch) error {
	if b.n == 0 {
		return nil
	}
	if err := w.flushNames(); err != nil {
		return err
	}
	w.payload = b.appendTo(w.payload[:0])
	if err := w.store(kindExtra, w.payload, b.n, b.from, b.to); err != nil {
		return err
	}
	b.reset()
	return nil
}

// store compresses a payload and hands it on.
func (w *Writer) store(k kind, payload []byte, records int, from, to uint64) error {
	if w.err != nil {
		return w.err
	}
	if len(payload) > maxPayload {
		return fmt.Errorf("store a record: %d bytes are more than the %d that fit", len(payload), maxPayload)
	}
	h := header{kind: k, raw: uint32(len(payload)), records: uint32(records)}
	w.packed = w.zip.EncodeAll(payload, w.packed[:0])
	if len(w.packed) < len(payload) {
		payload, h.flags = w.packed, flagZstd
	}
	h.stored, h.sum = uint32(len(payload)), checksum(payload)
	w.err = w.out.put(block{h, payload}, from, to)
	return w.err
}
