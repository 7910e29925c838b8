package probe

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// ReadReasons names the values of enum skb_drop_reason by the running
// kernel's BTF: they are renumbered between versions. Before 5.17 there are
// none, which is an error that wraps btf.ErrNotFound.
func ReadReasons() (map[uint32]string, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("read drop reasons: %w", err)
	}
	var e *btf.Enum
	if err := spec.TypeByName("skb_drop_reason", &e); err != nil {
		return nil, fmt.Errorf("read drop reasons: %w", err)
	}
	names := make(map[uint32]string, len(e.Values))
	for _, v := range e.Values {
		name := strings.TrimPrefix(strings.TrimPrefix(v.Name, "SKB_DROP_REASON_"), "SKB_")
		if _, taken := names[uint32(v.Value)]; !taken {
			names[uint32(v.Value)] = name
		}
	}
	return names, nil
}
