package journey

// rule names the segments that begin at one of from, end at one of to and have
// every one of need.
type rule struct {
	from, to points
	need     facts
	kind     HopKind
	at       where
}

// points is a set of trace points, one bit each.
type points uint32

// The sets that rules speak of.
const (
	queue    = points(1) << PointQueue
	xmit     = points(1) << PointXmit
	netifRx  = points(1) << PointNetifRx
	receive  = points(1) << PointReceive
	gro      = points(1) << PointGRO
	deliver  = points(1) << PointDeliver
	tcpProbe = points(1) << PointTCPProbe
	consume  = points(1) << PointConsume
	ending   = 1<<PointFree | consume | 1<<PointMerged

	preIn      = points(1) << PointPreIn
	preOut     = points(1) << PointPreOut
	inputIn    = points(1) << PointInputIn
	inputOut   = points(1) << PointInputOut
	forwardIn  = points(1) << PointForwardIn
	forwardOut = points(1) << PointForwardOut
	outputIn   = points(1) << PointOutputIn
	outputOut  = points(1) << PointOutputOut
	postIn     = points(1) << PointPostIn
	postOut    = points(1) << PointPostOut

	pre       = preIn | preOut
	input     = inputIn | inputOut
	forward   = forwardIn | forwardOut
	output    = outputIn | outputOut
	post      = postIn | postOut
	hooksDone = preOut | inputOut | forwardOut | outputOut | postOut
	hooks     = pre | input | forward | output | post
	// reception is where a packet comes in from a device, socket where it
	// reaches its end.
	reception = netifRx | gro | receive
	socket    = deliver | tcpProbe
)

