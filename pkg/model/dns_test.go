package model

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// The cgroups of the tests: of web, and of the engine.
const webCgroup, engineCgroup = 7001, 42

var (
	resolver    = netip.MustParseAddr("203.0.113.53")
	dockerDNS   = netip.MustParseAddr("127.0.0.11")
	hostStub    = netip.MustParseAddr("127.0.0.53")
	webResolver = netip.MustParseAddr("127.0.0.1")
)

// askers is a view with web, of which the cgroup may be known.
func askers(cgroup uint64) (*inventory.View, Meta) {
	web := inventory.Container{ID: "id-web", Name: "web", Netns: webNS, CgroupID: cgroup, Addrs: []netip.Addr{webAddr}}
	api := inventory.Container{ID: "id-api", Name: "api", Netns: apiNS, CgroupID: cgroup, Addrs: []netip.Addr{apiAddr}}
	if cgroup != 0 {
		api.CgroupID++
	}
	v := inventory.NewView(inventory.Facts{Host: hostNS, Containers: []inventory.Container{api, web}})
	return v, Meta{Containers: v.Containers()}
}

func lookup(cgroup uint64, to netip.Addr) dns.Lookup {
	return dns.Lookup{Netns: webNS, Cgroup: cgroup, Local: webAddr, Resolver: to, Outcome: dns.Answered, Sent: 1, LatencyNs: 1e6}
}

func TestWhoAsksWhom(t *testing.T) {
	for name, x := range map[string]struct {
		lookup    dns.Lookup
		known     uint64 // the cgroup of web that the inventory knows
		from, to  string
		forwarded bool
	}{
		"a container":                  {lookup(webCgroup, resolver), webCgroup, "web", resolver.String(), false},
		"another container answers":    {lookup(webCgroup, apiAddr), webCgroup, "web", "api", false},
		"Docker's name server answers": {lookup(webCgroup, dockerDNS), webCgroup, "web", "(docker dns)", false},
		"Docker's name server asks":    {lookup(engineCgroup, resolver), webCgroup, "web", resolver.String(), true},
		"a stranger asks Docker's":     {lookup(engineCgroup, dockerDNS), webCgroup, "web", "(docker dns)", false},
		"cgroups are not known":        {lookup(engineCgroup, resolver), 0, "web", resolver.String(), false},
		"a socket without a cgroup":    {lookup(0, resolver), webCgroup, "web", resolver.String(), false},
		"a name server of its own":     {lookup(webCgroup, webResolver), webCgroup, "web", "web", false},
		"the host": {dns.Lookup{Netns: hostNS, Cgroup: engineCgroup, Local: webResolver, Resolver: hostStub, Outcome: dns.TimedOut},
			webCgroup, "(host)", "(host)", false},
	} {
		a := New(Limits{})
		a.AddDNS(x.lookup)
		v, meta := askers(x.known)
		rows := a.Snapshot(v, meta).DNS
		if len(rows) != 1 {
			t.Errorf("%s: %d rows", name, len(rows))
			continue
		}
		d := rows[0]
		if d.From.Name != x.from || d.To.Name != x.to || d.Forwarded != x.forwarded || d.Resolver != x.lookup.Resolver.String() {
			t.Errorf("%s: from %s to %s, forwarded %v", name, d.From.Name, d.To.Name, d.Forwarded)
		}
		if (d.Container != nil) != (x.from == "web") {
			t.Errorf("%s: container %v", name, d.Container)
		}
	}
}

