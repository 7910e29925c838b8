package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// kind is the type of a block. Numbers are never used again.
type kind uint8

const (
	kindHead      kind = 1
	kindJourneys  kind = 2
	kindInventory kind = 3
	kindSymbols   kind = 4
	kindStatus    kind = 5
	kindServers   kind = 6
	kindFindings  kind = 7
	kindExtra     kind = 8
	kindEnd       kind = 9
)

// Sizes and bounds, in bytes.
const (
	sizePreface = 16
	sizeHeader  = 32
	// maxPayload bounds a block's payload, stored and unpacked: what a reader
	// has to hold at a time.
	maxPayload = 16 << 20
)

// flagZstd says that the payload is compressed (RFC 8878). A block with any
// other flag is one that this version cannot read.
const flagZstd = 1

// magic begins a file. As in PNG, the first byte is no text and the line ends
// show a copy that was mangled as text.
var magic = [8]byte{0x89, 'H', 'O', 'P', '\r', '\n', 0x1a, '\n'}

// marker begins a block; a reader that lost its way looks for it.
var marker = [4]byte{'H', 'o', 'p', 0xb1}

var le = binary.LittleEndian

// Errors of [Open] and [NewReader].
var (
	ErrNotCapture = errors.New("not a hopscope capture")
	ErrDamaged    = errors.New("the capture is damaged at its start")
	ErrEmpty      = errors.New("the capture ends before anything was recorded")
)

// VersionError says that a file has a format that this version does not read.
type VersionError struct{ Major, Minor uint16 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the capture has format %d.%d, this hopscope reads %d.x: use a newer hopscope", e.Major, e.Minor, Major)
}

// castagnoli is the polynomial of CRC32C (RFC 3720, appendix B.4), which finds
// every error of up to 32 bits in a row.
func checksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

// appendPreface writes the 16 bytes that begin a file, the same in all
// versions: magic, major, minor, and the CRC32C of these.
func appendPreface(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, magic[:]...)
	dst = le.AppendUint16(dst, Major)
	dst = le.AppendUint16(dst, Minor)
	return le.AppendUint32(dst, checksum(dst[start:]))
}

func parsePreface(b []byte) (major, minor uint16, err error) {
	if len(b) < len(magic) || [8]byte(b) != magic {
		return 0, 0, ErrNotCapture
	}
	if len(b) < sizePreface {
		return 0, 0, ErrEmpty
	}
	if checksum(b[:12]) != le.Uint32(b[12:]) {
		return 0, 0, ErrDamaged
	}
	major, minor = le.Uint16(b[8:]), le.Uint16(b[10:])
	if major != Major {
		return major, minor, &VersionError{major, minor}
	}
	return major, minor, nil
}

// block is one block as it is stored.
type block struct {
	header
	payload []byte
}

// header is what stands before a payload.
type header struct {
	seq     uint32 // counts the blocks of a file from 0
	kind    kind
	flags   uint8
	stored  uint32 // bytes of the payload in the file
	raw     uint32 // bytes of the payload when unpacked
	records uint32 // journeys or extra records; 1 for other kinds
	sum     uint32 // CRC32C of the payload as stored
}

// appendHeader writes 32 bytes, the last four being the CRC32C of the others.
func (h header) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, marker[:]...)
	dst = le.AppendUint32(dst, h.seq)
	dst = append(dst, byte(h.kind), h.flags, 0, 0)
	dst = le.AppendUint32(dst, h.stored)
	dst = le.AppendUint32(dst, h.raw)
	dst = le.AppendUint32(dst, h.records)
	dst = le.AppendUint32(dst, h.sum)
	return le.AppendUint32(dst, checksum(dst[start:]))
}

// parseHeader reports false for what is no header.
func parseHeader(b []byte) (header, bool) {
	if len(b) < sizeHeader || [4]byte(b) != marker || checksum(b[:28]) != le.Uint32(b[28:]) {
		return header{}, false
	}
	h := header{
		seq: le.Uint32(b[4:]), kind: kind(b[8]), flags: b[9],
		stored: le.Uint32(b[12:]), raw: le.Uint32(b[16:]),
		records: le.Uint32(b[20:]), sum: le.Uint32(b[24:]),
	}
	return h, h.stored <= maxPayload && h.raw <= maxPayload
}