// rules, the first that fits names the hop. docs/hops.md says the same in
// words; docs/adding-a-hop.md how to add one.
var rules = [...]rule{
	// A tunnel header appears in a tunnel device's transmission, or in a route
	// that asks for it, and goes before the tunnel device's reception.
	{xmit | receive | hooks, queue | xmit | output | post, encapsulated, HopEncap, atFrom},
	{xmit, queue | xmit | output | post, fromTunnel, HopEncap, atFrom}, // skb->encapsulation cleared again
	{receive | hooks, reception, decapsulated, HopDecap, atTo},

	// Devices: sending.
	{queue | xmit, xmit, sameDevice, HopQdisc, atFrom}, // xmit again: requeued
	{xmit, netifRx, 0, HopXmit, atFrom},
	{xmit, queue | xmit | receive | hooks, fromBridge | sameNetns, HopBridge, atFrom},
	{xmit, gro | receive, 0, HopBacklog, atTo},                      // veth with NAPI: its ring
	{xmit, queue | xmit, otherNetns | fromVeth, HopUnknown, atFrom}, // reception not seen
	{xmit, queue | xmit, otherNetns, HopMacvlan, atFrom},
	{xmit, queue | xmit | output | post, sameNetns, HopXmit, atFrom}, // VLAN, bond: a device over another

	// Devices: receiving.
	{netifRx, receive, sameDevice, HopBacklog, atTo},
	{gro, receive, 0, HopGRO, atFrom},
	{receive, receive, otherNetns, HopMacvlan, atTo},

	// Netfilter hooks.
	{preIn, preOut | ending, sameNetns, HopPrerouting, atHook},
	{inputIn, inputOut | ending, sameNetns, HopInput, atHook},
	{forwardIn, forwardOut | ending, sameNetns, HopForward, atHook},
	{outputIn, outputOut | ending, sameNetns, HopOutput, atHook},
	{postIn, postOut | ending, sameNetns, HopPostrouting, atHook},

	// A bridge forwards, or passes up to its own device. It has no trace point
	// of its own: the stops around it tell.
	{receive | hooks, queue, inBridge | sameNetns | toPort, HopBridge, atBridge},
	{receive | hooks, receive, inBridge | sameNetns | toBridge, HopBridge, atBridge},
	{receive | hooks, hooks, inBridge | sameNetns | onward, HopBridge, atBridge},
	{receive | hooksDone, ending, inBridge | sameNetns, HopBridge, atBridge},

	// The stack between its hooks.
	{receive, preIn, sameNetns, HopStackRX, atFrom},
	{preOut, forwardIn | inputIn, sameNetns, HopRouting, atHook},
	{receive, forwardIn | inputIn, sameNetns | prerouted, HopStackRXRouting, atHook}, // not run again: ip_sabotage_in
	{forwardOut | outputOut, postIn | ending, sameNetns, HopRouting, atHook},
	{postOut, queue, sameNetns, HopStackTX, atTo},
	{postOut, xmit, sameNetns, HopStackTXQdisc, atTo}, // a fragment: made after the hook, unknown to the queue

	// To the socket.
	{deliver, tcpProbe, 0, HopSockLock, atFrom},
	{receive, deliver, otherNetns, HopStackRX, atTo}, // a macvlan: its parent alone receives
	{receive | hooks | deliver, socket, 0, HopStackRX, atReceiver},

	// Taken out of a tunnel where no flag told: only a tunnel's socket or
	// protocol handler receives a packet a second time.
	{receive | inputOut, netifRx | gro, 0, HopDecap, atTo},
	{inputOut, receive, 0, HopDecap, atTo},
	{receive, receive, sameNetns, HopStackRX, atTo},

	// Some of the netfilter stops are missing, or all.
	{receive | pre, input, sameNetns | onward, HopStackRX, atReceiver},
	{output, queue, sameNetns, HopStackTX, atTo},
	{output, post, sameNetns, HopStackTX, atHook},
	{receive | pre | forward | post, pre | forward | post | queue, sameNetns | onward, HopMerged, atHook},

	// Ended: named by what would have come next.
	{queue, ending, 0, HopQdisc, atFrom},
	{xmit, ending, wasRebuilt, HopBacklog, atFrom}, // in the ring of the veth's peer, where XDP copied it
	{xmit, ending, fromBridge, HopBridge, atFrom},
	{xmit, consume, fromNIC, HopDriver, atFrom},
	{xmit, consume, hasLeft, HopDriver, atFrom},
	{xmit, ending, 0, HopXmit, atFrom},
	{netifRx, ending, 0, HopBacklog, atFrom},
	{gro, ending, 0, HopGRO, atFrom},
	{receive, ending, 0, HopStackRX, atFrom},
	{preOut, ending, 0, HopRouting, atHook},
	{inputOut, ending, 0, HopStackRX, atReceiver},
	{postOut, ending, 0, HopStackTX, atFrom},
	{deliver, ending, isTCP, HopSockLock, atFrom},
	{socket, ending, 0, HopStackRX, atFrom},
}

// between lists the rules that speak of a segment from one point to another.
var between = func() (b [32][32][]int) { // as many as a set of points can hold
	for i, r := range rules {
		for from := range b {
			for to := range b[from] {
				if r.from>>from&1 != 0 && r.to>>to&1 != 0 {
					b[from][to] = append(b[from][to], i)
				}
			}
		}
	}
	return b
}()

// rule is the index of the first rule that fits, -1 when none does.
func (s segment) rule() int {
	if int(s.from.Point) >= len(between) || int(s.to.Point) >= len(between) {
		return -1
	}
	for _, i := range between[s.from.Point][s.to.Point] {
		if need := rules[i].need; s.facts&need == need {
			return i
		}
	}
	return -1
}

// hop names and places the segment.
func (s segment) hop() Hop {
	h := s.unnamed()
	if i := s.rule(); i >= 0 {
		h.Kind, h.Place = rules[i].kind, s.place(rules[i].at)
	}
	return h
}

// unnamed is the hop of a segment that no rule knows: HopUnknown at its first
// stop.
func (s segment) unnamed() Hop {
	return Hop{Kind: HopUnknown, Place: s.place(atFrom), Duration: s.to.At - s.from.At}
}
