package topology

import "testing"

// TestTopologies has a row for each way in which a container is wired.
func TestTopologies(t *testing.T) {
	for _, r := range []row{
		{"host to a published port through docker-proxy", proxyOnLoopback},
		{"host to a published port through docker-proxy over IPv6", proxyOnLoopback6},
		{"host to the container itself, past docker-proxy", hostPastTheProxy},
		{"host to the container itself, and through docker-proxy", hostBesideTheProxy},
		{"outside to a published port without DNAT", proxyFromOutside},
		{"container to itself through its published port", containerToItself},
		{"container to a sibling through its published port", siblingThroughPort},
		{"published ports without docker-proxy", hairpin},
		{"network mode host", hostMode},
		{"network mode host on lo", hostModeOnLoopback},
		{"network mode container", sharedNamespace},
		{"network mode none", noNetwork},
		{"macvlan container to container", macvlanSiblings},
		{"macvlan container to outside", macvlanToOutside},
		{"vxlan between two hosts", vxlan},
		{"veth with GRO", vethGRO},
		{"veth with threaded NAPI", vethThreaded},
		{"veth with RPS", vethRPS},
		{"veth with native XDP", vethXDP},
		{"overlay network", overlay},
		{"overlay network, service by name", overlayService},
		{"IPv6", tcpOverIPv6},
		{"dual stack", dualStack},
		{"UDP", udp},
		{"UDP over IPv6", udpOverIPv6},
		{"ICMP echo", icmpEcho},
		{"ICMPv6 echo", icmpEcho6},
		{"fragments", fragments},
		{"fragments over IPv6", fragmentsOfIPv6},
		{"embedded DNS", embeddedDNS},
	} {
		t.Run(r.name, r.run)
	}
}
