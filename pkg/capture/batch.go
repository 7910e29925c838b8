package capture

import (
	"encoding/binary"
	"errors"

	"github.com/hopscope/hopscope/pkg/journey"
)

// maxJourneys bounds the journeys of one block.
const maxJourneys = 1 << 16

// Sections of a block of journeys. Numbers are never used again.
const (
	sectionFlows    = 1
	sectionFates    = 2
	sectionShapes   = 3
	sectionCPUs     = 4
	sectionBase     = 5
	sectionStart    = 16
	sectionFlow     = 17
	sectionFate     = 18
	sectionShape    = 19
	sectionCPU      = 20
	sectionBytes    = 21
	sectionSig      = 22 // to 26, a column for each sigWord
	sectionSteps    = 27
	sectionSRTT     = 28
	firstUnassigned = 29
)

// sigWord is a part of a signature that counts on its own from packet to
// packet of a flow: of TCP the sequence number, the acknowledgement, the
// timestamp, the payload's length and the IPv4 id (bpf/packet.h).
type sigWord struct {
	second bool // in Sig.B
	shift  uint
	width  uint // bits
}

var sigWords = [...]sigWord{{false, 32, 32}, {false, 0, 32}, {true, 32, 32}, {true, 16, 16}, {true, 0, 16}}

func (w sigWord) of(s journey.Sig) uint64 {
	v := s.A
	if w.second {
		v = s.B
	}
	return v >> w.shift & (1<<w.width - 1)
}

// delta is the step from one value of the word to the next, modulo its width.
func (w sigWord) delta(from, to journey.Sig) uint64 {
	unused := 64 - w.width
	return zigzag(int64(w.of(to)-w.of(from)) << unused >> unused)
}

// add undoes delta.
func (w sigWord) add(from journey.Sig, delta uint64, to *journey.Sig) {
	v := (w.of(from) + uint64(unzigzag(delta))) & (1<<w.width - 1) << w.shift
	if w.second {
		to.B |= v
	} else {
		to.A |= v
	}
}

// flowState is what the next packet of a flow is told from.
type flowState struct {
	sig  journey.Sig
	srtt int64 // µs
}

// payloadWord is the TCP payload's length in a signature (0 for other
// protocols): with it, the packet's size is mostly a constant.
func payloadWord(s journey.Sig) uint32 { return uint32(s.B >> 16 & 0xffff) }

// batch collects the journeys of one block, in columns.
type batch struct {
	n          int
	from, to   uint64 // least and greatest start
	base, prev uint64 // start of the first journey and of the one before

	flows, fates, shapes, cpus dictionary
	last                       []flowState // of each flow

	start, flow, fate, shape, cpu, bytes, srtt []uint64
	sig                                        [len(sigWords)][]uint64

	steps   []uint64 // ns between the stops of all journeys, one after the other
	lengths []int    // steps of each shape's journeys
	counts  []int    // journeys of each shape

	key, column []byte
	sorted      []uint64
}

func newBatch() *batch {
	return &batch{flows: newDictionary(), fates: newDictionary(), shapes: newDictionary(), cpus: newDictionary()}
}

var errJourney = errors.New("a journey without stops or ending cannot be stored")

// add takes a copy of what j says. As a record of the kernel side, it holds at
// most MaxStops stops and no step backwards in time.
func (b *batch) add(j *journey.Journey) error {
	if len(j.Stops) == 0 || j.Ending == journey.EndingNone {
		return errJourney
	}
	stops, flags := j.Stops, j.Flags
	if len(stops) > journey.MaxStops {
		stops, flags = stops[:journey.MaxStops], flags|journey.FlagTruncated
	}
	if b.n == 0 {
		b.base, b.prev, b.from, b.to = j.Start, j.Start, j.Start, j.Start
	}
	b.n++
	b.from, b.to = min(b.from, j.Start), max(b.to, j.Start)
	b.start = append(b.start, zigzag(int64(j.Start-b.prev)))
	b.prev = j.Start
	b.bytes = append(b.bytes, uint64(j.Bytes-payloadWord(j.Sig)))
	b.addFlow(j)
	b.key = appendFate(b.key[:0], j, flags)
	n, _ := b.fates.number(b.key)
	b.fate = append(b.fate, uint64(n))
	b.key = appendCPUs(b.key[:0], stops)
	n, _ = b.cpus.number(b.key)
	b.cpu = append(b.cpu, uint64(n))
	b.addStops(stops)
	return nil
}

