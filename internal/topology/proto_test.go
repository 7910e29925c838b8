package topology

import (
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
)

// duo is a client and a server, "web", on one dual-stack bridge.
type duo struct {
	front       *lab.Network
	client, web *lab.Container
}

func pair(shop *lab.Shop) duo {
	front := shop.Network(lab.NetworkSpec{Name: "front", Subnet6: "2001:db8:1::/64"})
	return duo{
		front:  front,
		web:    shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"}}),
		client: shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}}),
	}
}

func (d duo) births() []birth { return []birth{{d.client.Netns, "eth0", 0}, {d.web.Netns, "eth0", 0}} }

// flow is the bridged way between the two.
func (d duo) flow(proto string, port uint16, request, response uint64) flow {
	f := flow{
		client: container(d.client.Name), server: container(d.web.Name), network: d.front.Name,
		proto: proto, port: port, atLeast: min(request, response),
		request:  way(sends(d.client.Name), bridges(d.front.Name), enters(d.web.Name)),
		response: way(sends(d.web.Name), bridges(d.front.Name), enters(d.client.Name)),
	}
	if proto == "tcp" {
		f.request = append(f.request, locks("eth0 of "+d.web.Name)...)
		f.response = append(f.response, locks("eth0 of "+d.client.Name)...)
	}
	return f
}

func tcpOverIPv6(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	return requests(t, scene{flows: []flow{d.flow("tcp", 8000, 500, 500)}, births: d.births()},
		d.client, "rr", "["+d.web.IP6(d.front).String()+"]:8000")
}

// Both families of one pair are one path: its ends and its port are the same.
func dualStack(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	run := func(n uint64, count string) func() {
		return func() {
			wantOK(t, d.client.Run("rr", "--count", count, d.web.IP(d.front).String()+":8000"), n)
			wantOK(t, d.client.Run("rr", "--count", count, "["+d.web.IP6(d.front).String()+"]:8000"), n)
		}
	}
	return scene{warm: run(5, "5"), traffic: run(300, "300"), flows: []flow{d.flow("tcp", 8000, 600, 600)}, births: d.births()}
}

func udp(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	return requests(t, scene{flows: []flow{d.flow("udp", 8000, 500, 500)}, births: d.births()},
		d.client, "udp", d.web.IP(d.front).String()+":8000")
}

func udpOverIPv6(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	return requests(t, scene{flows: []flow{d.flow("udp", 8000, 500, 500)}, births: d.births()},
		d.client, "udp", "["+d.web.IP6(d.front).String()+"]:8000")
}

func icmpEcho(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	return requests(t, scene{flows: []flow{d.flow("icmp", 0, 500, 500)}, births: d.births()},
		d.client, "ping", d.web.IP(d.front).String())
}

func icmpEcho6(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	return requests(t, scene{flows: []flow{d.flow("icmpv6", 0, 500, 500)}, births: d.births()},
		d.client, "ping", d.web.IP6(d.front).String())
}

// A datagram of 4,000 bytes is three fragments, which are one again before the
// socket.
func fragments(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	return d.fragments(t, d.web.IP(d.front).String()+":8000")
}

func fragmentsOfIPv6(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	return d.fragments(t, "["+d.web.IP6(d.front).String()+"]:8000")
}

func (d duo) fragments(t *testing.T, at string) scene {
	run := func(n uint64, count string) func() {
		return func() { wantOK(t, d.client.Run("udp", "--count", count, "--size", "4000", at), n) }
	}
	return scene{warm: run(5, "5"), traffic: run(200, "200"), flows: []flow{d.flow("udp", 8000, 200, 200)}, births: d.births()}
}

// The engine's name server listens inside of the container's namespace: a
// query is the container's own, and so is its answer.
func embeddedDNS(t *testing.T, shop *lab.Shop) scene {
	d := pair(shop)
	lo := "lo of " + d.client.Name
	hops := []string{"qdisc @ " + lo, "xmit @ " + lo, "backlog @ " + lo, "stack_rx @ " + lo}
	return requests(t, scene{
		flows: []flow{{client: container(d.client.Name), server: container(d.client.Name), proto: "udp", port: 53, atLeast: 500,
			request: hops, response: hops}},
		births: []birth{{d.client.Netns, "lo", 0}},
	}, d.client, "resolve", "web")
}