func TestDNSCounts(t *testing.T) {
	a := New(Limits{})
	add := func(n int, change func(*dns.Lookup)) {
		for range n {
			l := lookup(webCgroup, resolver)
			change(&l)
			a.AddDNS(l)
		}
	}
	add(5, func(*dns.Lookup) {})
	add(3, func(l *dns.Lookup) { l.Rcode, l.Truncated, l.Sent = dns.RcodeNXDomain, true, 3 })
	add(2, func(l *dns.Lookup) { l.Outcome, l.LatencyNs = dns.TimedOut, 0 })
	add(1, func(l *dns.Lookup) { l.Outcome, l.LatencyNs = dns.Pending, 0 })
	add(4, func(l *dns.Lookup) { l.Outcome, l.LatencyNs = dns.Superseded, 0 })
	v, meta := askers(webCgroup)
	want := DNS{
		Queries: 15, Answered: 8, Timeout: 2, Superseded: 4, Pending: 1, Retries: 6, Truncated: 3,
		Rcode: map[string]uint64{"NOERROR": 5, "NXDOMAIN": 3},
	}
	check := func(what string, rows []DNS) {
		t.Helper()
		if len(rows) != 1 {
			t.Fatalf("%s: %d rows", what, len(rows))
		}
		got := rows[0]
		if got.Latency.Samples != 8 || got.Latency.SumNs != 8e6 {
			t.Errorf("%s: latency %+v", what, got.Latency)
		}
		got.Container, got.From, got.To, got.Resolver, got.Latency = nil, End{}, End{}, "", Dist{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	check("added", a.Snapshot(v, meta).DNS)
	merged := New(Limits{})
	merged.Merge(a.Seal())
	check("sealed and merged", merged.Snapshot(v, meta).DNS)
	pieces := New(Limits{}).Slices()
	pieces.begun = true
	pieces.AddDNS(lookup(webCgroup, resolver))
	if s := pieces.Snapshots(v, meta); len(s) != 1 || len(s[0].DNS) != 1 || s[0].DNS[0].Queries != 1 {
		t.Errorf("slices %+v", s)
	}
	meta.NoDNS = true
	if rows := a.Snapshot(v, meta).DNS; rows != nil {
		t.Errorf("rows although nothing was looked at: %+v", rows)
	}
}

func TestDNSIsBounded(t *testing.T) {
	a := New(Limits{Endpoints: 2})
	for i := range 5 {
		a.AddDNS(lookup(webCgroup, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})))
	}
	merged := New(Limits{Endpoints: 1})
	merged.Merge(a.Seal())
	v, meta := askers(webCgroup)
	for _, x := range []struct {
		a           *Aggregator
		rows, other uint64
	}{{a, 2, 3}, {merged, 1, 4}} {
		s := x.a.Snapshot(v, meta)
		if uint64(len(s.DNS)) != x.rows || s.Accounting.Notes["other_dns"] != x.other {
			t.Errorf("%d rows, %d beyond, want %d and %d", len(s.DNS), s.Accounting.Notes["other_dns"], x.rows, x.other)
		}
	}
}

