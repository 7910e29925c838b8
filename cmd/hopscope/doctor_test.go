package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/hostfacts"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/probe"
)

func someCheckup() *checkup {
	c := &checkup{Schema: "hopscope/doctor/v1", Host: "docker-7", Kernel: "6.18.0", Works: true, Findings: []hostfacts.Finding{}}
	c.add("privileges", []check{{Name: "CAP_BPF", Status: checkOK}})
	return c
}

func TestDoctorText(t *testing.T) {
	c := someCheckup()
	c.add("kernel", []check{{Name: "tracepoint x", Status: checkLost, Detail: "first\nsecond", Lost: "hop y", Mend: "Linux 7"}})
	c.Findings = append(c.Findings, hostfacts.Finding{Kind: "mtu", Severity: "warning", Text: "too wide", Evidence: "MTU 2", Mend: "MTU 1"})
	var b bytes.Buffer
	if err := c.writeText(&b); err != nil {
		t.Fatal(err)
	}
	want := `privileges
  ok  CAP_BPF

kernel
  --  tracepoint x                       first
      lost: hop y
      mend: Linux 7

what costs latency or packets on this host
  warning: too wide
      evidence: MTU 2
      mend: MTU 1

tracing works, with less than everything: see the lines with --
`
	if b.String() != want {
		t.Errorf("got:\n%s", b.String())
	}
}

// What scripts read: every key is there, lists are lists, as the schema says.
func TestDoctorJSON(t *testing.T) {
	var b bytes.Buffer
	c := someCheckup()
	c.Findings = append(c.Findings, judgeProxies(100, 1<<30)...)
	c.add("tracing", limitChecks([]probe.Limit{{Name: "open files", Has: 20, Takes: 192}, {Name: "memory", Takes: 96 << 20}}))
	if err := c.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	lab.WantSchema(t, "../../docs/doctor.schema.json", b.String())
	b.Reset()
	if err := someCheckup().writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema", "tool_version", "host", "kernel", "works", "degraded", "sections", "findings"} {
		if _, ok := got[key]; !ok {
			t.Errorf("no key %q", key)
		}
	}
	if list, ok := got["findings"].([]any); !ok || len(list) != 0 {
		t.Errorf("findings: %v", got["findings"])
	}
	if got["works"] != true || got["degraded"] != false {
		t.Errorf("%v", got)
	}
}

// Whatever keeps tracing from working, doctor's exit code is 3, and its
// sentence does not send the operator to doctor.
func TestDoctorFailure(t *testing.T) {
	for _, cause := range []error{probe.ErrPermission, probe.ErrUnsupported, errors.New("no memory")} {
		c := someCheckup()
		c.broken = fmt.Errorf("open: %w\nverifier log", cause)
		err := c.failure()
		if code := exitCode(err); code != exitNotAllowed {
			t.Errorf("%v: exit code %d", cause, code)
		}
		if s := sentence(err); strings.Contains(s, "doctor") || strings.Contains(s, "\n") {
			t.Errorf("%q", s)
		}
	}
	if err := someCheckup().failure(); err != nil {
		t.Error(err)
	}
}

func TestLinksOfAView(t *testing.T) {
	const host, web = 1, 2
	v := inventory.NewView(inventory.Facts{
		Host: host,
		Containers: []inventory.Container{{ID: strings.Repeat("a", 64), Name: "web", State: "running", PID: 7, Netns: web,
			Addrs: []netip.Addr{netip.MustParseAddr("172.20.0.2")}}},
		Devices: []inventory.Device{
			{Netns: host, Ifindex: 1, Name: "lo", Kind: "loopback", MTU: 65536},
			{Netns: host, Ifindex: 2, Name: "eth0", MTU: 1500},
			{Netns: host, Ifindex: 3, Name: "br-shop", Kind: "bridge", MTU: 1500},
			{Netns: host, Ifindex: 4, Name: "veth1", Kind: "veth", MTU: 1500, Master: 3, PeerNetns: web, PeerIfindex: 5},
			{Netns: web, Ifindex: 5, Name: "eth0", Kind: "veth", MTU: 1400, PeerNetns: host, PeerIfindex: 4},
		},
	})
	links := linksOf(v, "eth0")
	if len(links) != 4 || !links[0].Uplink || links[3].Uplink {
		t.Fatalf("%+v", links)
	}
	if port := links[2]; port.Bridge != "br-shop" || port.Where != "" {
		t.Errorf("%+v", port)
	}
	if leg := links[3]; leg.Where != "web" || leg.Lower != "veth1" {
		t.Errorf("%+v", leg)
	}
	if got := hostfacts.JudgeMTU(links); len(got) != 1 || !strings.Contains(got[0].Text, "eth0 of web") {
		t.Errorf("%+v", got)
	}
}

// A few docker-proxies are what every host with published ports has.
func TestManyProxies(t *testing.T) {
	if got := judgeProxies(99, 1<<30); got != nil {
		t.Errorf("%+v", got)
	}
	got := judgeProxies(240, 840_000_000)
	if len(got) != 1 || got[0].Evidence != "240 processes, 840MB of memory" || !strings.Contains(got[0].Mend, "--userland-proxy=false") {
		t.Errorf("%+v", got)
	}
}

// A limit that is too low says what is enough.
func TestLimitChecks(t *testing.T) {
	got := limitChecks([]probe.Limit{{Name: "open files", Has: 100, Takes: 192}, {Name: "memory", Has: 64 << 20, Takes: 96 << 20}, {Name: "memory", Takes: 96 << 20}})
	want := []check{
		{"limit of open files", checkMissing, "100; tracing takes up to 192", "everything", "ulimit -n 192, LimitNOFILE=192 of a service"},
		{"limit of memory", checkMissing, "64 MiB; tracing takes up to 96 MiB", "everything", "a limit of 96 MiB"},
		{"limit of memory", checkOK, "no limit; tracing takes up to 96 MiB", "", ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
