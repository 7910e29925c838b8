package hostcounters

import (
	"maps"
	"net"
	"os/exec"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hopscope/hopscope/pkg/model"
)

// inNewNamespace runs a test in a network namespace of its own, with lo up.
func inNewNamespace(t *testing.T, test func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread, and with it the namespace, ends with the goroutine
		ns, err := netns.New()
		if err != nil {
			t.Error(err)
			return
		}
		defer ns.Close()
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			t.Error(err)
			return
		}
		test()
	}()
	<-done
}

func shell(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", line).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", line, err, out)
	}
}

// send sends datagrams to a port of lo.
func send(t *testing.T, port, n int) {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for range n {
		_, _ = c.Write([]byte("x")) // refused now and then, by what the one before met
	}
}

// A rule that is inserted above, as Docker does during a trace, neither hides
// what another drops, nor makes it tell what it dropped since it was made, nor
// lends it its name.
func TestRulesThatMove(t *testing.T) {
	for name, c := range map[string]struct {
		prepare, insert, remove string
		read                    func(*Tracker) reading
		old, added              string // names
	}{
		"nf_tables": {
			"nft add table ip t; nft add chain ip t c '{ type filter hook input priority 0; }'; nft add rule ip t c udp dport 7001 counter drop",
			"nft insert rule ip t c udp dport 7002 counter drop",
			"nft delete rule ip t c handle 2",
			func(tr *Tracker) reading { return tr.rulesOf(7, "") },
			"ip t c rule 1 (handle 2)", "ip t c rule 1 (handle 3)",
		},
		"iptables-legacy": {
			"iptables-legacy -A INPUT -p udp --dport 7001 -j DROP",
			"iptables-legacy -I INPUT -p udp --dport 7002 -j DROP",
			"iptables-legacy -D INPUT -p udp --dport 7001 -j DROP",
			func(tr *Tracker) reading {
				return legacyRules(7, tr.names(source{what: "legacy rules", netns: 7}))
			},
			"ip filter INPUT rule 1 (iptables-legacy)", "ip filter INPUT rule 1 (iptables-legacy) #2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inNewNamespace(t, func() {
				tr := newTracker(t.TempDir())
				tr.begun = true
				moved := func() map[string]uint64 {
					out := map[string]uint64{}
					for _, x := range tr.moved(source{what: "rules", netns: 7}, "self", c.read(tr)) {
						if x.Kind == model.CountRuleDrops && x.N > 0 {
							out[x.Rule] = x.N
						}
					}
					return out
				}
				wantMoved := func(when string, want map[string]uint64) {
					t.Helper()
					if got := moved(); !maps.Equal(got, want) {
						t.Errorf("%s: %v, want %v", when, got, want)
					}
				}
				shell(t, c.prepare)
				send(t, 7001, 40)
				wantMoved("at first", map[string]uint64{c.old: 40})
				send(t, 7001, 3)
				shell(t, c.insert)
				send(t, 7001, 4)
				send(t, 7002, 5)
				wantMoved("inserted above", map[string]uint64{c.old: 7, c.added: 5})
				send(t, 7002, 6)
				shell(t, c.remove)
				wantMoved("the old one removed", map[string]uint64{c.added: 6})
			})
		})
	}
}

// Rules of a chain that say the same share a counter.
func TestTwinsOfIptablesLegacy(t *testing.T) {
	inNewNamespace(t, func() {
		const rule = " INPUT -p udp --dport 7001 -j DROP"
		names := newRuleNames()
		shell(t, "iptables-legacy -A"+rule)
		send(t, 7001, 9)
		shell(t, "iptables-legacy -I"+rule)
		send(t, 7001, 2)
		got := legacyRules(7, names)
		want := model.CounterKey{Kind: model.CountRuleDrops, Netns: 7, Rule: "ip filter INPUT rule 1 (iptables-legacy)", Stage: model.StageFilter}
		if len(got) != 1 || got[want] != 11 {
			t.Errorf("%v, want 11", got)
		}
	})
}