func TestDNSFindings(t *testing.T) {
	v, meta := askers(webCgroup)
	of := func(server netip.Addr, counts map[dns.Outcome]int, rcode uint8, latency time.Duration) []dns.Lookup {
		var out []dns.Lookup
		for outcome, n := range counts {
			for range n {
				l := lookup(webCgroup, server)
				l.Outcome = outcome
				if outcome == dns.Answered {
					l.Rcode, l.LatencyNs = rcode, uint64(latency)
				}
				out = append(out, l)
			}
		}
		return out
	}
	answered := func(n int, rcode uint8, latency time.Duration) []dns.Lookup {
		return of(resolver, map[dns.Outcome]int{dns.Answered: n}, rcode, latency)
	}
	silent := func(n, of100 int) []dns.Lookup {
		return of(resolver, map[dns.Outcome]int{dns.Answered: n - of100, dns.TimedOut: of100}, 0, time.Millisecond)
	}
	for name, x := range map[string]struct {
		lookups        []dns.Lookup
		lost           uint64
		kind, severity string
		text           string
	}{
		"healthy":                {answered(1000, dns.RcodeNoError, time.Millisecond), 0, "", "", ""},
		"unanswered":             {silent(200, 3), 0, "dns_timeout", "warning", "3 of 200 DNS queries of web to 203.0.113.53 got no answer"},
		"two are few":            {silent(20, 2), 0, "", "", ""},
		"few of many":            {silent(1000, 9), 0, "", "", ""},
		"many unanswered":        {silent(50, 5), 0, "dns_timeout", "critical", "5 of 50"},
		"the tracer lost some":   {silent(200, 3), 1, "", "", ""},
		"failures":               {append(answered(90, 0, time.Millisecond), answered(6, dns.RcodeServFail, time.Millisecond)...), 0, "dns_failure", "warning", "6.2% of the answers"},
		"refused":                {answered(10, dns.RcodeRefused, time.Millisecond), 0, "dns_failure", "critical", "100% of the answers"},
		"no such name":           {answered(40, dns.RcodeNXDomain, time.Millisecond), 0, "dns_nxdomain", "info", "100% of the answers"},
		"slow":                   {answered(40, 0, 150*time.Millisecond), 0, "dns_slow", "warning", "one in ten DNS queries of web"},
		"very slow":              {answered(40, 0, 2*time.Second), 0, "dns_slow", "critical", "2.00s"},
		"slow, but one":          {answered(19, 0, 2*time.Second), 0, "", "", ""},
		"slow for the container": {of(dockerDNS, map[dns.Outcome]int{dns.Answered: 30}, 0, 150*time.Millisecond), 0, "dns_slow", "warning", "(docker dns) 127.0.0.11"},
	} {
		a := New(Limits{})
		for _, l := range x.lookups {
			a.AddDNS(l)
		}
		meta.Accounting.Notes = map[string]uint64{"dns_ring_full": x.lost}
		found := a.Snapshot(v, meta).Findings
		switch {
		case x.kind == "" && len(found) == 0:
		case x.kind == "" || len(found) != 1:
			t.Errorf("%s: findings %+v", name, found)
		case found[0].Kind != x.kind || found[0].Severity != x.severity || !strings.Contains(found[0].Text, x.text):
			t.Errorf("%s: %+v", name, found[0])
		case found[0].Evidence == "" || found[0].Mend == "":
			t.Errorf("%s: neither evidence nor mend: %+v", name, found[0])
		}
	}
}

// What the engine's name server could not get elsewhere it asks the next one:
// the container's own row tells what came of it.
func TestForwardedTimeoutsAreNoFinding(t *testing.T) {
	a := New(Limits{})
	for range 10 {
		l := lookup(engineCgroup, resolver)
		l.Outcome = dns.TimedOut
		a.AddDNS(l)
	}
	v, meta := askers(webCgroup)
	if s := a.Snapshot(v, meta); len(s.Findings) != 0 || !s.DNS[0].Forwarded || s.DNS[0].Timeout != 10 {
		t.Errorf("rows %+v, findings %+v", s.DNS, s.Findings)
	}
}

func TestFewDNSFindingsTheWorstFirst(t *testing.T) {
	a := New(Limits{})
	for i := range 4 {
		for range 30 {
			l := lookup(webCgroup, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}))
			l.LatencyNs = uint64(i) * uint64(600*time.Millisecond)
			a.AddDNS(l)
		}
	}
	v, meta := askers(webCgroup)
	found := a.Snapshot(v, meta).Findings
	if len(found) != maxDNSFindings || found[0].Severity != "critical" || found[1].Severity != "critical" {
		t.Errorf("%+v", found)
	}
}

// The engine's cgroup is behind the gate of each container that it asks for: that
// must not make it one of theirs.
func TestForwardedBehindAGate(t *testing.T) {
	a := New(Limits{})
	for _, cgroup := range []uint64{webCgroup, engineCgroup} {
		j := veth(vethWeb, vethAPI, cgroup, webCgroup+1)
		a.Add(j, bridged())
		a.AddDNS(lookup(cgroup, resolver))
	}
	v, meta := askers(webCgroup)
	rows := a.Snapshot(v, meta).DNS
	if len(rows) != 2 || rows[0].Forwarded == rows[1].Forwarded {
		t.Errorf("the container's own queries and those of the engine are not told apart: %+v", rows)
	}
}
