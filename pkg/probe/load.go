package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/hopscope/hopscope/bpf"
)

// followers are the programs that do nothing but follow TCP connections.
var followers = []string{
	"hs_tcp_rcv_space_adjust", "hs_inet_sock_set_state", "hs_inet_sock_set_state_again",
	"hs_tcp_destroy_sock", "hs_accept_fexit",
}

// adapt fits the one object to this kernel: programs whose hook is not there
// are left out, and constants prune the branches that it would refuse.
func adapt(spec *ebpf.CollectionSpec, cfg Config, k kernelFacts) error {
	for name, prog := range spec.Programs {
		if !k.allows(prog) {
			delete(spec.Programs, name)
		}
	}
	if cfg.NoSockets {
		for _, name := range followers {
			delete(spec.Programs, name)
		}
	}
	for _, name := range []string{"net_dev_queue", "net_dev_start_xmit", "netif_rx", "netif_receive_skb", "kfree_skb", "consume_skb"} {
		if _, ok := k.traces[name]; !ok {
			return fmt.Errorf("%w: tracepoint %s is missing", ErrUnsupported, name)
		}
	}
	spec.Maps["hs_ring"].MaxEntries = uint32(cfg.RingBytes)
	spec.Maps["hs_slots"].MaxEntries = cfg.Slots
	spec.Maps["hs_conns"].MaxEntries = cfg.Sockets
	_, probed := k.traces["tcp_probe"]
	return setConstants(spec, map[string]any{
		"hs_kfree_has_reason": k.kfreeHasReason(),
		"hs_has_tcp_probe":    probed,
		"hs_sees_accept":      k.accept > 0,
		"hs_accept_params":    uint32(k.accept),

		"hs_follow":             !cfg.NoSockets,
		"hs_read_dns":           cfg.readsDNS(k),
		"hs_retransmit_has_err": k.traces["tcp_retransmit_skb"] >= 3,
		"hs_host_netns":         k.hostNetns,
		"hs_ring_bytes":         uint32(cfg.RingBytes),
		"hs_slow_ns":            uint64(cfg.Slow),
		"hs_idle_ns":            uint64(idleFor),
		"hs_quiet":              quietConstant(k.symbols.quiet(k.kfreeHasReason())),
		"hs_no_reason":          k.reason("NOT_SPECIFIED"),
		"hs_no_socket":          k.reason("NO_SOCKET"),
		"hs_netfilter_drop":     k.reason("NETFILTER_DROP"),
		"hs_listen_overflow":    k.listenOverflow(),
		"hs_listen_drop":        uint32(ownListenDrop),

		"hs_consume_has_location": k.traces["consume_skb"] >= 2,
	})
}

func quietConstant(ranges []symbolRange) (out [4]bpf.HopscopeHsRange) {
	for i, r := range ranges[:min(len(ranges), len(out))] {
		out[i] = bpf.HopscopeHsRange{Start: r.start, End: r.end}
	}
	return out
}

func setConstants(spec *ebpf.CollectionSpec, values map[string]any) error {
	for name, value := range values {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

// replaced reports whether this kernel has something better than the function
// to trace at.
func (k kernelFacts) replaced(function string) bool {
	if function == "nf_hook_slow" {
		return k.netfilter
	}
	return k.castKernCtx && k.cgroup2 != ""
}

// delivers reports whether the point is seen at which packets reach their
// sockets, whatever the protocol.
func (k kernelFacts) delivers() bool {
	return k.castKernCtx && k.cgroup2 != "" || k.functions["sk_filter_trim_cap"]
}

func (k kernelFacts) allows(prog *ebpf.ProgramSpec) bool {
	kind, name, _ := strings.Cut(prog.SectionName, "/")
	switch prog.Type {
	case ebpf.Tracing:
		if name == acceptFunction {
			return k.accept > 0
		}
		if kind == "fentry" || kind == "fexit" {
			return k.functions[name] && !k.replaced(name)
		}
		_, ok := k.traces[name]
		return ok
	case ebpf.Netfilter:
		return k.netfilter
	case ebpf.CGroupSKB:
		return k.castKernCtx && k.cgroup2 != ""
	}
	return true
}

func load(spec *ebpf.CollectionSpec, k kernelFacts) (*ebpf.Collection, error) {
	// Kernels before 5.11 charge maps to RLIMIT_MEMLOCK.
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, lockedMemory(err)
	}
	coll, err := loadCollection(spec, k.types)
	if err == nil {
		return coll, nil
	}
	if errors.Is(err, syscall.ENOMEM) {
		return nil, fmt.Errorf("%w for a ring of %d MiB and %d slots (a smaller --ring-size, or a higher memory limit): %w",
			ErrMemory, spec.Maps["hs_ring"].MaxEntries>>20, spec.Maps["hs_slots"].MaxEntries, err)
	}
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) && !errors.Is(err, ebpf.ErrNotSupported) {
		return nil, permissionOr(fmt.Errorf("%w: load the programs: %w\n%+v", ErrUnsupported, err, verifier))
	}
	return nil, permissionOr(fmt.Errorf("load the programs: %w", err))
}

// lockedMemory says why the limit of locked memory was not lifted. Where bpf(2) is
// refused as a whole, nothing tells whether that was needed.
func lockedMemory(err error) error {
	err = fmt.Errorf("raise the locked memory limit: %w", err)
	small, refused := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if refused != nil || !errors.Is(err, fs.ErrPermission) {
		return permissionOr(err)
	}
	_ = small.Close()
	return &permissionError{"CAP_SYS_RESOURCE is missing, without which this kernel, older than 5.11, lets no process lift its limit of locked memory (or ulimit -l unlimited)", err, true}
}
