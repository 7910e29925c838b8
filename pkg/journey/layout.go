package journey

// MaxStops is the longest journey that a record holds (HS_MAX_STOPS).
const MaxStops = 32

// Sizes of the C structs, in bytes.
const (
	sizeHead  = 144 // struct hs_journey
	sizeStop  = 16  // struct hs_stop
	sizeTuple = 36  // struct hs_tuple
	sizeSig   = 16  // struct hs_sig
	sizeAddr  = 16
)

// Offsets in struct hs_journey.
const (
	offStart        = 0
	offCgroupSrc    = 8
	offCgroupDst    = 16
	offDropLocation = 24
	offSig          = 32
	offFirst        = 48
	offLast         = 84
	offWeight       = 120
	offBytes        = 124
	offDropReason   = 128
	offSegments     = 132
	offFamily       = 134
	offProto        = 135
	offEnding       = 136
	offFlags        = 137
	offTCPFlags     = 138
	offStops        = 139
	offSRTT         = 140
)

// Offsets in struct hs_stop, hs_tuple and hs_sig.
const (
	offStopDelta   = 0
	offStopIfindex = 4
	offStopNetns   = 8
	offStopPoint   = 12
	offStopFlags   = 13
	offStopCPU     = 14

	offTupleSrc     = 0
	offTupleDst     = 16
	offTupleSrcPort = 32
	offTupleDstPort = 34

	offSigA = 0
	offSigB = 8
)

// Extent is where a field of a C struct lies, in bytes.
type Extent struct{ Offset, Size int }

// Layout is what this package believes of bpf/abi.h: "struct" and
// "struct.field" in C names. Tests compare it with the header and with the
// types that bpf2go generates.
func Layout() map[string]Extent {
	return map[string]Extent{
		"hs_journey":               {0, sizeHead},
		"hs_journey.start_ns":      {offStart, 8},
		"hs_journey.cgroup_src":    {offCgroupSrc, 8},
		"hs_journey.cgroup_dst":    {offCgroupDst, 8},
		"hs_journey.drop_location": {offDropLocation, 8},
		"hs_journey.sig":           {offSig, sizeSig},
		"hs_journey.first":         {offFirst, sizeTuple},
		"hs_journey.last":          {offLast, sizeTuple},
		"hs_journey.weight":        {offWeight, 4},
		"hs_journey.bytes":         {offBytes, 4},
		"hs_journey.drop_reason":   {offDropReason, 4},
		"hs_journey.segments":      {offSegments, 2},
		"hs_journey.family":        {offFamily, 1},
		"hs_journey.proto":         {offProto, 1},
		"hs_journey.ending":        {offEnding, 1},
		"hs_journey.flags":         {offFlags, 1},
		"hs_journey.tcp_flags":     {offTCPFlags, 1},
		"hs_journey.stops":         {offStops, 1},
		"hs_journey.srtt_us":       {offSRTT, 4},

		"hs_stop":         {0, sizeStop},
		"hs_stop.delta":   {offStopDelta, 4},
		"hs_stop.ifindex": {offStopIfindex, 4},
		"hs_stop.netns":   {offStopNetns, 4},
		"hs_stop.point":   {offStopPoint, 1},
		"hs_stop.flags":   {offStopFlags, 1},
		"hs_stop.cpu":     {offStopCPU, 2},

		"hs_tuple":       {0, sizeTuple},
		"hs_tuple.saddr": {offTupleSrc, sizeAddr},
		"hs_tuple.daddr": {offTupleDst, sizeAddr},
		"hs_tuple.sport": {offTupleSrcPort, 2},
		"hs_tuple.dport": {offTupleDstPort, 2},

		"hs_sig":   {0, sizeSig},
		"hs_sig.a": {offSigA, 8},
		"hs_sig.b": {offSigB, 8},
	}
}