func (b *batch) addFlow(j *journey.Journey) {
	b.key = appendFlow(b.key[:0], j)
	n, isNew := b.flows.number(b.key)
	if isNew {
		b.last = append(b.last, flowState{})
	}
	b.flow = append(b.flow, uint64(n))
	for i, w := range sigWords {
		b.sig[i] = append(b.sig[i], w.delta(b.last[n].sig, j.Sig))
	}
	srtt := j.SRTT.Microseconds()
	b.srtt = append(b.srtt, zigzag(srtt-b.last[n].srtt))
	b.last[n] = flowState{j.Sig, srtt}
}

func (b *batch) addStops(stops []journey.Stop) {
	b.key = appendShape(b.key[:0], stops)
	n, isNew := b.shapes.number(b.key)
	if isNew {
		b.counts = append(b.counts, 0)
		b.lengths = append(b.lengths, len(stops)-1)
	}
	b.counts[n]++
	b.shape = append(b.shape, uint64(n))
	for i := 1; i < len(stops); i++ {
		b.steps = append(b.steps, uint64(max(stops[i].At-stops[i-1].At, 0)))
	}
}

// appendTo writes the payload of the block.
func (b *batch) appendTo(dst []byte) []byte {
	dst = b.flows.section(dst, sectionFlows)
	dst = b.fates.section(dst, sectionFates)
	dst = b.shapes.section(dst, sectionShapes)
	dst = b.cpus.section(dst, sectionCPUs)
	dst = appendSection(dst, sectionBase, binary.AppendUvarint(nil, b.base))
	for i, column := range [...][]uint64{b.start, b.flow, b.fate, b.shape, b.cpu, b.bytes} {
		dst = b.appendColumn(dst, sectionStart+uint64(i), column)
	}
	for i := range b.sig {
		dst = b.appendColumn(dst, sectionSig+uint64(i), b.sig[i])
	}
	dst = b.appendColumn(dst, sectionSRTT, b.srtt)
	return b.appendColumn(dst, sectionSteps, b.sortSteps())
}

func (b *batch) appendColumn(dst []byte, id uint64, column []uint64) []byte {
	b.column = appendPlanes(b.column[:0], column)
	return appendSection(dst, id, b.column)
}

// sortSteps puts together what is alike: the first steps of all journeys of
// the first shape, then their second steps, and so on.
func (b *batch) sortSteps() []uint64 {
	if cap(b.sorted) < len(b.steps) {
		b.sorted = make([]uint64, cap(b.steps))
	}
	out := b.sorted[:len(b.steps)]
	next := make([]int, len(b.counts)) // where the next journey's first step goes
	at := 0
	for s, n := range b.counts {
		next[s] = at
		at += n * b.lengths[s]
	}
	from := 0
	for _, s := range b.shape {
		for i := range b.lengths[s] {
			out[next[s]+i*b.counts[s]] = b.steps[from+i]
		}
		next[s]++
		from += b.lengths[s]
	}
	return out
}

func (b *batch) reset() {
	b.n = 0
	for _, d := range [...]*dictionary{&b.flows, &b.fates, &b.shapes, &b.cpus} {
		d.reset()
	}
	for _, c := range [...]*[]uint64{&b.start, &b.flow, &b.fate, &b.shape, &b.cpu, &b.bytes, &b.srtt, &b.steps} {
		*c = (*c)[:0]
	}
	for i := range b.sig {
		b.sig[i] = b.sig[i][:0]
	}
	b.last, b.counts, b.lengths = b.last[:0], b.counts[:0], b.lengths[:0]
}
