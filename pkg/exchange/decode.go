package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// What [Decode] refuses; a [*EventError] wraps one of these.
var (
	ErrShort   = errors.New("event ends too early")
	ErrKind    = errors.New("unknown kind of event")
	ErrRole    = errors.New("unknown role")
	ErrFamily  = errors.New("neither IPv4 nor IPv6")
	ErrAddress = errors.New("address does not fit the family")
	ErrWeight  = errors.New("weight is 0")
	ErrTime    = errors.New("impossible time")
)

// EventError says which value of an event makes no sense.
type EventError struct {
	Err   error // one of the Err values of this package
	Value uint64
}

func (e *EventError) Error() string {
	return fmt.Sprintf("decode socket event: %v (%d)", e.Err, e.Value)
}

// Unwrap serves errors.Is.
func (e *EventError) Unwrap() error { return e.Err }

// Event is one record of the ring hs_events: exactly one field is set.
type Event struct {
	Exchange *Record
	Connect  *Connect
	Accept   *Connect
}

// le is the byte order of events, see pkg/journey.
var le = binary.LittleEndian

// Decode reads one event of the kernel side. It fails with a [*EventError] when
// the event contradicts itself. Unknown flags and what follows the known fields
// are left alone.
func Decode(raw []byte) (Event, error) {
	if len(raw) == 0 {
		return Event{}, &EventError{ErrShort, 0}
	}
	switch raw[offKind] {
	case kindExchange:
		r, err := decodeExchange(raw)
		return Event{Exchange: r}, err
	case kindConnect:
		c, err := decodeConnect(raw)
		return Event{Connect: c}, err
	case kindAccept:
		c, err := decodeConnect(raw)
		return Event{Accept: c}, err
	}
	return Event{}, &EventError{ErrKind, uint64(raw[offKind])}
}

func decodeExchange(raw []byte) (*Record, error) {
	if len(raw) < sizeExchange {
		return nil, &EventError{ErrShort, uint64(len(raw))}
	}
	r := &Record{
		Role: Role(raw[offRole]), Flags: Flags(raw[offFlags]), Weight: le.Uint32(raw[offWeight:]),
		Request: le.Uint64(raw[offRequest:]), RequestEnd: le.Uint64(raw[offRequestEnd:]),
		RequestRead: le.Uint64(raw[offRequestRead:]),
		Answer:      le.Uint64(raw[offAnswer:]), AnswerEnd: le.Uint64(raw[offAnswerEnd:]),
		AnswerRead: le.Uint64(raw[offAnswerRead:]),
		RequestSeq: le.Uint32(raw[offRequestSeq:]), AnswerSeq: le.Uint32(raw[offAnswerSeq:]),
		RequestBytes: le.Uint32(raw[offRequestBytes:]), AnswerBytes: le.Uint32(raw[offAnswerBytes:]),
		SRTT: time.Duration(le.Uint32(raw[offSRTT:])) * time.Microsecond,
	}
	switch {
	case r.Role > RoleServer:
		return nil, &EventError{ErrRole, uint64(r.Role)}
	case r.Weight == 0:
		return nil, &EventError{ErrWeight, 0}
	case r.begin() == 0:
		return nil, &EventError{ErrTime, 0}
	}
	for _, at := range r.times() {
		if at > maxTime {
			return nil, &EventError{ErrTime, at}
		}
	}
	var err error
	r.Sock, err = decodeSock(raw[offSock:], raw[offFamily])
	if err != nil {
		return nil, err
	}
	return r, nil
}

// maxTime is 146 years of uptime: sums of times up to it cannot overflow.
const maxTime = 1 << 62

func decodeConnect(raw []byte) (*Connect, error) {
	if len(raw) < sizeConnect {
		return nil, &EventError{ErrShort, uint64(len(raw))}
	}
	c := &Connect{
		Error: le.Uint16(raw[offConnectError:]), Weight: le.Uint32(raw[offWeight:]),
		Start: le.Uint64(raw[offConnectStart:]), End: le.Uint64(raw[offConnectEnd:]),
	}
	switch {
	case c.Weight == 0:
		return nil, &EventError{ErrWeight, 0}
	case c.Start == 0 || c.End < c.Start || c.End > maxTime:
		return nil, &EventError{ErrTime, c.End}
	}
	var err error
	if c.Sock, err = decodeSock(raw[offSock:], raw[offConnectFamily]); err != nil {
		return nil, err
	}
	return c, nil
}

func decodeSock(b []byte, family uint8) (Sock, error) {
	s := Sock{
		Cookie: le.Uint64(b[offCookie:]), Cgroup: le.Uint64(b[offCgroup:]),
		Netns: le.Uint32(b[offNetns:]), Tgid: le.Uint32(b[offTgid:]), Tid: le.Uint32(b[offTid:]),
	}
	local, err := decodeAddr(b[offLocal:], family)
	if err != nil {
		return s, err
	}
	remote, err := decodeAddr(b[offRemote:], family)
	if err != nil {
		return s, err
	}
	s.Local = netip.AddrPortFrom(local, le.Uint16(b[offLport:]))
	s.Remote = netip.AddrPortFrom(remote, le.Uint16(b[offRport:]))
	return s, nil
}

// decodeAddr reads an address. That of an IPv6 socket which speaks IPv4 (RFC
// 3493, 3.7) is IPv4's, as its packets are.
func decodeAddr(b []byte, family uint8) (netip.Addr, error) {
	addr := netip.AddrFrom16([sizeAddr]byte(b))
	switch family {
	case 4:
		if !addr.Is4In6() {
			return addr, &EventError{ErrAddress, uint64(family)}
		}
	case 6:
	default:
		return addr, &EventError{ErrFamily, uint64(family)}
	}
	return addr.Unmap(), nil
}
