package diff

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// answering is a capture of 12 s in which api takes about app for an answer,
// beside 1 ms of the network and some waiting for db.
func answering(seed uint64, replica string, app time.Duration) Side {
	r := rand.New(rand.NewPCG(seed, 1))
	n := names{webNS: "web", apiNS: replica}
	a := model.New(model.Limits{})
	pieces := a.Slices()
	for i := range 2400 {
		at := uint64(1e9 + i*5e6)
		own := uint64(float64(app) * (0.9 + 0.2*r.Float64()))
		x := &exchange.Exchange{
			Start: at, Port: 8080, View: exchange.ViewBoth, Weight: 1,
			Client: exchange.Party{Netns: webNS, Addr: webAddr}, Server: exchange.Party{Netns: apiNS, Addr: apiAddr},
			Parts: []exchange.Part{
				{Kind: exchange.PartRequestNetwork, Ns: uint64(9e5 + r.IntN(2e5))}, {Kind: exchange.PartApp, Ns: own},
				{Kind: exchange.PartWaiting, Ns: 1e6, Target: exchange.Party{Netns: webNS}, Port: 5432},
			},
		}
		for _, p := range x.Parts {
			x.Total += p.Ns
		}
		a.AddExchange(x)
		pieces.AddSocket(model.SocketEvent{Exchange: x})
		hop := []journey.Hop{{Kind: journey.HopQdisc, Place: journey.Place{Netns: webNS, Ifindex: 2}, Duration: 1000}}
		j := &journey.Journey{
			Start: at, Weight: 1, Segments: 1, Family: 4, Proto: journey.ProtoTCP, Ending: journey.EndingDelivered,
			Stops: []journey.Stop{{Netns: webNS, Ifindex: 2}, {At: 1000, Netns: apiNS, Ifindex: 2}},
		}
		a.Add(j, hop)
		pieces.Add(j, hop)
	}
	meta := model.Meta{Duration: 12 * time.Second, Containers: []inventory.Container{{ID: "id-of-" + replica, Name: replica, Service: "api", Project: "shop"}}}
	return Side{Snapshot: a.Snapshot(n, meta), Slices: pieces.Snapshots(n, meta)}
}

// An application that became slower is told, although no packet is, by the name
// of its service, which outlives the container.
func TestSlowerApplication(t *testing.T) {
	r := Compare(answering(1, "shop-api-1", 7*time.Millisecond), answering(2, "shop-api-2", 9*time.Millisecond), Options{FailOver: 0.1})
	if len(r.Exchanges) != 1 {
		t.Fatalf("%+v", r.Exchanges)
	}
	x := r.Exchanges[0]
	if x.From.Name != "web" || x.To.Name != "shop/api" || x.Port != 8080 || !x.Regressed || x.TooFew || x.Impact < 1.9e6*200 || x.Impact > 2.1e6*200 {
		t.Errorf("%+v", x)
	}
	var delta float64
	for _, p := range x.Parts {
		delta += p.DeltaNs
		moved := changeOfPart(p, "p50")
		switch p.Hop + " @ " + p.Where {
		case "app @ shop/api":
			if !moved.Significant || p.DeltaNs < 1.9e6 || p.DeltaNs > 2.1e6 {
				t.Errorf("%+v", p)
			}
		case "request_network @ web → shop/api", "waiting @ web:5432":
			if moved.Significant {
				t.Errorf("%+v", p)
			}
		default:
			t.Errorf("part %s @ %s", p.Hop, p.Where)
		}
	}
	mean := float64(x.After.SumNs)/float64(x.After.Count) - float64(x.Before.SumNs)/float64(x.Before.Count)
	if delta-mean > 1 || mean-delta > 1 {
		t.Errorf("parts moved by %v, the whole by %v", delta, mean)
	}
	failed := new(RegressionError)
	if err := r.Verdict(); !errors.As(err, &failed) || failed.Exchanges != 1 || failed.Paths != 0 {
		t.Errorf("%v", err)
	}
}

func TestSameApplication(t *testing.T) {
	r := Compare(answering(1, "shop-api-1", 7*time.Millisecond), answering(2, "shop-api-1", 7*time.Millisecond), Options{FailOver: 0.01})
	if err := r.Verdict(); err != nil || len(r.Exchanges) != 1 || r.Exchanges[0].Regressed {
		t.Errorf("%v, %+v", err, r.Exchanges)
	}
}

func changeOfPart(h Hop, quantile string) Change {
	for _, c := range h.Changes {
		if c.Quantile == quantile {
			return c
		}
	}
	return Change{}
}

func TestPartNames(t *testing.T) {
	l := lasting{"shop-web-1": "shop/web", "shop-api-1": "shop/api"}
	for where, want := range map[string]string{
		"shop-web-1 → shop-api-1":                   "shop/web → shop/api",
		"shop-api-1:8000":                           "shop/api:8000",
		"docker-proxy shop-web-1:8000":              "docker-proxy shop/web:8000",
		"docker-proxy shop-web-1:8000 → shop-web-1": "docker-proxy shop/web:8000 → shop/web",
		"2001:db8::1":                               "2001:db8::1",
		"shop-web-1+shop-api-1":                     "shop/web+shop/api",
	} {
		if got := l.part(&model.ExchangePart{Where: where}).where; got != want {
			t.Errorf("%q became %q, want %q", where, got, want)
		}
	}
}
