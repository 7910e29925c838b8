package probe

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/bpf"
)

// States of a slot.
const (
	slotDead    = uint32(bpf.HopscopeSlotStateSLOT_DEAD)
	slotLive    = uint32(bpf.HopscopeSlotStateSLOT_LIVE)
	slotPending = uint32(bpf.HopscopeSlotStateSLOT_PENDING)
	slotUnread  = uint32(bpf.HopscopeSlotStateSLOT_UNREAD)   // not tracked yet
	slotAtFull  = uint32(bpf.HopscopeSlotStateSLOT_LISTENER) // at a listener whose accept queue is full
)

// How long a slot may stay as it is.
const (
	deadFor    = 200 * time.Millisecond // then its memory is given back, if it is needed
	deadInNeed = 20 * time.Millisecond  // and if it is needed soon
	pendingFor = 500 * time.Millisecond // delivered, and tcp_probe will not come
	liveFor    = 30 * time.Second       // longer than any queue holds a packet

	fragmentFor   = time.Second            // waits for its datagram; then it is part of it
	fragmentAtEnd = 200 * time.Millisecond // the same when no packet is followed any more
)

// limits is how long slots may stay that do not always do so equally long.
type limits struct {
	dead, fragment time.Duration
}

// settle is how long a program may still run that has not seen the
// announcement of a sweep: it cannot be preempted, and takes microseconds.
const settle = 2 * time.Millisecond

// sweeper walks the slots: it counts those in flight, gives dead ones back,
// and ends those for which nothing will come any more.
type sweeper struct {
	slots    *ebpf.Map
	announce func(bool) error // tells the kernel side that slots are being removed

	wanted *atomic.Pointer[wanted] // the kernel's filter, which also holds for what is inferred here

	mu    *sync.Mutex
	extra *[counterMax]uint64 // what it counted in the kernel's stead
}

const preRouting = uint8(bpf.HopscopeHsPointHS_P_NF) // before, and one more: after its work

const counterMax = int(bpf.HopscopeHsCounterHS_C_MAX)

func newSweeper(slots *ebpf.Map, announce func(bool) error) sweeper {
	return sweeper{
		slots: slots, announce: announce, wanted: new(atomic.Pointer[wanted]),
		mu: new(sync.Mutex), extra: new([counterMax]uint64),
	}
}

func (s sweeper) counted() [counterMax]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.extra
}

func (s sweeper) add(c bpf.HopscopeHsCounter) {
	s.mu.Lock()
	s.extra[c]++
	s.mu.Unlock()
}

// each calls fn for every slot.
func (s sweeper) each(fn func(key uint64, slot *bpf.HopscopeHsSlot)) error {
	err := walk(s.slots, func(key *uint64, slot *bpf.HopscopeHsSlot) { fn(*key, slot) })
	if err != nil {
		return fmt.Errorf("walk the slots: %w", err)
	}
	return nil
}

// inFlight counts the journeys under way.
func (s sweeper) inFlight() (uint64, error) {
	var n uint64
	err := s.each(func(_ uint64, slot *bpf.HopscopeHsSlot) {
		if slot.State != slotDead && slot.State != slotUnread {
			n++
		}
	})
	return n, err
}

