package capture

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// errPayload is any contradiction inside of a payload whose checksum is right:
// a defect of its writer, or a forgery.
var errPayload = errors.New("the block contradicts itself")

// appendPlanes writes a column of numbers by planes: a byte for the width w of
// the largest in bytes, then the lowest byte of every number, then the next
// one, up to w. Bytes of one kind come together, which is what an entropy
// coder needs: the noise of the low bytes costs nothing in the high ones.
func appendPlanes(dst []byte, column []uint64) []byte {
	var all uint64
	for _, v := range column {
		all |= v
	}
	width := (bits.Len64(all) + 7) / 8
	dst = append(dst, byte(width))
	for p := range width {
		n := len(dst)
		dst = slices.Grow(dst, len(column))[:n+len(column)]
		out := dst[n:]
		for i, v := range column {
			out[i] = byte(v >> (8 * p))
		}
	}
	return dst
}

// planes is a column as appendPlanes wrote it.
type planes struct {
	n    int
	data []byte // width × n bytes
}

// parsePlanes takes a whole section of n numbers. An empty section is a column
// of zeros.
func parsePlanes(b []byte, n int) (planes, error) {
	if len(b) == 0 {
		return planes{n: n}, nil
	}
	width := int(b[0])
	if width > 8 || len(b)-1 != width*n {
		return planes{}, errPayload
	}
	return planes{n: n, data: b[1:]}, nil
}

func (p planes) at(i int) uint64 {
	var v uint64
	for shift := 0; i < len(p.data); i, shift = i+p.n, shift+8 {
		v |= uint64(p.data[i]) << shift
	}
	return v
}

// zigzag maps small numbers of both signs to small numbers.
func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// appendSection writes a section: its id and length as varints, and the bytes.
func appendSection(dst []byte, id uint64, data []byte) []byte {
	dst = binary.AppendUvarint(dst, id)
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	return append(dst, data...)
}

// cursor reads a payload from its start. After the first failure it stays
// failed and gives zeros.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.failed, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// bytes takes the next n bytes without copying them.
func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.failed, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) byte() byte {
	if b := c.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (c *cursor) uint16() uint16 {
	if b := c.bytes(2); len(b) == 2 {
		return le.Uint16(b)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if b := c.bytes(8); len(b) == 8 {
		return le.Uint64(b)
	}
	return 0
}

// limited is a varint of at most limit.
func (c *cursor) limited(limit uint64) uint64 {
	v := c.uvarint()
	if v > limit {
		c.failed, c.b = true, nil
		return 0
	}
	return v
}

func (c *cursor) err() error {
	if c.failed {
		return errPayload
	}
	return nil
}
