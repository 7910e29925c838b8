package main

// mutant is one way to break the program, and the quickest test that notices.
type mutant struct {
	name     string
	file     string
	from, to string // from occurs in file once
	pkg, run string // the package of the test, and its name (go test -run)
}

const (
	logicTest = "internal/matrix/logic"
	truthTest = "internal/truth"
	topoTest  = "internal/topology"
)

var mutants = []mutant{
	// The kernel side's logic, on made-up packets.
	{
		"another packet at the address goes on with the journey", "bpf/record.h",
		"if (!same_packet(&slot->j.sig, &p->sig, last_point(slot) == HS_P_GRO)) {", "if (false) {",
		logicTest, "TestLogic/mismatch",
	},
	{
		"the signature does not hold TCP's acknowledgement", "bpf/packet.h",
		"(__u64)p->tcp.seq << 32 | p->tcp.ack;", "(__u64)p->tcp.seq << 32;",
		logicTest, "TestLogic/signature",
	},
	{
		"what is lost by eviction is not counted", "bpf/record.h",
		"count(HS_C_EVICTED);", "(void)why;",
		logicTest, "TestLogic/eviction",
	},
	{
		"sampling takes twice its share", "bpf/birth.h",
		"bpf_get_prandom_u32() % rate)", "bpf_get_prandom_u32() % (rate / 2))",
		logicTest, "TestLogic/sampling",
	},
	{
		"the weight does not tell what the full ring left out", "bpf/record.h",
		"slot->j.weight *= thin;", "",
		logicTest, "TestLogic/ring_full",
	},
	{
		"the sign of a stop's delta", "bpf/slot.h",
		"__u64 delta = to - from;", "__u64 delta = from - to;",
		logicTest, "TestLogic/life",
	},
	{
		"a delivered packet has another ending", "bpf/record.h",
		"reached ? HS_E_DELIVERED", "reached ? HS_E_CONSUMED",
		logicTest, "TestLogic/inferred",
	},
	{
		"a live slot is not counted by its packet's address", "bpf/slot.h",
		"__sync_fetch_and_add(live_at(slot->skb), 1);", "",
		logicTest, "TestLogic/life",
	},
	{
		"a slot that is dead stays counted as a live one", "bpf/slot.h",
		"__sync_fetch_and_add(live_at(slot->skb), -1);", "",
		logicTest, "TestLogic/life",
	},
	{
		"a segment takes the stops of a parent that does not hold it", "bpf/parents.h",
		"#define BLOCKS 33", "#define BLOCKS 0",
		logicTest, "TestLogic/split",
	},

	// The kernel side's programs, on real packets.
	{
		"the stop at netif_rx is named as another", "bpf/receive_programs.h",
		"HS_R_NETIF_RX, HS_P_NETIF_RX, true);", "HS_R_NETIF_RX, HS_P_RECEIVE, true);",
		truthTest, "TestTopologies/docker0/no_bridge_netfilter",
	},
	{
		"a stop names another network namespace", "bpf/device.h",
		"at->netns = dev->nd_net.net->ns.inum;", "at->netns = hs_host_netns;",
		truthTest, "TestTopologies/docker0/no_bridge_netfilter",
	},
	{
		"a forwarded packet is born again at each device", "bpf/send_programs.h",
		"born = born_at_queue(skb, &at);", "born = born_at_queue(skb, &at) || true;",
		truthTest, "TestNothingStaysInFlight",
	},
	{
		"a dropped packet counts as consumed", "bpf/end_programs.h",
		"complete(slot, HS_E_DROPPED);", "complete(slot, HS_E_CONSUMED);",
		truthTest, "TestInjectedLoss/rule_in_FORWARD",
	},
	{
		"the filter lets all containers' packets pass", "bpf/birth.h",
		"return !*selected && to == HS_A_OTHER;", "return false;",
		truthTest, "TestContainerFilterInTheKernel",
	},
	{
		"a packet of many segments that is sent again counts as one", "bpf/retransmits.h",
		"noted(skb)->tcp_gso_segs", "1",
		truthTest, "TestRetransmitsAreTheKernels",
	},
	{
		"a timeout's retransmission counts as a fast one", "bpf/retransmits.h",
		"return HS_X_RTO;", "return HS_X_FAST;",
		truthTest, "TestKindsOfRetransmission/rto",
	},
	{
		"a tail loss probe counts as a timeout's", "bpf/retransmits.h",
		"? HS_X_TLP : HS_X_OTHER;", "? HS_X_RTO : HS_X_OTHER;",
		truthTest, "TestKindsOfRetransmission/tlp",
	},
	{
		"a SYN-ACK that is sent again counts as a SYN", "bpf/retransmits.h",
		"HS_X_SYNACK, 1);", "HS_X_SYN, 1);",
		truthTest, "TestKindsOfRetransmission/synack",
	},
	{
		"what is behind a tunnel's header passes for TCP's", "bpf/packet.h",
		"failed | (carries ^ IPPROTO_TCP) |", "failed |",
		truthTest, "TestSampledExchangesThroughATunnel",
	},
	{
		"sampling leaves SYN and RST out", "bpf/send_programs.h",
		"if (telling(s))", "if (false)",
		truthTest, "TestSamplingLeavesOutNeitherSYNNorRST",
	},
	{
		"a translated address is taken for an end's own", "bpf/drops.h",
		"translated = ends_by_conntrack(&key, skb);", "translated = 0;",
		truthTest, "TestDropsKnowTheirOwner/behind_SNAT",
	},
	{
		"a request whose arrival was missed is passed over", "bpf/exchanges.h",
		"else if (sampled(turn->received, hs_sample))", "else if (false)",
		logicTest, "TestExchangeLogic/missed",
	},
	{
		"a connection whose handshake was missed counts from 0", "bpf/exchanges.h",
		"return c && c->turn.phase != CONN_OPENING;", "return c;",
		"pkg/probe", "TestHandshakeMissed",
	},
	{
		"a socket that is gone keeps its seat", "bpf/seats.h",
		"	bucket(number)->seated = 0;\n", "",
		logicTest, "TestExchangeLogic/watched",
	},
	{
		"a connection that is watched is taken for one at rest", "bpf/seats.h",
		"	c->turn = b->turn;\n	b->seated = 0;\n", "	c->turn = b->turn;\n",
		logicTest, "TestExchangeLogic/watched",
	},
	{
		"a second connection takes another's seat", "bpf/seats.h",
		"BPF_NOEXIST)", "BPF_ANY)",
		logicTest, "TestExchangeLogic/watched",
	},
	{
		"the last byte of an answer is not waited for", "bpf/exchanges.h",
		"	x->answer_end_ns = now;\n", "	if (!x->answer_end_ns)\n		x->answer_end_ns = now;\n",
		truthTest, "TestAnswerInTwoHalves",
	},
	{
		"a connection that never takes turns is not called a stream", "bpf/exchanges.h",
		"if (c->crossings >= STREAM_CROSSINGS)", "if (false)",
		truthTest, "TestSummaryOfWhatIsNoExchange/multiplexed",
	},
	{
		"an answer of a name server is not told", "bpf/dns.h",
		"if (unread || h.flags & bpf_htons(DNS_ANSWER))", "if (unread)",
		truthTest, "TestDNSIsCountedExactly",
	},
	{
		"what is in flight is not counted", "pkg/probe/counts.go",
		"InFlight:   inFlight,", "InFlight:   0 * inFlight,",
		truthTest, "TestInFlightIsWhatTheQueueHolds",
	},
	{
		"names are bound when the session begins", "pkg/pipeline/session.go",
		"return s.pipe.Snapshot(s.inv.View(), meta)", "return s.pipe.Snapshot(s.firstView(), meta)\n}\n\nvar first *inventory.View\n\nfunc (s *Session) firstView() *inventory.View {\n\tif first == nil {\n\t\tfirst = s.inv.View()\n\t}\n\treturn first",
		topoTest, "TestContainersComeAndGo",
	},

	// User space.
	{
		"the sign of the time between two stops", "pkg/journey/decode.go",
		"at += stopDelta(delta, s.Flags)", "at -= stopDelta(delta, s.Flags)",
		"pkg/journey", "TestDecode$",
	},
	{
		"a coarse delta has another unit", "pkg/journey/decode.go",
		"const coarseUnit = 1024 * time.Nanosecond", "const coarseUnit = 1000 * time.Nanosecond",
		"pkg/journey", "TestDecode",
	},
	{
		"a hop has its neighbour's name", "pkg/journey/rules.go",
		"{netifRx, receive, sameDevice, HopBacklog, atTo},", "{netifRx, receive, sameDevice, HopXmit, atTo},",
		"pkg/journey", "TestHopsDelivered",
	},
	{
		"a hop is placed at its other end", "pkg/journey/rules.go",
		"{xmit, netifRx, 0, HopXmit, atFrom},", "{xmit, netifRx, 0, HopXmit, atTo},",
		"pkg/journey", "TestHopsDelivered",
	},
	{
		"weights do not count", "pkg/model/aggregator.go",
		"weight := uint64(max(j.Weight, 1))", "weight := uint64(1)",
		"pkg/model", "TestWeightEqualsRepetition",
	},
	{
		"requests are called responses", "pkg/model/direction.go",
		"\t\treturn fromServer\n", "\t\treturn toServer\n",
		"pkg/model", "TestHandshakeTeachesTheServer",
	},
	{
		"shares are those of packets instead of time", "pkg/model/paths_hops.go",
		"share(s.b.tally.sum, total)", "share(s.b.tally.count, total)",
		"pkg/model", "TestHopsSumToTotal",
	},
	{
		"a kernel without reasons has lost what healthy traffic frees", "pkg/model/meta.go",
		"if n == 0 {", "if false {",
		"pkg/model", "TestDropsWithoutReasons",
	},
	{
		"a segment's arrival is now and then not taken", "bpf/exchanges.h",
		"	if (!tp || !before(tp->rcv_nxt, end))\n", "	if (!tp || !before(tp->rcv_nxt, end) || !(bpf_get_prandom_u32() & 1023))\n",
		truthTest, "TestExchangesAreSampledAlikeAtBothEnds",
	},
	{
		"the tail is the whole", "pkg/model/tail.go",
		"tailQuantile = 0.99", "tailQuantile = 0.0",
		"pkg/model", "TestTailShare",
	},
	{
		"a request's wait for its reader is the application's", "pkg/exchange/part.go",
		"s.to(PartServerRecv, r.RequestRead)", "s.to(PartApp, r.RequestRead)",
		"pkg/exchange", "TestBothEnds",
	},
	{
		"of a sample, any exchange that fits is taken for docker-proxy's own", "pkg/exchange/proxy.go",
		"if r.Weight > 1 || o.proxy.Weight > 1 {", "if false {",
		"pkg/exchange", "TestProxySampled",
	},
	{
		"a client outside is told as if it had been seen", "pkg/exchange/assemble.go",
		"		return ViewServer\n", "		return ViewBoth\n",
		"pkg/exchange", "TestOneEnd",
	},
	{
		"an answer belongs to whichever name server was asked first", "pkg/dns/pairer.go",
		"if e.Value.(*waiting).Resolver == m.Remote {", "if e.Value.(*waiting).Resolver.IsValid() {",
		"pkg/dns", "TestPairer",
	},
	{
		"a capture does not keep weights", "pkg/capture/dictionary.go",
		"binary.AppendUvarint(dst, uint64(j.Weight))", "binary.AppendUvarint(dst, 1)",
		"pkg/capture", "TestEveryField",
	},
	{
		"a damaged block is not noticed", "pkg/capture/block.go",
		"|| checksum(b[:28]) != le.Uint32(b[28:])", "",
		"pkg/capture", "TestEverySingleByte",
	},
	{
		"a redacted capture keeps addresses", "pkg/capture/redact.go",
		"t.Src, t.Dst = x.addrPort(t.Src), x.addrPort(t.Dst)", "t.Src = x.addrPort(t.Src)",
		"pkg/capture", "TestRedactedTellsNothing",
	},
	{
		"who is dead loses its name", "pkg/inventory/tenure.go",
		"\treturn together(all, last)\n", "\treturn nil\n",
		"pkg/inventory", "TestRestartKeepsTheName",
	},
	{
		"who holds a namespace now owns what came before", "pkg/inventory/tenure.go",
		"t.overlap(d.Seen, d.Gone) > all[best].overlap(d.Seen, d.Gone)", "t.to.IsZero()",
		"pkg/inventory", "TestNamespaceUsedAgain",
	},
	{
		"one of two containers with one address is named", "pkg/inventory/endpoint.go",
		"if c.Netns != owners[0].Netns {", "if false && c.Netns != owners[0].Netns {",
		"pkg/inventory", "TestSameAddressInTwoNetworks",
	},
	{
		"names reach the terminal as they are", "pkg/printable/printable.go",
		"\tif isClean(s) {\n", "\tif s != \"\" || isClean(s) {\n",
		"pkg/printable", "TestClean",
	},
	{
		"what chance may do among many tests is called a difference", "pkg/diff/judge.go",
		"holm(c.tests, ps)", "holm(c.tests, ps[:0])",
		"pkg/diff", "TestPValuesAreCorrected",
	},
}
