package topology

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/hopscope/hopscope/internal/lab"
)

// tuned is the usual pair of containers whose veths on the host are set up in
// another way than Docker leaves them.
func tuned(t *testing.T, shop *lab.Shop, tune func(c *lab.Container, dev string), f func(d duo) flow) scene {
	d := pair(shop)
	for _, c := range []*lab.Container{d.client, d.web} {
		tune(c, c.Links[0].HostName)
	}
	return requests(t, scene{flows: []flow{f(d)}, births: d.births()},
		d.client, "rr", d.web.IP(d.front).String()+":8000")
}

// polled is the way where a host's veth polls by NAPI: packets wait in the ring
// of the veth and pass GRO.
func polled(d duo) flow {
	f := d.flow("tcp", 8000, 500, 500)
	poll := func(hops []string, from string) []string {
		return way(hops[:1], []string{"backlog @ veth of " + from, "gro @ veth of " + from}, hops[3:])
	}
	f.request, f.response = poll(f.request, d.client.Name), poll(f.response, d.web.Name)
	return f
}

// groOn turns GRO on. A veth uses it for peers that cannot send what is larger
// than the wire takes (veth_skb_is_eligible_for_gro).
func groOn(t *testing.T, c *lab.Container, dev string) {
	lab.SetOffload(t, lab.HostNetns, dev, "gro", true)
	lab.SetOffload(t, c.Netns, "eth0", "tso", false)
}

func vethGRO(t *testing.T, shop *lab.Shop) scene {
	return tuned(t, shop, func(c *lab.Container, dev string) { groOn(t, c, dev) }, polled)
}

// With threaded NAPI a kernel thread polls instead of the softirq.
func vethThreaded(t *testing.T, shop *lab.Shop) scene {
	return tuned(t, shop, func(c *lab.Container, dev string) {
		groOn(t, c, dev)
		setSys(t, dev, "threaded", "1")
	}, polled)
}

// Receive packet steering moves packets to the backlog of another CPU.
func vethRPS(t *testing.T, shop *lab.Shop) scene {
	return tuned(t, shop, func(_ *lab.Container, dev string) {
		setSys(t, dev, "queues/rx-0/rps_cpus", "3")
	}, func(d duo) flow { return d.flow("tcp", 8000, 500, 500) })
}

// Native XDP copies every packet: the copy goes on with the stops before it.
func vethXDP(t *testing.T, shop *lab.Shop) scene {
	return tuned(t, shop, func(c *lab.Container, _ string) { xdpPass(t, c.Links[0].HostIndex) }, polled)
}

// setSys writes a setting of a device of the host that goes with the test.
func setSys(t *testing.T, dev, file, value string) {
	t.Helper()
	path := filepath.Join("/sys/class/net", dev, file)
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
	if is, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(is)) != value {
		t.Fatalf("%s is %q after %q was written: %v", path, is, value, err)
	}
}

// xdpPass attaches a program that lets everything pass (XDP_PASS) in the
// driver's own mode.
func xdpPass(t *testing.T, ifindex int) {
	t.Helper()
	const pass = 2
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "topology_pass", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: ifindex, Flags: link.XDPDriverMode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}
