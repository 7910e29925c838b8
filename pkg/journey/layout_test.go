package journey_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/pkg/journey"
)

// The decoder's offsets are those of the types that bpf2go makes of abi.h.
func TestLayoutMatchesGenerated(t *testing.T) {
	layout := journey.Layout()
	seen := map[string]bool{}
	check := func(name string, offset, size uintptr) {
		seen[name] = true
		want := journey.Extent{Offset: int(offset), Size: int(size)}
		if got, ok := layout[name]; !ok || got != want {
			t.Errorf("%s is at %+v, abi.h has %+v", name, got, want)
		}
	}
	head := reflect.TypeFor[bpf.HopscopeHsJourney]()
	first, _ := head.FieldByName("First")
	sig, _ := head.FieldByName("Sig")
	slot, _ := reflect.TypeFor[bpf.HopscopeHsSlot]().FieldByName("Stops")
	for name, typ := range map[string]reflect.Type{
		"hs_journey": head,
		"hs_stop":    slot.Type.Elem(),
		"hs_tuple":   first.Type,
		"hs_sig":     sig.Type,
	} {
		check(name, 0, typ.Size())
		for i := range typ.NumField() {
			if f := typ.Field(i); f.Name != "_" {
				check(name+"."+snake(f.Name), f.Offset, f.Type.Size())
			}
		}
	}
	for name := range layout {
		if !seen[name] {
			t.Errorf("%s is not in abi.h", name)
		}
	}
	if n := slot.Type.Len(); n != journey.MaxStops {
		t.Errorf("MaxStops is %d, HS_MAX_STOPS %d", journey.MaxStops, n)
	}
}

// snake turns bpf2go's StartNs back into start_ns.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// enumValues reads an enum of abi.h out of the BTF of the compiled programs.
func enumValues(t *testing.T, name string) map[string]uint64 {
	t.Helper()
	spec, err := bpf.LoadHopscope()
	if err != nil {
		t.Fatal(err)
	}
	var enum *btf.Enum
	if err := spec.Types.TypeByName(name, &enum); err != nil {
		t.Fatal(err)
	}
	values := map[string]uint64{}
	for _, v := range enum.Values {
		values[v.Name] = v.Value
	}
	return values
}

func TestEnumsMatchABI(t *testing.T) {
	for enum, want := range map[string]map[string]uint64{
		"hs_point": {
			"HS_P_NONE":      0,
			"HS_P_QUEUE":     uint64(journey.PointQueue),
			"HS_P_XMIT":      uint64(journey.PointXmit),
			"HS_P_NETIF_RX":  uint64(journey.PointNetifRx),
			"HS_P_RECEIVE":   uint64(journey.PointReceive),
			"HS_P_GRO":       uint64(journey.PointGRO),
			"HS_P_DELIVER":   uint64(journey.PointDeliver),
			"HS_P_TCP_PROBE": uint64(journey.PointTCPProbe),
			"HS_P_FREE":      uint64(journey.PointFree),
			"HS_P_CONSUME":   uint64(journey.PointConsume),
			"HS_P_MERGED":    uint64(journey.PointMerged),
			"HS_P_NF":        uint64(journey.PointNF),
		},
		"hs_stop_flag": {
			"HS_S_BRIDGE":   uint64(journey.StopBridge),
			"HS_S_PORT":     uint64(journey.StopPort),
			"HS_S_PHYS":     uint64(journey.StopPhys),
			"HS_S_VETH":     uint64(journey.StopVeth),
			"HS_S_ENCAP":    uint64(journey.StopEncap),
			"HS_S_COARSE":   uint64(journey.StopCoarse),
			"HS_S_BACKWARD": uint64(journey.StopBackward),
			"HS_S_TUNNEL":   uint64(journey.StopTunnel),
		},
		"hs_ending": {
			"HS_E_NONE":        uint64(journey.EndingNone),
			"HS_E_DELIVERED":   uint64(journey.EndingDelivered),
			"HS_E_DROPPED":     uint64(journey.EndingDropped),
			"HS_E_LEFT":        uint64(journey.EndingLeft),
			"HS_E_SEGMENTED":   uint64(journey.EndingSegmented),
			"HS_E_GRO_MERGED":  uint64(journey.EndingMerged),
			"HS_E_REBUILT":     uint64(journey.EndingRebuilt),
			"HS_E_CONSUMED":    uint64(journey.EndingConsumed),
			"HS_E_REASSEMBLED": uint64(journey.EndingReassembled),
			"HS_E_MAX":         uint64(journey.EndingReassembled) + 1,
		},
		"hs_journey_flag": {
			"HS_J_INHERITED": uint64(journey.FlagInherited),
			"HS_J_TRUNCATED": uint64(journey.FlagTruncated),
			"HS_J_RECEIVED":  uint64(journey.FlagReceived),
			"HS_J_PRIORITY":  uint64(journey.FlagPriority),
			"HS_J_INFERRED":  uint64(journey.FlagInferred),
			"HS_J_FRAGMENT":  uint64(journey.FlagFragment),
			"HS_J_OUTER":     uint64(journey.FlagOuter),
		},
	} {
		if got := enumValues(t, enum); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\nabi.h %v\n   Go %v", enum, got, want)
		}
	}
}
