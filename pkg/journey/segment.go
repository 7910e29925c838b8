package journey

// facts are what a rule may ask of a segment beyond its two trace points.
type facts uint32

const (
	sameNetns    facts = 1 << iota // both stops in one network namespace
	otherNetns                     // in two
	sameDevice                     // one device
	inBridge                       // taken up at a port and not yet passed to the bridge's own device
	fromBridge                     // the first stop names a bridge
	toBridge                       // the second does
	toPort                         // the second is at a port of a bridge
	fromNIC                        // the first is at a NIC
	fromVeth                       // the first is at one end of a veth pair
	fromTunnel                     // the first is a tunnel's device
	encapsulated                   // the packet got a tunnel header in between
	decapsulated                   // it lost one
	prerouted                      // PREROUTING ran inside the bridge that passed the packet up
	onward                         // the stops follow each other in the order of forwarding
	isTCP
	hasLeft    // the journey ended by leaving the host
	wasRebuilt // the journey ended by being copied into a new skb
)

// segment is the time between two consecutive stops, with its surroundings.
type segment struct {
	from, to *Stop
	entry    *Stop // where the stack took the packet up; nil when it did not
	facts    facts
}

// newSegment looks at the time from a stop of j, by index, to the next one;
// entry is the RECEIVE stop at or before it, when nothing sent the packet since.
func newSegment(j *Journey, entry *Stop, at int, to *Stop) segment {
	from := &j.Stops[at]
	f := placeFacts(from, to) | flagFacts(from, to)
	if from.Point == PointReceive && at > 0 && j.Stops[at-1].Point == PointPreOut {
		f |= prerouted
	}
	if entry != nil && entry.Flags&StopPort != 0 && entry.Netns == from.Netns {
		f |= inBridge | hookFacts(entry, from, to)
	}
	if to.Point == PointQueue || from.Point == PointReceive || to.Point > from.Point {
		f |= onward
	}
	if j.Proto == ProtoTCP {
		f |= isTCP
	}
	switch j.Ending {
	case EndingLeft:
		f |= hasLeft
	case EndingRebuilt:
		f |= wasRebuilt
	}
	return segment{from: from, to: to, entry: entry, facts: f}
}

// placeFacts compares the places of two stops. An ending counts as being where
// the stop before it was, for the device of an skb is often unset or stale by
// then.
func placeFacts(from, to *Stop) facts {
	if to.Netns != 0 && to.Netns != from.Netns && ending>>to.Point&1 == 0 {
		return otherNetns
	}
	if to.Ifindex == from.Ifindex {
		return sameNetns | sameDevice
	}
	return sameNetns
}

// factsByFlag is what a flag says of a segment whose first or last stop has it.
var factsByFlag = [...]struct {
	flag     StopFlags
	from, to facts
}{
	{StopBridge, fromBridge, toBridge},
	{StopPort, 0, toPort},
	{StopPhys, fromNIC, 0},
	{StopVeth, fromVeth, 0},
	{StopTunnel, fromTunnel, 0},
}

func flagFacts(from, to *Stop) facts {
	var f facts
	for i := range factsByFlag {
		m := &factsByFlag[i]
		if from.Flags&m.flag != 0 {
			f |= m.from
		}
		if to.Flags&m.flag != 0 {
			f |= m.to
		}
	}
	switch {
	case to.Flags&^from.Flags&StopEncap != 0:
		f |= encapsulated
	case from.Flags&^to.Flags&StopEncap != 0:
		f |= decapsulated
	}
	return f
}

// hookFacts finds the bridge in netfilter stops inside one: there br_netfilter
// presents the bridge as the packet's device (bridge_parent in
// net/bridge/br_netfilter_hooks.c), whose flags such a stop does not carry.
func hookFacts(entry, from, to *Stop) facts {
	var f facts
	if from.inHook() && from.Ifindex != 0 && from.Ifindex != entry.Ifindex {
		f |= fromBridge
	}
	if to.inHook() && to.Ifindex != 0 && to.Ifindex != entry.Ifindex {
		f |= toBridge
	}
	return f
}

func (s *Stop) inHook() bool { return s.Point >= PointNF }

// where says which of a segment's devices its hop is placed at.
type where uint8

const (
	atFrom     where = iota // the device of the first stop
	atTo                    // that of the second
	atHook                  // the namespace of the first: a netfilter hook
	atBridge                // a stop's bridge, or else the port that received
	atReceiver              // the device that received
)

// place never answers with an empty place while one of the stops has one.
func (s segment) place(w where) Place {
	switch {
	case w == atHook:
		return Place{Netns: s.from.Netns}
	case w == atTo && s.to.Ifindex != 0:
		return s.to.place()
	case w == atBridge && s.facts&toBridge != 0:
		return s.to.place()
	case w == atBridge && s.facts&fromBridge != 0:
		return s.from.place()
	case w == atBridge || w == atReceiver || s.from.Ifindex == 0:
		if s.entry != nil && s.entry.Ifindex != 0 {
			return s.entry.place()
		}
	}
	return s.from.place()
}

func (s *Stop) place() Place { return Place{Netns: s.Netns, Ifindex: s.Ifindex} }
