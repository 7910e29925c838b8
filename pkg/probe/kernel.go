package probe

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/cilium/ebpf/btf"

	"github.com/hopscope/hopscope/pkg/cgroup2"
)

// Errors that say why tracing is not possible at all.
var (
	ErrPermission  = errors.New("not permitted")
	ErrUnsupported = errors.New("not supported by this kernel")
	ErrMemory      = errors.New("not enough memory")
	ErrLockedDown  = errors.New("the kernel is locked down (confidentiality)") // an ErrPermission
)

// kernelFacts is what the kernel's own type information tells.
type kernelFacts struct {
	types       *btf.Cache     // parsing BTF takes longer than all the rest: once
	traces      map[string]int // parameters of each tracepoint's prototype, without the context
	castKernCtx bool
	netfilter   bool            // BPF_PROG_TYPE_NETFILTER, since 6.4
	functions   map[string]bool // of standIns: there for fentry
	accept      int             // parameters of acceptFunction, 0: it cannot be traced
	hostNetns   uint32
	cgroup2     string // mount point of the cgroup v2 hierarchy, "" without one
	symbols     *Symbols
	reasons     map[uint32]string
	subsystems  map[uint32]string
}

// tracepoints that the programs may attach to.
var tracepoints = []string{
	"net_dev_queue", "net_dev_start_xmit", "netif_rx", "netif_receive_skb",
	"napi_gro_receive_entry", "napi_gro_receive_exit",
	"napi_gro_frags_entry", "napi_gro_frags_exit",
	"tcp_probe", "kfree_skb", "consume_skb",
	"tcp_retransmit_skb", "tcp_retransmit_synack",
	"tcp_rcv_space_adjust", "inet_sock_set_state", "tcp_destroy_sock",
	"tcp_send_reset", "tcp_receive_reset",
}

// standIns are the functions that older kernels are traced at in place of the
// netfilter links and the cgroup program.
var standIns = []string{"nf_hook_slow", "sk_filter_trim_cap"}

func readKernel() (kernelFacts, error) {
	k := kernelFacts{types: btf.NewCache(), traces: map[string]int{}}
	spec, err := k.types.Kernel()
	if err != nil {
		return k, fmt.Errorf("%w: no BTF type information (CONFIG_DEBUG_INFO_BTF): %w", ErrUnsupported, err)
	}
	for _, name := range tracepoints {
		if n, ok := traceParams(spec, name); ok {
			k.traces[name] = n
		}
	}
	k.castKernCtx = hasFunc(spec, "bpf_cast_to_kern_ctx")
	k.netfilter = hasEnumValue(spec, "bpf_prog_type", "BPF_PROG_TYPE_NETFILTER")
	if k.hostNetns, err = netnsInode("/proc/self/ns/net"); err != nil {
		return k, err
	}
	k.cgroup2 = cgroup2.Find("/proc").Path
	k.functions = make(map[string]bool)
	for _, name := range standIns {
		k.functions[name] = hasFunc(spec, name)
	}
	k.accept = acceptParams(spec, k.types)
	k.reasons, k.subsystems = readReasons(spec), readSubsystems(spec)
	// Without symbols there is less to tell, but nothing that is wrong.
	if k.symbols, err = readSymbols("/proc/kallsyms"); err != nil {
		k.symbols = &Symbols{}
	}
	return k, nil
}

// traceParams counts the parameters of a tracepoint: they grew over the years
// (kfree_skb gained its reason in 5.17).
func traceParams(spec *btf.Spec, name string) (int, bool) {
	var td *btf.Typedef
	if err := spec.TypeByName("btf_trace_"+name, &td); err != nil {
		return 0, false
	}
	ptr, ok := td.Type.(*btf.Pointer)
	if !ok {
		return 0, false
	}
	proto, ok := ptr.Target.(*btf.FuncProto)
	if !ok {
		return 0, false
	}
	return len(proto.Params) - 1, true
}

func hasFunc(spec *btf.Spec, name string) bool {
	var f *btf.Func
	return spec.TypeByName(name, &f) == nil
}

func hasEnumValue(spec *btf.Spec, enum, value string) bool {
	var e *btf.Enum
	if spec.TypeByName(enum, &e) != nil {
		return false
	}
	for _, v := range e.Values {
		if v.Name == value {
			return true
		}
	}
	return false
}

func netnsInode(path string) (uint32, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("find the host's network namespace: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("find the host's network namespace: no inode for %s", path)
	}
	return uint32(st.Ino), nil
}
