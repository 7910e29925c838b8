package exchange

// Kinds of events (enum hs_event_kind), in the first byte of each.
const (
	kindExchange = 1
	kindConnect  = 2
	kindAccept   = 3
)

// Sizes of the C structs, in bytes.
const (
	sizeSock     = 64  // struct hs_sock
	sizeExchange = 144 // struct hs_exchange
	sizeConnect  = 88  // struct hs_connect
	sizeAddr     = 16
)

// Offsets in struct hs_sock.
const (
	offCookie = 0
	offCgroup = 8
	offLocal  = 16
	offRemote = 32
	offLport  = 48
	offRport  = 50
	offNetns  = 52
	offTgid   = 56
	offTid    = 60
)

// Offsets in struct hs_exchange.
const (
	offKind         = 0
	offRole         = 1
	offFlags        = 2
	offFamily       = 3
	offWeight       = 4
	offSock         = 8
	offRequest      = 72
	offRequestEnd   = 80
	offRequestRead  = 88
	offAnswer       = 96
	offAnswerEnd    = 104
	offAnswerRead   = 112
	offRequestSeq   = 120
	offAnswerSeq    = 124
	offRequestBytes = 128
	offAnswerBytes  = 132
	offSRTT         = 136
	offPad          = 140
)

// Offsets in struct hs_connect; its sock and weight are where those of
// hs_exchange are.
const (
	offConnectFamily = 1
	offConnectError  = 2
	offConnectStart  = 72
	offConnectEnd    = 80
)

// Extent is where a field of a C struct lies, in bytes.
type Extent struct{ Offset, Size int }

// Layout is what this package believes of bpf/abi.h: "struct" and
// "struct.field" in C names. A test compares it with the types that bpf2go
// generates.
func Layout() map[string]Extent {
	return map[string]Extent{
		"hs_sock":        {0, sizeSock},
		"hs_sock.cookie": {offCookie, 8},
		"hs_sock.cgroup": {offCgroup, 8},
		"hs_sock.local":  {offLocal, sizeAddr},
		"hs_sock.remote": {offRemote, sizeAddr},
		"hs_sock.lport":  {offLport, 2},
		"hs_sock.rport":  {offRport, 2},
		"hs_sock.netns":  {offNetns, 4},
		"hs_sock.tgid":   {offTgid, 4},
		"hs_sock.tid":    {offTid, 4},

		"hs_exchange":                 {0, sizeExchange},
		"hs_exchange.kind":            {offKind, 1},
		"hs_exchange.role":            {offRole, 1},
		"hs_exchange.flags":           {offFlags, 1},
		"hs_exchange.family":          {offFamily, 1},
		"hs_exchange.weight":          {offWeight, 4},
		"hs_exchange.sock":            {offSock, sizeSock},
		"hs_exchange.request_ns":      {offRequest, 8},
		"hs_exchange.request_end_ns":  {offRequestEnd, 8},
		"hs_exchange.request_read_ns": {offRequestRead, 8},
		"hs_exchange.answer_ns":       {offAnswer, 8},
		"hs_exchange.answer_end_ns":   {offAnswerEnd, 8},
		"hs_exchange.answer_read_ns":  {offAnswerRead, 8},
		"hs_exchange.request_seq":     {offRequestSeq, 4},
		"hs_exchange.answer_seq":      {offAnswerSeq, 4},
		"hs_exchange.request_bytes":   {offRequestBytes, 4},
		"hs_exchange.answer_bytes":    {offAnswerBytes, 4},
		"hs_exchange.srtt_us":         {offSRTT, 4},
		"hs_exchange.pad":             {offPad, 4},

		"hs_connect":          {0, sizeConnect},
		"hs_connect.kind":     {offKind, 1},
		"hs_connect.family":   {offConnectFamily, 1},
		"hs_connect.error":    {offConnectError, 2},
		"hs_connect.weight":   {offWeight, 4},
		"hs_connect.sock":     {offSock, sizeSock},
		"hs_connect.start_ns": {offConnectStart, 8},
		"hs_connect.end_ns":   {offConnectEnd, 8},
	}
}
