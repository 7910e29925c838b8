package capture

import (
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// maxStep is the longest time between two stops: a record counts it in 32 bits
// of 1,024 ns.
const maxStep = 1 << 42

// journeys reads a block of journeys. Its memory serves one block after the
// other.
type journeys struct {
	n, next int
	unknown int // journeys left out: they have stops or endings of a newer version

	flows  []flow
	fates  []fate
	shapes []shape
	cpus   [][]uint16
	last   []flowState // of each flow

	start, flow, fate, shape, cpu, bytes, srtt planes
	sig                                        [len(sigWords)]planes
	steps                                      planes
	at                                         uint64 // start of the journey before

	sections [firstUnassigned][]byte
	stops    []journey.Stop // memory of shapes
	cpuLists []uint16       // memory of cpus
}

// load takes a payload of n journeys and checks all of it, so that the
// journeys of a block come whole or not at all. The payload must stay as it is
// while they are read.
func (d *journeys) load(payload []byte, n int) error {
	d.n, d.next, d.unknown = 0, 0, 0
	if n > maxJourneys {
		return errPayload
	}
	if err := d.split(payload); err != nil {
		return err
	}
	if err := d.loadDictionaries(n); err != nil {
		return err
	}
	if err := d.loadColumns(n); err != nil {
		return err
	}
	base := cursor{b: d.sections[sectionBase]}
	d.at = base.uvarint()
	d.n = n
	return base.err()
}

// split finds the sections. Those that this version does not know are left out.
func (d *journeys) split(payload []byte) error {
	clear(d.sections[:])
	c := cursor{b: payload}
	for len(c.b) > 0 && !c.failed {
		id := c.uvarint()
		data := c.bytes(c.uvarint())
		if id < firstUnassigned {
			d.sections[id] = data
		}
	}
	return c.err()
}

func (d *journeys) loadDictionaries(n int) error {
	d.flows, d.fates, d.shapes, d.cpus = d.flows[:0], d.fates[:0], d.shapes[:0], d.cpus[:0]
	d.stops, d.cpuLists, d.last = d.stops[:0], d.cpuLists[:0], d.last[:0]
	for _, part := range [...]struct {
		section int
		take    func(*cursor)
	}{
		{sectionFlows, func(c *cursor) {
			d.flows = append(d.flows, parseFlow(c))
			d.last = append(d.last, flowState{})
		}},
		{sectionFates, func(c *cursor) { d.fates = append(d.fates, parseFate(c)) }},
		{sectionShapes, func(c *cursor) {
			var s shape
			s, d.stops = parseShape(c, d.stops)
			d.shapes = append(d.shapes, s)
		}},
		{sectionCPUs, func(c *cursor) {
			var list []uint16
			list, d.cpuLists = parseCPUs(c, d.cpuLists)
			d.cpus = append(d.cpus, list)
		}},
	} {
		c := cursor{b: d.sections[part.section]}
		for entries := 0; len(c.b) > 0 && !c.failed; entries++ {
			if entries == n { // more entries than journeys to use them
				return errPayload
			}
			part.take(&c)
		}
		if c.failed {
			return errPayload
		}
	}
	return nil
}

func (d *journeys) loadColumns(n int) error {
	for _, col := range [...]struct {
		p       *planes
		section int
	}{
		{&d.start, sectionStart}, {&d.flow, sectionFlow}, {&d.fate, sectionFate}, {&d.shape, sectionShape},
		{&d.cpu, sectionCPU}, {&d.bytes, sectionBytes}, {&d.sig[0], sectionSig}, {&d.sig[1], sectionSig + 1},
		{&d.sig[2], sectionSig + 2}, {&d.sig[3], sectionSig + 3}, {&d.sig[4], sectionSig + 4}, {&d.srtt, sectionSRTT},
	} {
		var err error
		if *col.p, err = parsePlanes(d.sections[col.section], n); err != nil {
			return err
		}
	}
	return d.loadSteps(n)
}

// loadSteps checks what points into the dictionaries and finds the steps of
// each shape.
func (d *journeys) loadSteps(n int) error {
	for i := range n {
		shape, cpu := d.shape.at(i), d.cpu.at(i)
		if d.flow.at(i) >= uint64(len(d.flows)) || d.fate.at(i) >= uint64(len(d.fates)) ||
			shape >= uint64(len(d.shapes)) || cpu >= uint64(len(d.cpus)) ||
			len(d.shapes[shape].stops) != len(d.cpus[cpu]) {
			return errPayload
		}
		d.shapes[shape].count++
	}
	total := 0
	for i := range d.shapes {
		s := &d.shapes[i]
		s.steps = total
		total += s.count * (len(s.stops) - 1)
	}
	var err error
	if d.steps, err = parsePlanes(d.sections[sectionSteps], total); err != nil {
		return err
	}
	for i := range total {
		if d.steps.at(i) > maxStep {
			return errPayload
		}
	}
	return nil
}

// read gives the next journey, false after the last. It reuses the memory of
// j.Stops.
func (d *journeys) read(j *journey.Journey) bool {
	for d.next < d.n {
		i := d.next
		d.next++
		if d.fill(i, j) {
			return true
		}
		d.unknown++
	}
	return false
}

// fill is false for a journey that this version does not understand.
func (d *journeys) fill(i int, j *journey.Journey) bool {
	d.at += uint64(unzigzag(d.start.at(i)))
	flow := d.flow.at(i)
	var sig journey.Sig
	for w := range sigWords {
		sigWords[w].add(d.last[flow].sig, d.sig[w].at(i), &sig)
	}
	srtt := d.last[flow].srtt + unzigzag(d.srtt.at(i))
	d.last[flow] = flowState{sig, srtt}
	f, way, end := &d.flows[flow], &d.shapes[d.shape.at(i)], &d.fates[d.fate.at(i)]
	stops := d.fillStops(j.Stops[:0], way, d.cpus[d.cpu.at(i)])
	*j = journey.Journey{
		Start: d.at, CgroupSrc: f.cgroupSrc, CgroupDst: f.cgroupDst,
		DropLocation: end.location, DropReason: end.reason, Sig: sig,
		First: f.first, Last: f.last, Weight: end.weight,
		Bytes: uint32(d.bytes.at(i)) + payloadWord(sig), Segments: end.segments,
		Family: f.family, Proto: f.proto, TCPFlags: end.tcpFlags,
		Ending: end.ending, Flags: end.flags,
		SRTT: time.Duration(uint32(srtt)) * time.Microsecond, Stops: stops,
	}
	return way.known && end.known
}

func (d *journeys) fillStops(dst []journey.Stop, way *shape, cpus []uint16) []journey.Stop {
	dst = append(dst, way.stops...)
	from := way.steps + way.next
	way.next++
	var at time.Duration
	for k := range dst {
		if k > 0 {
			at += time.Duration(d.steps.at(from + (k-1)*way.count))
		}
		dst[k].At, dst[k].CPU = at, cpus[k]
	}
	return dst
}
