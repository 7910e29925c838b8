package exchange_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/pkg/exchange"
)

// raw is a struct of the kernel side as bytes.
func raw(t testing.TB, v any) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sockOf(local, remote netip.AddrPort) bpf.HopscopeHsSock {
	return bpf.HopscopeHsSock{
		Cookie: 0xffff888012345678, Cgroup: 7001, Local: local.Addr().As16(), Remote: remote.Addr().As16(),
		Lport: local.Port(), Rport: remote.Port(), Netns: 4026532001, Tgid: 55, Tid: 56,
	}
}

var (
	local4, remote4 = netip.MustParseAddrPort("10.0.0.2:40000"), netip.MustParseAddrPort("10.0.0.3:8080")
	local6, remote6 = netip.MustParseAddrPort("[fd00::2]:40000"), netip.MustParseAddrPort("[fd00::3]:8080")
)

func event() bpf.HopscopeHsExchange {
	return bpf.HopscopeHsExchange{
		Kind: 1, Role: 2, Flags: 33, Family: 4, Weight: 3, Sock: sockOf(local4, remote4),
		RequestNs: 1, RequestEndNs: 2, RequestReadNs: 3, AnswerNs: 4, AnswerEndNs: 5, AnswerReadNs: 6,
		RequestSeq: 7, AnswerSeq: 8, RequestBytes: 9, AnswerBytes: 10, SrttUs: 11,
	}
}

func TestDecodeExchange(t *testing.T) {
	got, err := exchange.Decode(raw(t, event()))
	if err != nil {
		t.Fatal(err)
	}
	want := &exchange.Record{
		Role: exchange.RoleServer, Flags: exchange.FlagFirst | exchange.FlagClosed, Weight: 3,
		Sock:    exchange.Sock{Cookie: 0xffff888012345678, Cgroup: 7001, Local: local4, Remote: remote4, Netns: 4026532001, Tgid: 55, Tid: 56},
		Request: 1, RequestEnd: 2, RequestRead: 3, Answer: 4, AnswerEnd: 5, AnswerRead: 6,
		RequestSeq: 7, AnswerSeq: 8, RequestBytes: 9, AnswerBytes: 10, SRTT: 11 * time.Microsecond,
	}
	if !reflect.DeepEqual(got.Exchange, want) || got.Connect != nil {
		t.Errorf("got %+v\nwant %+v", got.Exchange, want)
	}
}

func TestDecodeConnect(t *testing.T) {
	e := bpf.HopscopeHsConnect{Kind: 2, Family: 6, Error: 111, Weight: 1, Sock: sockOf(local6, remote6), StartNs: 5, EndNs: 9}
	got, err := exchange.Decode(raw(t, e))
	if err != nil {
		t.Fatal(err)
	}
	c := got.Connect
	if c == nil || c.Error != 111 || c.Start != 5 || c.End != 9 || c.Sock.Remote != remote6 || c.Sock.Local != local6 {
		t.Errorf("%+v", c)
	}
}

