package replay

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

const (
	clientNS, webNS, apiNS = 100, 101, 102

	seconds   = 95
	perSecond = 20
	uptime    = 3600e9 // CLOCK_MONOTONIC when the capture began
)

// started has no part of a second, so that pieces are easy to tell.
func started() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// packet number i of a second: requests of web to api and their answers, and
// requests of an older flow, of which only a hint tells the direction.
func packet(second, i int) *journey.Journey {
	client, server := netip.MustParseAddrPort("172.20.0.2:40000"), netip.MustParseAddrPort("172.20.0.3:8080")
	from, to := uint32(webNS), uint32(apiNS)
	if i%5 == 4 {
		client, from = netip.MustParseAddrPort("172.20.0.9:5000"), clientNS
		server = netip.MustParseAddrPort("172.20.0.3:50000")
	}
	src, dst := client, server
	if i%2 == 1 {
		src, dst, from, to = dst, src, to, from
	}
	took := time.Duration(1000*(second+1)+37*i) * time.Microsecond / 10
	j := &journey.Journey{
		Start: uint64(uptime + second*1e9 + i*40e6), Weight: uint32(1 + i%3), Bytes: 100, Segments: 1, Family: 4,
		Proto: journey.ProtoTCP, Ending: journey.EndingDelivered, First: journey.Tuple{Src: src, Dst: dst}, SRTT: 80 * time.Microsecond,
		Stops: []journey.Stop{{Netns: from, Ifindex: 2, Point: journey.PointQueue},
			{At: took / 3, Netns: from, Ifindex: 2, Point: journey.PointXmit, Flags: journey.StopVeth},
			{At: took, Netns: to, Ifindex: 2, Point: journey.PointDeliver}},
	}
	j.Last = j.First
	return j
}

func status(second int) capture.Status {
	n := uint64(second * perSecond)
	return capture.Status{At: uint64(uptime + second*1e9), DurationNs: int64(second) * 1e9, Accounting: model.Accounting{
		Tracked: n, Completed: n, Emitted: n, SampleRate: 1, Lost: map[string]uint64{"evicted": 0}}}
}

func write(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.hop")
	w, err := capture.Create(path, capture.Options{FlushEvery: time.Hour, Head: capture.Head{
		Host: "docker-7", StartedAt: started(), MonotonicZero: started().Add(-uptime)}})
	must(t, err)
	facts := inventory.Facts{Host: 1}
	for i, name := range []string{"client", "web", "api"} {
		facts.Containers = append(facts.Containers, inventory.Container{
			ID: strings.Repeat(fmt.Sprint(i), 64), Name: name, State: "running", PID: i + 5, Netns: uint32(clientNS + i)})
	}
	must(t, w.Inventory(uptime, facts))
	must(t, w.Servers([]capture.Server{{Proto: journey.ProtoTCP, Addr: netip.MustParseAddrPort("172.20.0.3:50000")}}))
	for second := range seconds {
		for i := range perSecond {
			must(t, w.Journey(packet(second, i), nil))
		}
		if second%10 == 3 {
			must(t, w.Drops(model.DropCount{Reason: 8, Location: 1, Place: journey.Place{Netns: apiNS, Ifindex: 2}, Proto: journey.ProtoTCP, Port: 8080, Count: 2}))
			must(t, w.Retransmits(model.RetransmitCount{Netns: webNS, Local: netip.MustParseAddr("172.20.0.2"),
				Remote: netip.MustParseAddr("172.20.0.3"), Port: 8080, Segments: model.RetransmitKinds{Fast: 1}}))
		}
		must(t, w.Status(status(second+1)))
	}
	must(t, w.Close(capture.End{Ended: "duration", Status: status(seconds)}))
	return path
}

func openPlayer(t testing.TB, path string, o Options) *Player {
	t.Helper()
	facts, err := capture.Survey(path)
	must(t, err)
	p, err := Open(facts, o)
	must(t, err)
	t.Cleanup(func() { _ = p.tape.close() })
	return p
}

// settle lets no time pass until what was asked for is reached.
func settle(t testing.TB, p *Player) {
	t.Helper()
	for range 10_000 {
		if !p.step(0) {
			return
		}
	}
	t.Fatal("it does not come to an end")
}

// report is what the report of a capture says.
func report(t testing.TB, path string, c capture.Choice) model.Snapshot {
	t.Helper()
	facts, err := capture.Survey(path)
	must(t, err)
	f, err := c.Filter(facts)
	must(t, err)
	r, err := capture.Open(path)
	must(t, err)
	defer r.Close()
	agg := model.New(model.Limits{})
	s, err := capture.Replay(r, agg, f)
	must(t, err)
	c.Trim(s)
	return s.Snapshot(agg)
}

// cut shortens a file.
func cut(t testing.TB, path string, share float64) {
	t.Helper()
	file, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, file[:int(float64(len(file))*share)], 0o600))
}
