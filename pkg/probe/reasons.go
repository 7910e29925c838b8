package probe

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// readReasons names the values of enum skb_drop_reason by the running
// kernel's BTF: they are renumbered between versions. Before 5.17 there are
// none.
func readReasons(spec *btf.Spec) map[uint32]string {
	var e *btf.Enum
	if spec.TypeByName("skb_drop_reason", &e) != nil {
		return nil
	}
	return namesOf(e)
}

// readSubsystems names whose a reason is that is not of that enum: its upper 16 bits
// tell, since 6.4 (enum skb_drop_reason_subsys in include/net/dropreason.h).
func readSubsystems(spec *btf.Spec) map[uint32]string {
	var e *btf.Enum
	if spec.TypeByName("skb_drop_reason_subsys", &e) != nil {
		return nil
	}
	return namesOf(e)
}

const subsystemShift = 16 // SKB_DROP_REASON_SUBSYS_SHIFT

func namesOf(e *btf.Enum) map[uint32]string {
	names := make(map[uint32]string, len(e.Values))
	for _, v := range e.Values {
		name := v.Name
		for _, prefix := range []string{"SKB_DROP_REASON_SUBSYS_", "SKB_DROP_REASON_", "SKB_"} {
			name = strings.TrimPrefix(name, prefix)
		}
		if _, taken := names[uint32(v.Value)]; !taken {
			names[uint32(v.Value)] = name
		}
	}
	return names
}

// reason is the number of a reason in this kernel (NOT_SPECIFIED is 1 in 6.1 and
// 2 in 6.12); 0, which is what the programs take for the reason then, where the
// kernel tells none.
func (k kernelFacts) reason(name string) uint32 {
	for n, have := range k.reasons {
		if have == name {
			return n
		}
	}
	return 0
}

// Numbers that no kernel uses, for what it has no reason of its own for.
const (
	ownListenOverflow = 0xfffffff0
	ownListenDrop     = 0xfffffff1
)

const (
	listenOverflowName = "TCP_LISTEN_OVERFLOW" // as kernels since 6.15 call it
	listenDropName     = "TCP_LISTEN_DROP"     // other entries of TcpExtListenDrops
)

// ReasonsOfListeners are the numbers for what a listener drops: since its accept
// queue is full, and for all else.
func (p *Probe) ReasonsOfListeners() (overflow, other uint32) {
	return p.facts.listenOverflow(), ownListenDrop
}

func (k kernelFacts) listenOverflow() uint32 {
	if n := k.reason(listenOverflowName); n != 0 {
		return n
	}
	return ownListenOverflow
}

// Reason names a drop reason, "" where the kernel has no name for it.
func (p *Probe) Reason(n uint32) string {
	switch n {
	case ownListenOverflow:
		return listenOverflowName
	case ownListenDrop:
		return listenDropName
	}
	return p.facts.reasonName(n)
}

// reasonName gives a subsystem's own reason the subsystem's name and its number there:
// its names are in the BTF of a module, if anywhere.
func (k kernelFacts) reasonName(n uint32) string {
	if of := n >> subsystemShift; of != 0 {
		if name := k.subsystems[of]; name != "" {
			return fmt.Sprintf("%s_%d", name, n&(1<<subsystemShift-1))
		}
	}
	return k.reasons[n]
}

// Symbol names the kernel function around an address, "" where the kernel
// hides it.
func (p *Probe) Symbol(addr uint64) string { return p.facts.symbols.Name(addr) }