func TestDecodeAccept(t *testing.T) {
	e := bpf.HopscopeHsConnect{Kind: 3, Family: 4, Weight: 1, Sock: sockOf(local4, remote4), StartNs: 5, EndNs: 9}
	got, err := exchange.Decode(raw(t, e))
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Accept; c == nil || got.Connect != nil || c.Start != 5 || c.End != 9 || c.Sock.Local != local4 {
		t.Errorf("%+v", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	change := func(f func(*bpf.HopscopeHsExchange)) []byte {
		e := event()
		f(&e)
		return raw(t, e)
	}
	connect := bpf.HopscopeHsConnect{Kind: 2, Family: 4, Weight: 1, Sock: sockOf(local4, remote4), StartNs: 5, EndNs: 4}
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":       {nil, exchange.ErrShort},
		"half":          {raw(t, event())[:100], exchange.ErrShort},
		"half connect":  {raw(t, connect)[:80], exchange.ErrShort},
		"backward":      {raw(t, connect), exchange.ErrTime},
		"kind":          {change(func(e *bpf.HopscopeHsExchange) { e.Kind = 9 }), exchange.ErrKind},
		"role":          {change(func(e *bpf.HopscopeHsExchange) { e.Role = 3 }), exchange.ErrRole},
		"family":        {change(func(e *bpf.HopscopeHsExchange) { e.Family = 5 }), exchange.ErrFamily},
		"weight":        {change(func(e *bpf.HopscopeHsExchange) { e.Weight = 0 }), exchange.ErrWeight},
		"far future":    {change(func(e *bpf.HopscopeHsExchange) { e.AnswerNs = 1 << 63 }), exchange.ErrTime},
		"other address": {change(func(e *bpf.HopscopeHsExchange) { e.Sock.Local[0] = 1 }), exchange.ErrAddress},
	} {
		_, err := exchange.Decode(c.raw)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// The decoder's offsets are those of the types that bpf2go makes of abi.h.
func TestLayoutMatchesGenerated(t *testing.T) {
	layout := exchange.Layout()
	seen := map[string]bool{}
	check := func(name string, offset, size uintptr) {
		seen[name] = true
		if got := layout[name]; got != (exchange.Extent{Offset: int(offset), Size: int(size)}) {
			t.Errorf("%s is at %+v, abi.h has %d, %d bytes", name, got, offset, size)
		}
	}
	for name, typ := range map[string]reflect.Type{
		"hs_sock":     reflect.TypeFor[bpf.HopscopeHsSock](),
		"hs_exchange": reflect.TypeFor[bpf.HopscopeHsExchange](),
		"hs_connect":  reflect.TypeFor[bpf.HopscopeHsConnect](),
	} {
		check(name, 0, typ.Size())
		for i := range typ.NumField() {
			if f := typ.Field(i); f.Name != "_" {
				check(name+"."+snake(f.Name), f.Offset, f.Type.Size())
			}
		}
	}
	for name := range layout {
		if !seen[name] {
			t.Errorf("%s is not in abi.h", name)
		}
	}
}

// snake turns bpf2go's StartNs back into start_ns.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// The names of this package stand for the numbers of abi.h.
func TestEnumsMatchHeader(t *testing.T) {
	spec, err := bpf.LoadHopscope()
	if err != nil {
		t.Fatal(err)
	}
	for enum, want := range map[string]map[string]uint64{
		"hs_event_kind": {"HS_EV_EXCHANGE": 1, "HS_EV_ACCEPT": 3, "HS_EV_CONNECT": 2},
		"hs_role": {
			"HS_ROLE_UNKNOWN": uint64(exchange.RoleUnknown), "HS_ROLE_CLIENT": uint64(exchange.RoleClient),
			"HS_ROLE_SERVER": uint64(exchange.RoleServer),
		},
		"hs_event_flag": {
			"HS_EF_FIRST": uint64(exchange.FlagFirst), "HS_EF_MIDWAY": uint64(exchange.FlagMidway),
			"HS_EF_PIPELINED": uint64(exchange.FlagPipelined), "HS_EF_SERVER_FIRST": uint64(exchange.FlagServerFirst),
			"HS_EF_STREAM": uint64(exchange.FlagStream), "HS_EF_CLOSED": uint64(exchange.FlagClosed),
			"HS_EF_RESET": uint64(exchange.FlagReset),
		},
	} {
		var e *btf.Enum
		if err := spec.Types.TypeByName(enum, &e); err != nil {
			t.Fatal(err)
		}
		got := map[string]uint64{}
		for _, v := range e.Values {
			got[v.Name] = v.Value
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", enum, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(raw(f, event()))
	f.Add(raw(f, bpf.HopscopeHsConnect{Kind: 2, Family: 4, Weight: 1, Sock: sockOf(local4, remote4), StartNs: 5, EndNs: 6}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := exchange.Decode(b)
		if (err == nil) != (e.Exchange != nil || e.Connect != nil) {
			t.Fatalf("%+v, %v", e, err)
		}
		if e.Exchange == nil {
			return
		}
		j := exchange.NewJoiner(exchange.Limits{}, func(tgid uint32) bool { return tgid%2 == 1 })
		check := func(x *exchange.Exchange) {
			var sum uint64
			for _, p := range x.Parts {
				sum += p.Ns
			}
			if x.Reason == exchange.ReasonNone && sum != x.Total {
				t.Fatalf("parts sum to %d of %d: %+v", sum, x.Total, x)
			}
		}
		j.Add(e.Exchange, 1, check)
		other := *e.Exchange
		other.Role = 3 - other.Role
		j.Add(&other, 2, check)
		j.Flush(check)
	})
}
