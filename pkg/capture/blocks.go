package capture

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// readAhead is the reader's buffer, in bytes.
const readAhead = 256 << 10

// blocks reads the whole blocks of a file, one after the other, and keeps
// account of the others.
type blocks struct {
	in     *bufio.Reader
	unzip  *zstd.Decoder
	next   uint64 // number of the block that should follow
	damage Damage

	file io.ReadSeeker // in's; nil where it cannot be gone about in
	skim bool          // journeys and extra records are passed over

	packed, payload []byte
}

// newBlocks checks the preface.
func newBlocks(in io.Reader) (*blocks, uint16, error) {
	r := &blocks{in: bufio.NewReaderSize(in, readAhead)}
	b, err := r.in.Peek(sizePreface)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	_, minor, err := parsePreface(b)
	if err != nil {
		return nil, minor, err
	}
	_, _ = r.in.Discard(sizePreface) // was peeked at
	r.unzip, err = newUnzip()
	return r, minor, err
}

// newUnzip never unpacks more than the capacity that it is given.
func newUnzip() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxPayload), zstd.WithDecodeAllCapLimit(true))
}

// unpack gives the payload of b, in memory where it is compressed.
func (b block) unpack(unzip *zstd.Decoder, memory []byte) ([]byte, error) {
	if b.flags&flagZstd == 0 {
		if b.raw != b.stored {
			return nil, errPayload
		}
		return b.payload, nil
	}
	out, err := unzip.DecodeAll(b.payload, slices.Grow(memory[:0], int(b.raw)))
	if err != nil || len(out) != int(b.raw) {
		return nil, errPayload
	}
	return out, nil
}

func (r *blocks) close() { r.unzip.Close() }

// read gives the next block whose checksums are right; its payload is still
// packed and valid until the next call. It fails with io.EOF at the end of the
// file and with the errors of reading it.
func (r *blocks) read() (block, error) {
	for {
		h, err := r.header()
		if err != nil {
			return block{}, err
		}
		n, err := r.load(h)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			r.damage.Cut += int64(sizeHeader + n)
			return block{}, io.EOF
		case err != nil:
			return block{}, err
		case uint64(h.seq) < r.next: // a block of before, once more
			r.damage.Skipped += int64(sizeHeader + n)
			continue
		}
		r.damage.Blocks += uint64(h.seq) - r.next
		r.next = uint64(h.seq) + 1
		b := block{h, r.packed}
		if passed := h.stored > 0 && len(b.payload) == 0; passed || checksum(b.payload) == h.sum {
			return b, nil
		}
		r.discard(b)
	}
}

// discard accounts for a block that cannot be used.
func (r *blocks) discard(b block) {
	r.damage.Skipped += int64(sizeHeader) + int64(b.stored)
	r.damage.Blocks++
	if b.kind == kindJourneys {
		r.damage.Journeys += uint64(b.records)
	}
}

// header finds the next one, over bytes that are none.
func (r *blocks) header() (header, error) {
	var lost int64
	for {
		b, err := r.in.Peek(sizeHeader)
		if len(b) < sizeHeader {
			if err != nil && !errors.Is(err, io.EOF) {
				return header{}, err
			}
			r.damage.Cut += lost + int64(len(b))
			_, _ = r.in.Discard(len(b))
			return header{}, io.EOF
		}
		if h, ok := parseHeader(b); ok {
			r.damage.Skipped += lost
			_, _ = r.in.Discard(sizeHeader)
			return h, nil
		}
		// To the next byte that may begin one, among those at hand.
		b, _ = r.in.Peek(r.in.Buffered())
		n := len(b)
		if i := bytes.IndexByte(b[1:], marker[0]); i >= 0 {
			n = i + 1
		}
		_, _ = r.in.Discard(n)
		lost += int64(n)
	}
}

// unpack gives the payload, valid until the next call.
func (r *blocks) unpack(b block) ([]byte, error) {
	out, err := b.unpack(r.unzip, r.payload)
	if err == nil && b.flags&flagZstd != 0 {
		r.payload = out
	}
	return out, err
}

// rest counts what follows the end of the capture.
func (r *blocks) rest() error {
	n, err := io.Copy(io.Discard, r.in)
	r.damage.Skipped += n
	return err
}
