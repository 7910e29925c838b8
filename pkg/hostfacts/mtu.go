package hostfacts

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// vxlanOverhead is what the outer headers take: IPv4 20, UDP 8, VXLAN 8,
// Ethernet 14 (RFC 7348, section 5).
const vxlanOverhead = 50

// JudgeMTU finds devices between which packets of full size do not fit.
func JudgeMTU(links []Link) (out []Finding) {
	host := make(map[string]Link)
	var uplink Link
	for _, l := range links {
		if l.Where == "" {
			host[l.Name] = l
			if l.Uplink {
				uplink = l
			}
		}
	}
	var wide []string // bridges, with their MTU
	for _, l := range links {
		switch {
		case l.Where != "":
			out = append(out, judgePair(l, host)...)
		case l.Kind == "bridge" && uplink.MTU > 0 && l.MTU > uplink.MTU:
			wide = append(wide, fmt.Sprintf("%d on %s", l.MTU, l.Name))
		case l.Kind == "vxlan":
			if lower := host[l.Lower]; lower.MTU > 0 && l.MTU+vxlanOverhead > lower.MTU {
				out = append(out, Finding{"mtu", "warning",
					fmt.Sprintf("packets of full size from %s do not fit through %s with the headers of the tunnel", l.Name, lower.Name),
					fmt.Sprintf("MTU %d + %d on %s, %d on %s", l.MTU, vxlanOverhead, l.Name, lower.MTU, lower.Name),
					fmt.Sprintf("MTU %d for the overlay network", lower.MTU-vxlanOverhead)})
			}
		}
	}
	out = append(out, judgePorts(links, host)...)
	if len(wide) > 0 {
		out = append(out, Finding{"mtu", "warning",
			fmt.Sprintf("packets of full size from containers do not fit through %s: they are fragmented, or come back as ICMP", uplink.Name),
			fmt.Sprintf("MTU %s, %d on %s", strings.Join(wide, ", "), uplink.MTU, uplink.Name),
			fmt.Sprintf("the networks' option com.docker.network.driver.mtu=%d, the engine's option \"mtu\" for docker0", uplink.MTU)})
	}
	return out
}

// judgePair compares a container's device with the host's end of its pair: what is
// longer than the receiving end takes is dropped there without a word
// (is_skb_forwardable, net/core/dev.c).
func judgePair(l Link, host map[string]Link) []Finding {
	port, ok := host[l.Lower]
	if !ok || l.Kind != "veth" || port.MTU == l.MTU {
		return nil
	}
	return []Finding{{"mtu", "warning",
		fmt.Sprintf("%s of %s and the host's end of its veth pair (%s) differ in their MTU: what is longer than the smaller one is dropped in between", l.Name, l.Where, port.Name),
		fmt.Sprintf("MTU %d and %d", l.MTU, port.MTU),
		fmt.Sprintf("ip link set dev %s mtu %d", port.Name, l.MTU)}}
}

// judgePorts compares the pairs at one bridge, which drops what is too long for
// the port that it goes to, as a pair does. The bridge's own MTU stops nothing that
// it forwards.
func judgePorts(links []Link, host map[string]Link) (out []Finding) {
	legs := make(map[string][]Link) // by bridge: pairs whose ends agree
	for _, l := range links {
		if port, ok := host[l.Lower]; ok && l.Where != "" && l.Kind == "veth" && port.Bridge != "" && port.MTU == l.MTU {
			legs[port.Bridge] = append(legs[port.Bridge], l)
		}
	}
	for _, bridge := range slices.Sorted(maps.Keys(legs)) {
		narrow, widest := narrowest(legs[bridge])
		if len(narrow) == 0 {
			continue
		}
		out = append(out, Finding{"mtu", "warning",
			fmt.Sprintf("what is longer than the MTU of %s is dropped at its port of %s, though others there send it", strings.Join(narrow, ", "), bridge),
			fmt.Sprintf("MTU %d, others on %s up to %d", minMTU(legs[bridge]), bridge, widest),
			"one MTU for all containers of a network, such as its option com.docker.network.driver.mtu sets"})
	}
	return out
}

// narrowest names the devices of the smallest MTU, none where all are the same.
func narrowest(legs []Link) (names []string, widest int) {
	least := minMTU(legs)
	for _, l := range legs {
		widest = max(widest, l.MTU)
	}
	const most = 3
	for _, l := range legs {
		if l.MTU == least && least < widest && len(names) < most {
			names = append(names, l.Name+" of "+l.Where)
		}
	}
	return names, widest
}

func minMTU(legs []Link) int {
	return slices.MinFunc(legs, func(a, b Link) int { return a.MTU - b.MTU }).MTU
}
