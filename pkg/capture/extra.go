package capture

import (
	"encoding/binary"

	"github.com/hopscope/hopscope/pkg/printable"
)

// extraBatch collects extra records of one kind and version.
type extraBatch struct {
	kind     string
	version  uint32
	n        int
	from, to uint64
	prev     uint64 // time of the record before, 0 before the first
	records  []byte
}

func (b *extraBatch) add(e Extra) {
	if b.n == 0 {
		b.from, b.to = e.At, e.At
	}
	b.n++
	b.from, b.to = min(b.from, e.At), max(b.to, e.At)
	b.records = binary.AppendUvarint(b.records, zigzag(int64(e.At-b.prev)))
	b.records = binary.AppendUvarint(b.records, uint64(len(e.Data)))
	b.records = append(b.records, e.Data...)
	b.prev = e.At
}

func (b *extraBatch) appendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b.kind)))
	dst = append(dst, b.kind...)
	dst = binary.AppendUvarint(dst, uint64(b.version))
	return append(dst, b.records...)
}

func (b *extraBatch) reset() { b.n, b.prev, b.records = 0, 0, b.records[:0] }

// extras reads a block of extra records.
type extras struct {
	c    cursor
	left int
	rec  Extra
}

// load checks the whole payload, so that the records of a block come whole or
// not at all.
func (x *extras) load(payload []byte, n int) error {
	x.left, x.rec = 0, Extra{}
	c := cursor{b: payload}
	kind := c.bytes(c.limited(maxKind))
	version := uint32(c.limited(1<<32 - 1))
	x.c = c
	for i := 0; i < n && !c.failed; i++ {
		c.uvarint()
		c.bytes(c.uvarint())
	}
	if c.failed || len(c.b) > 0 {
		return errPayload
	}
	x.left = n
	x.rec.Kind, x.rec.Version = printable.Clean(string(kind)), version
	return nil
}

func (x *extras) read() (*Extra, bool) {
	if x.left == 0 {
		return nil, false
	}
	x.left--
	x.rec.At += uint64(unzigzag(x.c.uvarint()))
	x.rec.Data = x.c.bytes(x.c.uvarint())
	return &x.rec, true
}

// maxKind bounds the name of a kind of extra records, in bytes.
const maxKind = 64
