package model

import (
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

func count(kind CounterKind, n uint64) CounterCount {
	return CounterCount{CounterKey{Kind: kind, Netns: hostNS}, n}
}

func TestHostStats(t *testing.T) {
	a := New(Limits{})
	container := "c-web"
	for range 2 { // counters add up, levels do not
		a.AddCounters([]CounterCount{
			count(CountConntrackEntries, 95), count(CountConntrackMax, 100),
			{CounterKey{Kind: CountConntrackDrop, Netns: hostNS, CPU: 0}, 3}, {CounterKey{Kind: CountConntrackDrop, Netns: hostNS, CPU: 1}, 4},
			{CounterKey{Kind: CountSoftnetProcessed, CPU: 3}, 1000}, {CounterKey{Kind: CountSoftnetDropped, CPU: 3}, 0},
			{CounterKey{Kind: CountQdiscDrops, Netns: hostNS, Ifindex: vethAPI, Qdisc: "tbf 1:"}, 5},
			{CounterKey{Kind: CountQdiscDrops, Netns: hostNS, Ifindex: vethWeb, Qdisc: "tbf 1:"}, 0},
			{CounterKey{Kind: CountThrottled, Container: container}, 250e6},
			{CounterKey{Kind: CountCPUPressure, Container: container}, 125e3},
		})
	}
	s := a.Snapshot(shop(), Meta{Duration: time.Second, Containers: []inventory.Container{{ID: container, Name: "web"}, {ID: "c-api", Name: "api"}}})
	h := s.HostStats
	if h.Conntrack == nil || *h.Conntrack != (ConntrackStats{Count: 95, Max: 100, Drop: 14}) {
		t.Errorf("conntrack %+v", h.Conntrack)
	}
	if len(h.Softnet) != 1 || h.Softnet[0] != (SoftnetStats{CPU: 3, Processed: 2000}) {
		t.Errorf("softnet %+v", h.Softnet)
	}
	if len(h.Qdisc) != 1 || h.Qdisc[0].Where != "veth of api" || h.Qdisc[0].Kind != "tbf" || h.Qdisc[0].Handle != "1:" || h.Qdisc[0].Dropped != 10 {
		t.Errorf("qdisc %+v", h.Qdisc)
	}
	web, api := s.Containers[1].CPU, s.Containers[0].CPU
	if api.ThrottledNs != nil || api.PSISomePercent != nil {
		t.Errorf("what is not known of api is %+v", api)
	}
	if web.ThrottledNs == nil || *web.ThrottledNs != 500e6 || web.PSISomePercent == nil || *web.PSISomePercent < 24.9 || *web.PSISomePercent > 25 {
		t.Errorf("web lacked %+v", web)
	}
	wantFinding(t, s.Findings, "conntrack", "table is full: 14 packets")
	wantFinding(t, s.Findings, "cpu_throttled", "web was held back")

	empty := New(Limits{}).Snapshot(shop(), Meta{}).HostStats
	if empty.Conntrack != nil || empty.Softnet == nil || empty.Qdisc == nil || empty.Devices == nil {
		t.Errorf("nothing known: %+v", empty)
	}
}

func wantFinding(t *testing.T, list []Finding, kind, text string) {
	t.Helper()
	for _, f := range list {
		if f.Kind == kind && strings.Contains(f.Text, text) && f.Evidence != "" && f.Mend != "" {
			return
		}
	}
	t.Errorf("no finding %s %q: %+v", kind, text, list)
}

func TestWhoseBacklogItIs(t *testing.T) {
	a := New(Limits{})
	add := func(n int, j *journey.Journey, hops []journey.Hop) {
		for i := range j.Stops {
			j.Stops[i].CPU = 3
		}
		for i := range hops {
			if hops[i].Kind == journey.HopBacklog {
				hops[i].Duration = 2 * time.Millisecond
			}
		}
		for range n {
			a.Add(j, hops)
		}
	}
	hops := bridged()
	add(810, packet(hops), hops)
	hops = bridged()
	add(190, reply(packet(hops)), hops)
	a.AddCounters([]CounterCount{{CounterKey{Kind: CountSoftnetProcessed, CPU: 3}, 5000}, {CounterKey{Kind: CountSoftnetDropped, CPU: 3}, 0}})
	s := a.Snapshot(shop(), Meta{Duration: time.Second})
	b := s.HostStats.Softnet[0].Backlog
	if b == nil || len(b.Shares) != 2 || b.Shares[0].Name != "web" || b.Shares[0].Share != 0.81 || b.MeanNs != int64(2*time.Millisecond) {
		t.Fatalf("backlog %+v", b)
	}
	wantFinding(t, s.Findings, "softirq", "softirq of CPU 3: 81.0% of its packets belong to web")
	sum := New(Limits{})
	sum.Merge(a.Seal())
	if got := sum.Snapshot(shop(), Meta{}).HostStats.Softnet[0].Backlog; got == nil || got.Packets != b.Packets || got.MeanNs != b.MeanNs {
		t.Errorf("sealed: %+v, want %+v", got, b)
	}
}

func TestDropFindings(t *testing.T) {
	rule := "ip filter DOCKER-USER rule 2 (handle 7)"
	stage := "filter"
	web := End{Name: "web"}
	drops := []Drop{
		{Reason: "NETFILTER_DROP", Hop: "forward", Where: "host", From: web, To: End{Name: "api"}, Proto: "tcp", Port: 80, Count: 5000, AttributedBy: "journey", Stage: &stage, Rule: &rule},
		{Reason: "NO_SUCH_REASON", From: web, To: End{Name: "db"}, Proto: "tcp", Port: 5432, Count: 20, AttributedBy: "address"},
		{Reason: "NO_SOCKET", From: web, To: End{Name: "db"}, Proto: "tcp", Port: 5432, Count: 9},
	}
	got := dropFindings(drops)
	if len(got) != 2 || got[0].Severity != "critical" || got[1].Severity != "warning" {
		t.Fatalf("%+v", got)
	}
	for i, want := range []string{"5,000 packets of web to api were dropped at `forward @ host`: NETFILTER_DROP, netfilter dropped it", "20 packets of web to db were dropped: NO_SUCH_REASON"} {
		if !strings.HasPrefix(got[i].Text, want) || got[i].Mend == "" {
			t.Errorf("%+v, want %s", got[i], want)
		}
	}
	if !strings.Contains(got[0].Evidence, rule) || !strings.Contains(got[0].Evidence, "inferred") {
		t.Errorf("evidence %s", got[0].Evidence)
	}
	if f := dropFindings(drops[2:]); f != nil {
		t.Errorf("9 packets are told: %+v", f)
	}
}

// Counters that could not be read for once are in the notes.
func TestUnreadCounters(t *testing.T) {
	a := New(Limits{})
	for _, ns := range []uint32{hostNS, hostNS, 7} {
		a.AddCounters([]CounterCount{{CounterKey{Kind: CountUnread, Netns: ns}, 1}})
	}
	s := a.Snapshot(shop(), Meta{})
	if n := s.Accounting.Notes["unread_counters"]; n != 3 {
		t.Errorf("%d unread, want 3", n)
	}
	if len(s.HostStats.Qdisc)+len(s.HostStats.Devices)+len(s.HostStats.Softnet) != 0 {
		t.Errorf("%+v", s.HostStats)
	}
}