func monotonic() uint64 {
	var ts unix.Timespec
	// It cannot fail for a clock that every kernel has.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}

// sweep ends what is due, fragments after the time given. Records of journeys
// that it completes go to emit. It returns when the next sweep is due.
func (s sweeper) sweep(fragment time.Duration, emit func(raw []byte)) (time.Duration, error) {
	now := monotonic()
	due, used, err := s.due(now, fragment)
	next := sweepEvery
	if used > 0.25 {
		next = sweepInNeed
	}
	if err != nil || len(due) == 0 {
		return next, err
	}
	if err := s.announce(true); err != nil {
		return next, err
	}
	time.Sleep(settle)
	err = s.remove(due, now, limits{patience(used), fragment}, emit)
	return next, errors.Join(err, s.announce(false))
}

// patience is how long a slot is to be dead before it is given back, when so
// large a part of the table is used. Up to half of it none is, since the kernel
// side uses them again.
func patience(used float64) time.Duration {
	if used > 0.75 {
		return deadInNeed
	}
	return deadFor
}

// due is the slots to remove, and the part of the table that is used.
func (s sweeper) due(now uint64, fragment time.Duration) (due []uint64, used float64, err error) {
	type corpse struct {
		key uint64
		age time.Duration
	}
	var dead []corpse
	slots := 0
	err = s.each(func(key uint64, slot *bpf.HopscopeHsSlot) {
		slots++
		switch {
		case slot.State == slotDead && now > slot.LastNs:
			dead = append(dead, corpse{key, time.Duration(now - slot.LastNs)})
		case expired(slot, now, limits{deadFor, fragment}):
			due = append(due, key)
		}
	})
	if used = float64(slots) / float64(s.slots.MaxEntries()); used <= 0.5 {
		return due, used, err
	}
	for _, d := range dead {
		if d.age > patience(used) {
			due = append(due, d.key)
		}
	}
	return due, used, err
}

func (s sweeper) remove(due []uint64, now uint64, lim limits, emit func(raw []byte)) error {
	for _, key := range due {
		var slot bpf.HopscopeHsSlot
		taken, err := s.take(key, now, lim, &slot)
		if err != nil {
			return fmt.Errorf("give a slot back: %w", err)
		}
		if taken {
			s.end(&slot, now, lim, emit)
		}
	}
	return nil
}

// take removes a slot that is still due. Where the kernel side puts a new
// journey in its place in between, it is that one which is removed, and which
// end counts; before 5.14, which cannot look up and delete at once, it is not
// seen.
func (s sweeper) take(key, now uint64, lim limits, slot *bpf.HopscopeHsSlot) (bool, error) {
	err := s.slots.Lookup(key, slot)
	if err == nil && !expired(slot, now, lim) {
		return false, nil
	}
	if err == nil {
		err = s.slots.LookupAndDelete(key, slot)
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		err = s.slots.Delete(key)
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return false, nil
	}
	return err == nil, err
}

// expired: it stayed as it is for too long.
func expired(slot *bpf.HopscopeHsSlot, now uint64, lim limits) bool {
	if now < slot.LastNs || slot.LastNs == 0 { // 0: it is being born
		return false
	}
	age := time.Duration(now - slot.LastNs)
	if slot.State == slotLive && awaitsDatagram(slot) {
		return age > lim.fragment
	}
	switch slot.State {
	case slotDead:
		return age > lim.dead
	case slotUnread:
		return age > deadFor
	case slotPending, slotAtFull:
		return age > pendingFor
	default:
		return age > liveFor
	}
}

// end counts a removed slot. One that came to life between the walk and the
// removal is counted as evicted: its packet can no longer be followed.
func (s sweeper) end(slot *bpf.HopscopeHsSlot, now uint64, lim limits, emit func(raw []byte)) {
	switch slot.State {
	case slotDead:
	case slotUnread:
		s.add(bpf.HopscopeHsCounterHS_C_UNREAD)
	case slotPending, slotAtFull:
		s.infer(slot, bpf.HopscopeHsEndingHS_E_DELIVERED, emit)
	default:
		switch {
		case !expired(slot, now, lim):
			s.add(bpf.HopscopeHsCounterHS_C_EVICTED)
		case awaitsDatagram(slot):
			s.infer(slot, bpf.HopscopeHsEndingHS_E_REASSEMBLED, emit)
		default:
			s.add(bpf.HopscopeHsCounterHS_C_TIMED_OUT)
		}
	}
}

// infer completes a journey whose ending the kernel does not show.
func (s sweeper) infer(slot *bpf.HopscopeHsSlot, ending bpf.HopscopeHsEnding, emit func(raw []byte)) {
	slot.J.Ending = uint8(ending)
	slot.J.Flags |= uint8(bpf.HopscopeHsJourneyFlagHS_J_INFERRED)
	s.add(endingCounter(ending))
	if !s.wanted.Load().has(slot) {
		s.add(bpf.HopscopeHsCounterHS_C_FILTERED)
		return
	}
	s.add(bpf.HopscopeHsCounterHS_C_EMITTED)
	emit(rawRecord(slot))
}

// awaitsDatagram reports a fragment that was received, and is now in the queue
// of its datagram (ip_defrag) or part of it: the inner ones are freed without a
// trace (inet_frag_reasm_finish). One in a qdisc is a packet like any other.
func awaitsDatagram(slot *bpf.HopscopeHsSlot) bool {
	if slot.J.Flags&uint8(bpf.HopscopeHsJourneyFlagHS_J_FRAGMENT) == 0 {
		return false
	}
	n := int(slot.J.Stops)
	if n == 0 || n > len(slot.Stops) {
		return false
	}
	switch slot.Stops[n-1].Point {
	case uint8(bpf.HopscopeHsPointHS_P_RECEIVE), preRouting, preRouting + 1:
		return true
	}
	return false
}

// rawRecord is the slot's journey as the kernel would have put it on the ring.
func rawRecord(slot *bpf.HopscopeHsSlot) []byte {
	head := unsafe.Slice((*byte)(unsafe.Pointer(&slot.J)), unsafe.Sizeof(slot.J))
	n := min(int(slot.J.Stops), len(slot.Stops))
	stops := unsafe.Slice((*byte)(unsafe.Pointer(&slot.Stops[0])), n*int(unsafe.Sizeof(slot.Stops[0])))
	return append(append([]byte(nil), head...), stops...)
}
