package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// maxElements bounds the values of a JSON payload, which take more memory than
// their text: an empty object of 3 bytes may stand for a container.
const maxElements = 1 << 20

// Reader reads a capture from its start to its end, in constant memory. It
// belongs to one goroutine.
type Reader struct {
	blocks *blocks
	file   io.Closer
	minor  uint16
	head   Head
	names  *names

	journeys journeys
	j        journey.Journey
	extras   extras
	skim     bool   // journeys and extra records are counted, not read
	count    uint64 // journeys of the whole blocks so far
	ended    bool
	named    bool  // names are known already
	index    index // made where skim is set
}

// Open opens a capture. Errors wrap those of [os.Open], [ErrNotCapture],
// [ErrEmpty], [ErrDamaged], or are a *[VersionError].
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the capture: %w", err)
	}
	r, err := NewReader(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	r.file, r.blocks.file = f, f
	return r, nil
}

// NewReader reads a capture from anywhere.
func NewReader(in io.Reader) (*Reader, error) {
	b, minor, err := newBlocks(in)
	if err != nil {
		return nil, err
	}
	r := &Reader{blocks: b, minor: minor, names: newNames()}
	if err := r.readHead(); err != nil {
		b.close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) readHead() error {
	b, err := r.blocks.read()
	switch {
	case errors.Is(err, io.EOF) && r.blocks.damage.Skipped == 0 && r.blocks.next == 0:
		return ErrEmpty
	case errors.Is(err, io.EOF), err == nil && b.kind != kindHead:
		return ErrDamaged
	case err != nil:
		return err
	}
	if err := r.document(b, &r.head); err != nil {
		return ErrDamaged
	}
	return nil
}

// Head is what was known when the capture began.
func (r *Reader) Head() Head { return r.head }

// Version is the format that the file was written in.
func (r *Reader) Version() (major, minor uint16) { return Major, r.minor }

// Symbols names the reasons and locations of the drops that were read so far.
func (r *Reader) Symbols() model.Symbols { return r.names }

// Damage tells what is missing, up to where the capture was read; whether its
// end is there is known once Next has returned io.EOF.
func (r *Reader) Damage() Damage { return r.blocks.damage }

// Close closes the file.
func (r *Reader) Close() error {
	r.blocks.close()
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Next gives the next record, io.EOF after the last one that is readable.
// Damage is no error: see [Reader.Damage].
func (r *Reader) Next() (Record, error) {
	for {
		if r.journeys.read(&r.j) {
			return Record{Journey: &r.j}, nil
		}
		r.blocks.damage.Unknown += uint64(r.journeys.unknown)
		r.journeys.unknown = 0
		if x, ok := r.extras.read(); ok {
			rec, err := extraRecord(x)
			if err != nil {
				r.blocks.damage.Skipped += int64(len(x.Data))
				continue
			}
			return rec, nil
		}
		b, err := r.blocks.read()
		if errors.Is(err, io.EOF) {
			r.blocks.damage.NoEnd = !r.ended
		}
		if err != nil {
			return Record{}, err
		}
		rec, err := r.open(b)
		if err != nil {
			r.blocks.discard(b)
			continue
		}
		if rec.End != nil {
			return rec, r.finish(rec.End)
		}
		if rec.Status != nil {
			err = r.mark(rec.Status.At)
		} else if rec.Servers != nil {
			err = r.hint(rec.Servers)
		}
		if err != nil {
			return Record{}, err
		}
		if rec.Inventory != nil || rec.Status != nil || rec.Servers != nil || rec.Findings != nil {
			return rec, nil
		}
	}
}

// finish compares what was read with what was written.
func (r *Reader) finish(e *End) error {
	r.ended = true
	r.blocks.damage.Journeys = max(e.Journeys, r.count) - r.count
	return r.blocks.rest()
}

// open reads a block. Those that this version does not know give nothing.
func (r *Reader) open(b block) (rec Record, err error) {
	if b.flags&^flagZstd != 0 {
		return rec, nil
	}
	switch b.kind {
	case kindJourneys:
		err = r.openJourneys(b)
	case kindExtra:
		err = r.openExtras(b)
	case kindSymbols:
		if r.named {
			break
		}
		t := newSymbolTable()
		if err = r.document(b, &t); err == nil {
			err = r.names.merge(t)
		}
	case kindInventory:
		rec.Inventory = &Inventory{}
		if err = r.document(b, rec.Inventory); err == nil {
			r.blocks.damage.Names = rec.Inventory.LeftOut
		}
	case kindStatus:
		rec.Status = &Status{}
		err = r.document(b, rec.Status)
	case kindServers:
		err = r.document(b, &rec.Servers)
	case kindFindings:
		err = r.document(b, &rec.Findings)
	case kindEnd:
		rec.End = &End{}
		err = r.document(b, rec.End)
	}
	if err != nil {
		return Record{}, err
	}
	return rec, nil
}

func (r *Reader) openJourneys(b block) error {
	if r.skim {
		r.count += uint64(b.records)
		return nil
	}
	payload, err := r.blocks.unpack(b)
	if err != nil {
		return err
	}
	if err := r.journeys.load(payload, int(b.records)); err != nil {
		return err
	}
	r.count += uint64(b.records)
	return nil
}

func (r *Reader) openExtras(b block) error {
	if r.skim {
		return nil
	}
	payload, err := r.blocks.unpack(b)
	if err != nil {
		return err
	}
	return r.extras.load(payload, int(b.records))
}

// document reads JSON, without the fields that this version does not know.
func (r *Reader) document(b block, to any) error {
	payload, err := r.blocks.unpack(b)
	if err != nil {
		return err
	}
	return parseDocument(payload, to)
}

// elements is at least the number of values in a JSON text.
func elements(text []byte) int {
	return bytes.Count(text, []byte(",")) + bytes.Count(text, []byte("{"))
}

func parseDocument(text []byte, to any) error {
	if elements(text) > maxElements {
		return errPayload
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%w: %w", errPayload, err)
	}
	cleanAll(to)
	return nil
}
