package model

import (
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

func TestFindings(t *testing.T) {
	slow := func(n int, hop int, d time.Duration) *Aggregator {
		a := New(Limits{})
		for range n {
			hops := bridged()
			hops[hop].Duration = d
			a.Add(packet(hops), hops)
			hops = bridged() // the way back is healthy
			a.Add(reply(packet(hops)), hops)
		}
		return a
	}
	for name, c := range map[string]struct {
		a    *Aggregator
		want int
	}{
		"healthy":          {slow(1000, 4, time.Microsecond), 0},
		"too few":          {slow(99, 4, time.Second), 0},
		"dominant, quick":  {slow(1000, 4, 49*time.Microsecond), 0},
		"one hop is slow":  {slow(1000, 4, 12*time.Millisecond), 1},
		"slow but not all": {slow(100, 4, 60*time.Microsecond), 1},
	} {
		if got := c.a.Snapshot(shop(), Meta{}).Findings; len(got) != c.want || got == nil {
			t.Errorf("%s: %d findings, want %d: %+v", name, len(got), c.want, got)
		}
	}
	f := slow(1000, 4, 12*time.Millisecond).Snapshot(shop(), Meta{}).Findings[0]
	if f.Text != "99.9% of web's time to api is `qdisc @ veth of api`" || f.Severity != "warning" {
		t.Errorf("%s: %s", f.Severity, f.Text)
	}
	if !strings.Contains(f.Evidence, "mean 12.0ms") || !strings.Contains(f.Evidence, "1,000 packets") || !strings.Contains(f.Mend, "dev22") {
		t.Errorf("evidence %q, mend %q", f.Evidence, f.Mend)
	}
}

func TestOneHopIsToldOnce(t *testing.T) {
	a := New(Limits{})
	for i := range 4000 {
		hops := bridged()
		hops[i%4*2].Duration = 10 * time.Millisecond
		j := packet(hops)
		j.Last.Dst = port(apiAddr, uint16(8000+i%8))
		a.Add(j, hops)
	}
	s := a.Snapshot(shop(), Meta{})
	if len(s.Paths) != 8 || len(s.Findings) != maxFindings {
		t.Fatalf("%d paths, %d findings", len(s.Paths), len(s.Findings))
	}
	seen := map[string]bool{}
	for _, f := range s.Findings {
		hop := f.Text[strings.Index(f.Text, "`"):]
		if seen[hop] {
			t.Errorf("%s is told twice", hop)
		}
		seen[hop] = true
	}
}

func TestEveryHopHasAMend(t *testing.T) {
	general := mend(&Hop{Hop: "no such hop"})
	for _, k := range journey.HopKinds() {
		got := mend(&Hop{Hop: k.String()})
		switch k {
		case journey.HopUnknown, journey.HopXmit, journey.HopRouting, journey.HopStackRXRouting, journey.HopMacvlan:
			if got != general {
				t.Errorf("%v has a mend of its own: list it", k)
			}
		default:
			if got == general {
				t.Errorf("%v has no mend of its own", k)
			}
		}
	}
}
