package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/hostfacts"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/probe"
)

// tracingChecks loads and attaches everything for a moment and sends a packet
// past it. The error is why tracing does not work.
func tracingChecks() (out []check, broken error) {
	const load, detach = "load and attach the programs", "detach the programs"
	out = limitChecks(probe.Limits())
	begun := time.Now()
	p, err := probe.Open(probe.Config{})
	if err != nil {
		return append(out, check{Name: load, Status: checkMissing, Detail: err.Error(), Lost: "everything",
			Mend: "what this line names, or what the lines above say of those with !!"}), err
	}
	out = append(out,
		check{Name: load, Status: checkOK, Detail: fmt.Sprintf("in %s", time.Since(begun).Round(time.Millisecond))},
		check{Name: "ring buffer", Status: checkOK, Detail: fmt.Sprintf("%d MiB, %d packets in flight at once", probe.DefaultRingBytes>>20, probe.DefaultSlots)},
		followPacket(p))
	out = append(out, hookChecks(p.Hooks())...)
	if err := p.Close(); err != nil {
		return append(out, check{Name: detach, Status: checkMissing, Detail: err.Error(), Lost: "everything"}), err
	}
	return out, nil
}

// limitChecks are about this process, not about the host.
func limitChecks(limits []probe.Limit) (out []check) {
	mends := map[string]string{"open files": "ulimit -n %d, LimitNOFILE=%d of a service", "memory": "a limit of %d MiB"}
	for _, l := range limits {
		unit, suffix := uint64(1), ""
		if l.Name == "memory" {
			unit, suffix = 1<<20, " MiB"
		}
		has := "no limit"
		if l.Has != 0 {
			has = fmt.Sprintf("%d%s", l.Has/unit, suffix)
		}
		x := check{Name: "limit of " + l.Name, Status: checkOK, Detail: fmt.Sprintf("%s; tracing takes up to %d%s", has, l.Takes/unit, suffix)}
		if !l.Enough() {
			x.Status, x.Lost = checkMissing, "everything"
			x.Mend = strings.ReplaceAll(mends[l.Name], "%d", fmt.Sprint(l.Takes/unit))
		}
		out = append(out, x)
	}
	return out
}

// hookChecks has a line for each hook of netfilter that a link is at: without
// links, what that loses stands with the kernel's capabilities.
func hookChecks(hooks []probe.Hook) (out []check) {
	for _, h := range hooks {
		name, at := "netfilter hook "+h.Name, fmt.Sprintf("%s at priorities %d and %d", h.Family, h.Before, h.After)
		i := slices.IndexFunc(out, func(c check) bool { return c.Name == name })
		if i < 0 {
			out = append(out, check{Name: name, Status: checkOK, Detail: at})
			continue
		}
		out[i].Detail += ", " + at
	}
	return out
}

// followPacket sends a datagram over loopback, which passes nearly every
// program: one that is attached but does not run would go unnoticed otherwise.
func followPacket(p *probe.Probe) check {
	x := check{Name: "a packet over loopback", Status: checkOK}
	before, err := p.Counts()
	if err == nil {
		err = sendToSelf()
	}
	if err != nil {
		x.Status, x.Detail = checkInfo, "not tried: "+err.Error()
		return x
	}
	after, err := p.Counts()
	if err != nil {
		x.Status, x.Detail = checkLost, err.Error()
		return x
	}
	var seen, missed []string
	for _, point := range []string{"net_dev_queue", "net_dev_start_xmit", "netif_rx", "netif_receive_skb", "netfilter", "cgroup_skb/ingress"} {
		if after.Runs[point] > before.Runs[point] {
			seen = append(seen, point)
		} else {
			missed = append(missed, point)
		}
	}
	x.Detail = "seen at " + strings.Join(seen, ", ")
	if len(missed) > 0 {
		x.Status, x.Lost = checkLost, "not seen at "+strings.Join(missed, ", ")
	}
	return x
}

// sendToSelf returns when the datagram has arrived.
func sendToSelf() error {
	in, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.WriteToUDP([]byte("hopscope"), in.LocalAddr().(*net.UDPAddr)); err != nil {
		return err
	}
	if err := in.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, _, err = in.ReadFromUDP(make([]byte, 16))
	return err
}

func containerChecks(inv *inventory.Inventory, err error, host hostfacts.Facts) []check {
	if err != nil {
		return []check{{Name: "inventory", Status: checkLost, Detail: err.Error(), Lost: "names of containers"}}
	}
	var out []check
	for _, s := range inv.Sources() {
		x := check{Name: s.Name, Status: checkOK, Detail: s.Detail}
		if !s.OK {
			x.Status, x.Lost, x.Mend = checkLost, lostWithout(s.Name), mendOf(s.Name)
		}
		out = append(out, x)
	}
	for _, n := range inv.Notes() {
		out = append(out, check{Name: "note", Status: checkInfo, Detail: n})
	}
	mode := host.Cgroups
	if mode == "" {
		mode = "unknown"
	}
	out = append(out, check{Name: "cgroup mode", Status: checkInfo, Detail: mode})
	return append(append(out, proxyChecks(inv)...), overlayCheck())
}

