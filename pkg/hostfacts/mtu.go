package hostfacts

import (
	"fmt"
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
			out = append(out, judgeLeg(l, host)...)
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
	if len(wide) > 0 {
		out = append(out, Finding{"mtu", "warning",
			fmt.Sprintf("packets of full size from containers do not fit through %s: they are fragmented, or come back as ICMP", uplink.Name),
			fmt.Sprintf("MTU %s, %d on %s", strings.Join(wide, ", "), uplink.MTU, uplink.Name),
			fmt.Sprintf("the networks' option com.docker.network.driver.mtu=%d, the engine's option \"mtu\" for docker0", uplink.MTU)})
	}
	return out
}

// judgeLeg compares a container's device with the host's end of its pair and
// with the bridge: what is longer than a port's MTU is dropped there without a
// word (is_skb_forwardable, net/core/dev.c).
func judgeLeg(l Link, host map[string]Link) []Finding {
	port, ok := host[l.Lower]
	if !ok || l.Kind != "veth" {
		return nil
	}
	other, what := port, "the host's end of its veth pair"
	if bridge, ok := host[port.Bridge]; ok && port.MTU == l.MTU {
		other, what = bridge, "its bridge"
	}
	if other.MTU == l.MTU {
		return nil
	}
	return []Finding{{"mtu", "warning",
		fmt.Sprintf("%s of %s and %s (%s) differ in their MTU: what is longer than the smaller one is dropped in between", l.Name, l.Where, what, other.Name),
		fmt.Sprintf("MTU %d and %d", l.MTU, other.MTU),
		fmt.Sprintf("ip link set dev %s mtu %d", other.Name, l.MTU)}}
}
