package probe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/hopscope/hopscope/bpf"
)

// held keeps a link alive: one that nothing refers to is closed by the garbage
// collector, and its program then sees nothing, without an error.
type held struct {
	name string
	link link.Link
}

// Hook is one of netfilter's, with the priorities at which packets are seen.
type Hook struct {
	Name   string // prerouting, input, forward, output, postrouting
	Family string // IPv4, IPv6
	Before int32  // ahead of all that the hook does, unless another tool has taken that
	After  int32
}

// Hooks are those that are seen through netfilter links: none before Linux 6.4.
func (p *Probe) Hooks() []Hook { return p.hooks }

// hookNames are by number (uapi/linux/netfilter.h, enum nf_inet_hooks).
var hookNames = []string{"prerouting", "input", "forward", "output", "postrouting"}

// attach goes from the endings back to the births, so that no packet is seen
// that could not end; births begin when all is attached.
func (p *Probe) attach(k kernelFacts) error {
	names := make([]string, 0, len(p.coll.Programs))
	for name := range p.coll.Programs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		prog := p.coll.Programs[name]
		switch prog.Type() {
		case ebpf.Tracing:
			if err := p.attachTracing(name, prog); err != nil {
				return err
			}
		case ebpf.CGroupSKB:
			if err := p.attachCgroup(name, prog, k.cgroup2); err != nil {
				return err
			}
		}
	}
	if k.netfilter {
		return p.attachNetfilter()
	}
	if p.coll.Programs["hs_nf_fentry"] != nil {
		when := bpf.HopscopeNfOutNF_OUT_IF_HOOKED
		return p.set("hs_nf_out", [2]bpf.HopscopeNfOut{when, when})
	}
	return nil
}

func (p *Probe) hold(name string, l link.Link) {
	p.links = append(p.links, held{name, l})
}

func (p *Probe) attachTracing(name string, prog *ebpf.Program) error {
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	if err != nil {
		return permissionOr(fmt.Errorf("attach %s: %w", strings.TrimPrefix(name, "hs_"), err))
	}
	p.hold(name, l)
	return nil
}

func (p *Probe) attachCgroup(name string, prog *ebpf.Program, root string) error {
	l, err := link.AttachCgroup(link.CgroupOptions{
		Path: root, Attach: ebpf.AttachCGroupInetIngress, Program: prog,
	})
	if err != nil {
		return permissionOr(fmt.Errorf("attach cgroup_skb/ingress to %s: %w", root, err))
	}
	p.hold(name, l)
	return nil
}

// The priorities stand outside everything that a hook does in earnest:
// defragmentation begins at -400, helpers end at 300, and the confirmation of
// a connection is the last of all (uapi/linux/netfilter_ipv4.h).
const (
	prioBefore = -1000
	prioAfter  = 1000
	prioTries  = 16 // a second tracer takes the next one
)

func (p *Probe) attachNetfilter() error {
	var born [2]bpf.HopscopeNfOut
	for i, family := range []link.NetfilterProtocolFamily{link.NetfilterProtoIPv4, link.NetfilterProtoIPv6} {
		for hook := link.NetfilterInetPreRouting; hook <= link.NetfilterInetPostRouting; hook++ {
			before, err := p.attachHook("hs_nf_before", family, hook, prioBefore, -1)
			if err != nil {
				return err
			}
			after, err := p.attachHook("hs_nf_after", family, hook, prioAfter, +1)
			if err != nil {
				return err
			}
			p.hooks = append(p.hooks, Hook{hookNames[hook], []string{"IPv4", "IPv6"}[i], before, after})
		}
		born[i] = bpf.HopscopeNfOutNF_OUT_ALWAYS
	}
	return p.set("hs_nf_out", born)
}

// attachHook tries neighbouring priorities, and gives the one that was free: each
// may be taken by one link only, so that two tracers at the same point would
// exclude each other.
func (p *Probe) attachHook(name string, family link.NetfilterProtocolFamily, hook link.NetfilterInetHook, prio, step int32) (int32, error) {
	var err error
	for range prioTries {
		var l link.Link
		l, err = link.AttachNetfilter(link.NetfilterOptions{
			Program: p.coll.Programs[name], ProtocolFamily: family, Hook: hook, Priority: prio,
		})
		if err == nil {
			p.hold(name, l)
			return prio, nil
		}
		if !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.EEXIST) {
			break
		}
		prio += step
	}
	return 0, permissionOr(fmt.Errorf("attach to netfilter hook %s: %w", hookNames[hook], err))
}
