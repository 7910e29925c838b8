package capture

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/model"
)

// oddEvents are what sockets may tell, of every shape.
func oddEvents(r *rand.Rand, n int) []model.SocketEvent {
	var out []model.SocketEvent
	for i := range n {
		switch i % 8 {
		case 3:
			out = append(out, model.SocketEvent{Connect: &model.ConnectCount{
				At: 5 + r.Uint64()>>8, Netns: webNS, Cgroup: 7001, Local: oddAddr(r), Remote: oddAddr(r), Port: uint16(r.Uint32()),
				Ns: r.Uint64() >> 30, Error: uint16(r.Uint32N(120)), Count: 1 + r.Uint64N(3),
			}})
		case 4:
			out = append(out, model.SocketEvent{Accept: &model.AcceptCount{
				At: 5 + r.Uint64()>>8, Netns: apiNS, Cgroup: 7002, Local: oddAddr(r), Remote: oddAddr(r), Port: uint16(r.Uint32()),
				Ns: r.Uint64() >> 30, Count: 1 + r.Uint64N(3),
			}})
		case 5:
			out = append(out, model.SocketEvent{Resets: &model.ResetCount{
				Netns: apiNS, Cgroup: 7002, Local: oddAddr(r), Remote: oddAddr(r), Port: 8080, Server: i%2 == 0,
				Sent: r.Uint64N(9), Received: r.Uint64N(9),
			}})
		default:
			out = append(out, model.SocketEvent{Exchange: oddExchange(r)})
		}
	}
	return out
}

func oddAddr(r *rand.Rand) netip.Addr {
	if r.IntN(3) == 0 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(r.Uint32())})
	}
	return netip.AddrFrom4([4]byte{172, 20, 0, byte(r.Uint32N(4))})
}

func oddExchange(r *rand.Rand) *exchange.Exchange {
	party := func() exchange.Party {
		return exchange.Party{Cgroup: 7000 + r.Uint64N(4), Netns: []uint32{0, webNS, apiNS}[r.IntN(3)], Addr: oddAddr(r)}
	}
	place := func() netip.AddrPort { return netip.AddrPortFrom(oddAddr(r), uint16(8080+r.Uint32N(2))) }
	x := &exchange.Exchange{
		Start: r.Uint64() >> 8, Client: party(), Server: party(), Port: 8080, Asked: place(),
		View: exchange.View(1 + r.IntN(3)), Weight: 1 + r.Uint32N(9), RTT: r.Uint64() >> (24 + r.IntN(40)),
	}
	if r.IntN(4) == 0 {
		x.Reason = exchange.Reasons()[r.IntN(len(exchange.Reasons()))]
		return x
	}
	if x.Proxied = r.IntN(3) == 0; x.Proxied {
		x.Proxy = exchange.Proxy{Party: party(), Target: place()}
	}
	for k := exchange.PartRequest; k.Valid(); k++ {
		p := exchange.Part{Kind: k, Ns: r.Uint64() >> (20 + r.IntN(44))}
		if k == exchange.PartWaiting {
			p.Target, p.Port = party(), 5432
		}
		x.Parts = append(x.Parts, p)
		x.Total += p.Ns
	}
	for range 1 + r.IntN(4) {
		x.Sides = append(x.Sides, exchange.Side{
			Owner: party(), Peer: oddAddr(r), Port: 8080, Server: r.IntN(2) == 0,
			SockRecv: int64(r.Uint64()>>20) - 1, App: r.Int64N(2) - 1,
		})
	}
	return x
}

func TestExchangesComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		want := oddExchange(r)
		var got exchange.Exchange
		ok(t, readExchange(appendExchange(nil, want), want.Start+want.Total, &got))
		if !reflect.DeepEqual(&got, want) {
			t.Fatalf("\n got %+v\nwant %+v", got, *want)
		}
	}
}

func TestDamagedExchanges(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 500 {
		x := oddExchange(r)
		data := appendExchange(nil, x)
		for n := range data {
			if err := readExchange(data[:n], x.Start+x.Total, &exchange.Exchange{}); !errors.Is(err, errPayload) {
				t.Fatalf("%d of %d bytes: %v", n, len(data), err)
			}
		}
	}
	x := oddExchange(r)
	for name, change := range map[string]func(*exchange.Exchange){
		"longer than the clock": func(x *exchange.Exchange) { x.Total = maxNs },
		"no weight":             func(x *exchange.Exchange) { x.Weight = 0 },
		"no view":               func(x *exchange.Exchange) { x.View = 0 },
		"no such view":          func(x *exchange.Exchange) { x.View = 4 },
		"no such reason":        func(x *exchange.Exchange) { x.Reason = 99 },
		"parts beyond the sum":  func(x *exchange.Exchange) { x.Parts = []exchange.Part{{Kind: exchange.PartApp, Ns: x.Total + 1}} },
		"parts below the sum": func(x *exchange.Exchange) {
			x.Reason, x.Total, x.Parts = 0, 5, []exchange.Part{{Kind: exchange.PartApp, Ns: 4}}
		},
		"no such part":     func(x *exchange.Exchange) { x.Parts = []exchange.Part{{Kind: 99}} },
		"unknown below -1": func(x *exchange.Exchange) { x.Sides = []exchange.Side{{SockRecv: -2}} },
	} {
		odd := x.Clone()
		at := odd.Start + odd.Total
		change(&odd)
		if err := readExchange(appendExchange(nil, &odd), at, &exchange.Exchange{}); !errors.Is(err, errPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzExchange(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		f.Add(appendExchange(nil, oddExchange(r)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var x exchange.Exchange
		if readExchange(data, 1<<62, &x) != nil {
			return
		}
		var again exchange.Exchange
		ok(t, readExchange(appendExchange(nil, &x), 1<<62, &again))
		if !reflect.DeepEqual(x, again) {
			t.Fatalf("%+v\nbecame %+v", x, again)
		}
		model.New(model.Limits{}).AddExchange(&x)
	})
}
