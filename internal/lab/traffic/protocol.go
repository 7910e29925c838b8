package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The first byte of a TCP connection or request says what the client wants.
const (
	opRequest = 'r' // a header and a body follow, a response is due
	opBulk    = 'b' // everything up to the end of the stream is counted, the count is sent back
	opShort   = 's' // nothing follows
)

// A request is its header, filled up to size bytes. A response begins with what the
// server took for it, in ns, where it is long enough.
const (
	headerLen  = 12 // op, 3 bytes of padding, size, size of the response
	thoughtLen = 8
	maxPayload = 64 << 20
)

// request is the header of a request.
type request struct {
	size int // bytes of the whole request
	want int // bytes of the response, 0: as the server likes
}

func (r request) put(buf []byte) {
	buf[0] = opRequest
	binary.BigEndian.PutUint32(buf[4:], uint32(r.size))
	binary.BigEndian.PutUint32(buf[8:], uint32(r.want))
}

// readRequest reads what follows opRequest. It fails on sizes that no client
// of ours sends.
func readRequest(r io.Reader) (request, error) {
	var rest [headerLen - 1]byte
	if _, err := io.ReadFull(r, rest[:]); err != nil {
		return request{}, fmt.Errorf("read header: %w", err)
	}
	req := request{
		size: int(binary.BigEndian.Uint32(rest[3:])),
		want: int(binary.BigEndian.Uint32(rest[7:])),
	}
	if req.size < headerLen || req.size > maxPayload || req.want > maxPayload {
		return request{}, fmt.Errorf("request of %d bytes for %d: out of bounds", req.size, req.want)
	}
	if _, err := io.CopyN(io.Discard, r, int64(req.size-headerLen)); err != nil {
		return request{}, fmt.Errorf("read request: %w", err)
	}
	return req, nil
}

// A datagram starts with its serial number and says whether it wants an echo.
const (
	datagramMin = 16 // serial, echo flag, padding
	echoOffset  = 8
	maxDatagram = 65507 // RFC 768 length less headers, over IPv4
)
