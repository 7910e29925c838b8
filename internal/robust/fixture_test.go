package robust

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// pair is a client and a server, "web", on one bridge.
type pair struct {
	shop        *lab.Shop
	net         *lab.Network
	client, web *lab.Container
	at          string // where web answers
}

func newPair(t *testing.T) *pair {
	t.Helper()
	lab.Lock(t)
	shop := lab.NewShop(t)
	p := &pair{shop: shop, net: shop.Network(lab.NetworkSpec{Name: "net"})}
	p.web = shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{p.net}, Args: []string{"serve"}})
	p.client = shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{p.net}})
	p.at = netip.AddrPortFrom(p.web.IP(p.net), 8000).String()
	wantOK(t, p.client.Run("rr", "--count", "5", p.at), 5)
	return p
}

// wantOK fails unless all n operations succeeded: tracing must not disturb
// them, whatever goes wrong with it.
func wantOK(t *testing.T, r outcome.Result, n uint64) {
	t.Helper()
	if r.OK != n || r.Errors != 0 {
		t.Errorf("%s: %d ok, %d errors (%s), want %d and none", r.Mode, r.OK, r.Errors, r.FirstError, n)
	}
}

// summary is what the tests read of the JSON document.
type summary struct {
	Ended      string
	Accounting struct {
		Tracked   uint64
		Completed uint64
		InFlight  uint64 `json:"in_flight"`
		Lost      map[string]uint64
		Notes     map[string]uint64
	}
	Containers []struct {
		Name, ID, State string
		Tx, Rx          struct{ Packets uint64 }
	}
	Paths []struct {
		From, To pathEnd
		Proto    string
		Journeys uint64
		Hops     []struct{ Hop, Where string }
	}
	Drops []struct {
		From, To              pathEnd
		Reason, Hop, Location string
		Stack                 []string
		Count                 uint64
	}
}

type pathEnd struct {
	Kind, Name  string
	ContainerID string `json:"container_id"`
}

func parse(t *testing.T, document string) summary {
	t.Helper()
	var s summary
	if err := json.Unmarshal([]byte(document), &s); err != nil {
		t.Fatalf("%v: %.300s", err, document)
	}
	return s
}

// summaryOf ends a trace with --format json and gives its summary.
func summaryOf(t *testing.T, r *program.Running) summary {
	t.Helper()
	o := r.Interrupt(t)
	o.WantDone(t)
	s := parse(t, o.Stdout)
	s.wantBalanced(t)
	return s
}

// wantBalanced checks that every tracked journey is accounted for.
func (s summary) wantBalanced(t *testing.T) {
	t.Helper()
	a, lost := s.Accounting, uint64(0)
	for _, n := range a.Lost {
		lost += n
	}
	if a.Tracked != a.Completed+a.InFlight+lost {
		t.Errorf("tracked %d != completed %d + in flight %d + lost %d", a.Tracked, a.Completed, a.InFlight, lost)
	}
}