func lostWithout(source string) string {
	switch source {
	case "docker":
		return "names of containers and networks"
	case "netlink":
		return "names of some devices"
	case "procfs":
		return "which container a network namespace belongs to"
	case "cgroup v2":
		return "telling containers of one network namespace apart"
	}
	return ""
}

func mendOf(source string) string {
	switch source {
	case "docker":
		return "start the engine, be allowed to use its socket, or name it with --docker-host"
	case "cgroup v2":
		return "mount -t cgroup2 none /sys/fs/cgroup/unified"
	case "netlink", "procfs":
		return "run as root; in a container with --privileged --pid=host --network=host"
	}
	return ""
}

func settingChecks(f hostfacts.Facts) []check {
	var out []check
	if f.Clock != nil {
		out = append(out, check{Name: "clock source", Status: checkInfo,
			Detail: fmt.Sprintf("%s, %d ns a reading", f.Clock.Source, f.Clock.ReadCost.Nanoseconds())})
	}
	if f.Conntrack != nil {
		out = append(out, check{Name: "connection tracking", Status: checkInfo,
			Detail: fmt.Sprintf("%d of %d entries", f.Conntrack.Count, f.Conntrack.Max)})
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		if on, loaded := f.BridgeNF[family]; loaded {
			out = append(out, check{Name: "bridge-nf-call-" + family, Status: checkInfo, Detail: map[bool]string{true: "1", false: "0"}[on]})
		}
	}
	if len(f.Chains) > 0 {
		rules := 0
		for _, c := range f.Chains {
			rules += c.Rules
		}
		out = append(out, check{Name: "packet filter", Status: checkInfo, Detail: fmt.Sprintf("%d rules in %d chains", rules, len(f.Chains))})
	}
	for _, n := range f.NICs {
		out = append(out, nicCheck(n))
	}
	for _, q := range f.Qdiscs {
		out = append(out, check{Name: "qdisc of " + inventory.Clean(q.Place()), Status: checkInfo, Detail: inventory.Clean(q.Kind)})
	}
	for _, l := range f.Limits {
		out = append(out, check{Name: l.Name, Status: checkInfo, Detail: l.Value})
	}
	return out
}

func nicCheck(n hostfacts.NIC) check {
	detail := fmt.Sprintf("MTU %d, %d receive and %d transmit queues", n.MTU, n.RxQueues, n.TxQueues)
	if n.Rate >= 0 {
		detail += fmt.Sprintf(", %.0f packets/s in", n.Rate)
	}
	onOff := map[bool]string{true: "on", false: "off"}
	detail += fmt.Sprintf(", RPS %s, XPS %s", onOff[n.RPS], onOff[n.XPS])
	for _, name := range slices.Sorted(maps.Keys(n.Offloads)) {
		detail += fmt.Sprintf(", %s %s", name, onOff[n.Offloads[name]])
	}
	return check{Name: "NIC " + inventory.Clean(n.Name), Status: checkInfo, Detail: detail}
}

// linksOf are the devices as the MTU check sees them.
func linksOf(v *inventory.View, uplink string) []hostfacts.Link {
	var out []hostfacts.Link
	for _, d := range v.Devices() {
		if !d.Gone.IsZero() || d.Kind == "loopback" {
			continue
		}
		l := hostfacts.Link{Name: d.Name, Kind: d.Kind, MTU: d.MTU}
		if d.Netns != v.HostNetns() {
			l.Where = ownersOf(v, d.Netns)
		} else {
			l.Uplink = d.Name == uplink && uplink != ""
		}
		if bridge, ok := v.Device(d.Netns, d.Master); ok && d.Master != 0 {
			l.Bridge = bridge.Name
		}
		lowerNetns, lower := d.ParentNetns, d.Parent
		if d.Kind == "veth" {
			lowerNetns, lower = d.PeerNetns, d.PeerIfindex
		}
		if lowerNetns == v.HostNetns() && lower != 0 {
			if x, ok := v.Device(lowerNetns, lower); ok {
				l.Lower = x.Name
			}
		}
		out = append(out, l)
	}
	return out
}

// ownersOf names a namespace that is not the host's.
func ownersOf(v *inventory.View, netns uint32) string {
	var names []string
	for _, c := range v.ContainersByNetns(netns) {
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return fmt.Sprintf("namespace %d", netns)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
