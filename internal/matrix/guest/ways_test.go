//go:build matrix

package guest

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
)

const arrow = " → "

func path(hops ...string) string { return strings.Join(hops, arrow) }

// leaves is a container's packet up to the bridge's port.
func leaves(ns, port string) string {
	return path("qdisc @ "+ns+"/eth0", "xmit @ "+ns+"/eth0", "backlog @ host/"+port)
}

// enters is a packet from a device of the host into a namespace's socket.
func enters(dev, ns string) string {
	return path("qdisc @ host/"+dev, "xmit @ host/"+dev, "backlog @ "+ns+"/eth0", "stack_rx @ "+ns+"/eth0")
}

// hooked is the way between two devices of the host.
const hooked = "prerouting @ host → routing @ host → forward @ host → routing @ host → postrouting @ host"

func (s scene) bridged(t *testing.T) {
	lab.BridgeNF(t, false)
	s.send(t, s.overBridge(at(addrB)), classes...)
}

func (s scene) bridged6(t *testing.T) {
	lab.BridgeNF(t, false)
	s.send(t, s.overBridge(at(addrB6)), udp, rr)
}

func (s scene) overBridge(address string) trip {
	return trip{
		from: s.a, to: s.b, address: address,
		way:  path(leaves("a", "vethA"), "bridge @ host/vethA", enters("vethB", "b")),
		back: path(leaves("b", "vethB"), "bridge @ host/vethB", enters("vethA", "a")),
	}
}

func (s scene) bridgedThroughNetfilter(t *testing.T) {
	lab.BridgeNF(t, true)
	s.rules(t, filterRules)
	inside := func(port string) string {
		return path("bridge @ host/br0", "prerouting @ host", "bridge @ host/br0", "forward @ host",
			"bridge @ host/br0", "postrouting @ host", "bridge @ host/br0")
	}
	s.send(t, trip{
		from: s.a, to: s.b, address: at(addrB),
		way:  path(leaves("a", "vethA"), inside("vethA"), enters("vethB", "b")),
		back: path(leaves("b", "vethB"), inside("vethB"), enters("vethA", "a")),
	}, udp, rr)
}

// outbound is the trip of a packet that the host routes between br0 and vethO.
// hooks is the way between the two devices.
func (s scene) outbound(there, back string) trip {
	return trip{
		from: s.a, to: s.out, address: at(addrOut),
		way: path(leaves("a", "vethA"), "bridge @ host/br0", there, enters("vethO", "out")),
		back: path(leaves("out", "vethO"), back, "qdisc @ host/br0", "bridge @ host/br0",
			enters("vethA", "a")),
	}
}

func throughHooks(in, out string) string {
	return path("stack_rx @ host/"+in, hooked, "stack_tx @ host/"+out)
}

// routedHooks is the way between two devices of the host, without rules. Without
// netfilter links a hook is seen where something is registered in it: that is
// br_netfilter's ip_sabotage_in at PREROUTING and AppArmor's at POSTROUTING.
func (s scene) routedHooks(in, out string) string {
	if s.netfilterLinks {
		return throughHooks(in, out)
	}
	return path("stack_rx @ host/"+in, "prerouting @ host", journey.HopMerged.String()+" @ host", "postrouting @ host",
		"stack_tx @ host/"+out)
}

func (s scene) routed(t *testing.T) {
	lab.BridgeNF(t, false)
	s.send(t, s.outbound(s.routedHooks("br0", "vethO"), s.routedHooks("vethO", "br0")), udp, rr)
}

// With bridge-nf-call-iptables, PREROUTING runs inside the bridge, once. Its
// second run is ended by the first function in it, ip_sabotage_in, before any
// netfilter link; nf_hook_slow begins, and does not go on to what follows.
func (s scene) routedThroughNetfilterBridge(t *testing.T) {
	lab.BridgeNF(t, true)
	s.rules(t, filterRules)
	second := journey.HopStackRXRouting.String() + " @ host"
	if !s.netfilterLinks {
		second = path("stack_rx @ host/br0", journey.HopMerged.String()+" @ host")
	}
	there := path("prerouting @ host", "bridge @ host/br0", second, "forward @ host",
		"routing @ host", "postrouting @ host", "stack_tx @ host/vethO")
	s.send(t, s.outbound(there, throughHooks("vethO", "br0")), udp)
}

func (s scene) routedThroughRules(t *testing.T) {
	lab.BridgeNF(t, false)
	s.rules(t, filterRules)
	s.send(t, s.outbound(throughHooks("br0", "vethO"), throughHooks("vethO", "br0")), udp)
}

// filterRules look at every packet in every hook and let all pass.
const filterRules = `
table ip filter {
	chain h_pre { type filter hook prerouting priority 0; ct state established counter
	}
	chain h_in { type filter hook input priority 0; counter
	}
	chain h_fwd { type filter hook forward priority 0; ct state established counter
	}
	chain h_out { type filter hook output priority 0; counter
	}
	chain h_post { type filter hook postrouting priority 0; counter
	}
}
`

func (s scene) masquerade(t *testing.T) {
	lab.BridgeNF(t, false)
	s.rules(t, filterRules+`
table ip nat {
	chain h_post { type nat hook postrouting priority 100; oifname "vethO" masquerade
	}
}
`)
	windows := s.send(t, s.outbound(throughHooks("br0", "vethO"), throughHooks("vethO", "br0")), classes...)
	for name, win := range windows {
		wantRewritten(t, name, win.pick(bornAt(s.a.place(t, "eth0")), ipv4), addrA, addrOut, hostOut, addrOut)
		wantRewritten(t, name, win.pick(bornAt(s.out.place(t, "eth0")), ipv4), addrOut, hostOut, addrOut, addrA)
	}
}

func (s scene) dnat(t *testing.T) {
	lab.BridgeNF(t, false)
	s.rules(t, filterRules+`
table ip nat {
	chain h_pre { type nat hook prerouting priority -100; ip daddr `+hostOut+` meta l4proto { tcp, udp } th dport 8080 dnat to `+at(addrA)+`
	}
}
`)
	trip := s.outbound(throughHooks("br0", "vethO"), throughHooks("vethO", "br0"))
	trip.from, trip.to, trip.way, trip.back = trip.to, trip.from, trip.back, trip.way
	trip.address = hostOut + ":8080"
	windows := s.send(t, trip, classes...)
	for name, win := range windows {
		wantRewritten(t, name, win.pick(bornAt(s.out.place(t, "eth0")), ipv4), addrOut, hostOut, addrOut, addrA)
		wantRewritten(t, name, win.pick(bornAt(s.a.place(t, "eth0")), ipv4), addrA, addrOut, hostOut, addrOut)
	}
}

// wantRewritten checks the addresses as the sender wrote them, and as the
// receiver sees them.
func wantRewritten(t *testing.T, name string, journeys []journey.Journey, src, dst, lastSrc, lastDst string) {
	t.Helper()
	if len(journeys) == 0 {
		t.Errorf("%s: no journey from %s", name, src)
	}
	for _, j := range journeys {
		got := [4]string{
			j.First.Src.Addr().String(), j.First.Dst.Addr().String(),
			j.Last.Src.Addr().String(), j.Last.Dst.Addr().String(),
		}
		if want := [4]string{src, dst, lastSrc, lastDst}; got != want {
			t.Errorf("%s: first and last addresses are %v, want %v (%v)", name, got, want, j.Ending)
			return
		}
	}
}
