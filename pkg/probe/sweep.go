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

// States of a slot (bpf/state.h).
const (
	slotDead    = 0
	slotLive    = 1
	slotPending = 2
	slotUnread  = 3 // not tracked yet
)

// How long a slot may stay as it is.
const (
	deadFor    = 200 * time.Millisecond // then its memory is given back, if it is needed
	pendingFor = 500 * time.Millisecond // delivered, and tcp_probe will not come
	liveFor    = 30 * time.Second       // longer than any queue holds a packet

	fragmentFor = time.Second // then it is part of its datagram
)

// sweeper walks the slots: it counts those in flight, gives dead ones back,
// and ends those for which nothing will come any more.
type sweeper struct {
	slots *ebpf.Map

	wanted *atomic.Pointer[wanted] // the kernel's filter, which also holds for what is inferred here

	mu    *sync.Mutex
	extra *[counterMax]uint64 // what it counted in the kernel's stead
}

const counterMax = int(bpf.HopscopeHsCounterHS_C_MAX)

func newSweeper(slots *ebpf.Map) sweeper {
	return sweeper{
		slots: slots, wanted: new(atomic.Pointer[wanted]),
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
		if slot.State == slotLive || slot.State == slotPending {
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

// sweep ends what is due. Records of journeys that it completes go to emit.
// Dead slots are given back only when slots fill half of the table: the kernel
// side reuses them in place, and must not lose one that it is about to reuse.
func (s sweeper) sweep(emit func(raw []byte)) error {
	now := monotonic()
	var due, dead []uint64
	slots := 0
	err := s.each(func(key uint64, slot *bpf.HopscopeHsSlot) {
		slots++
		switch {
		case !expired(slot, now):
		case slot.State == slotDead:
			dead = append(dead, key)
		default:
			due = append(due, key)
		}
	})
	if err != nil {
		return err
	}
	if slots > int(s.slots.MaxEntries())/2 {
		due = append(due, dead...)
	}
	for _, key := range due {
		var slot bpf.HopscopeHsSlot
		if err := s.take(key, &slot); err != nil {
			if errors.Is(err, ebpf.ErrKeyNotExist) {
				continue
			}
			return fmt.Errorf("give a slot back: %w", err)
		}
		s.end(&slot, now, emit)
	}
	return nil
}

// take removes a slot. Before 5.14 that takes two steps, between which the
// kernel side may bring a dead slot back to life: that journey is then lost
// unseen, some microseconds in each of its seconds.
func (s sweeper) take(key uint64, slot *bpf.HopscopeHsSlot) error {
	err := s.slots.LookupAndDelete(key, slot)
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return err
	}
	if err := s.slots.Lookup(key, slot); err != nil {
		return err
	}
	return s.slots.Delete(key)
}

func expired(slot *bpf.HopscopeHsSlot, now uint64) bool {
	if now < slot.LastNs {
		return false
	}
	age := time.Duration(now - slot.LastNs)
	if slot.State == slotLive && isFragment(slot) {
		return age > fragmentFor
	}
	switch slot.State {
	case slotDead, slotUnread:
		return age > deadFor
	case slotPending:
		return age > pendingFor
	default:
		return age > liveFor
	}
}

// end counts a removed slot. One that came to life between the walk and the
// removal is counted as evicted: its packet can no longer be followed.
func (s sweeper) end(slot *bpf.HopscopeHsSlot, now uint64, emit func(raw []byte)) {
	switch slot.State {
	case slotDead:
	case slotUnread:
		s.add(bpf.HopscopeHsCounterHS_C_UNREAD)
	case slotPending:
		s.infer(slot, bpf.HopscopeHsEndingHS_E_DELIVERED, emit)
	default:
		switch {
		case !expired(slot, now):
			s.add(bpf.HopscopeHsCounterHS_C_EVICTED)
		case isFragment(slot):
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

// isFragment reports a fragment that waits for its datagram, or is part of it
// by now: the inner ones are freed without a trace (inet_frag_reasm_finish).
func isFragment(slot *bpf.HopscopeHsSlot) bool {
	return slot.J.Flags&uint8(bpf.HopscopeHsJourneyFlagHS_J_FRAGMENT) != 0
}

// rawRecord is the slot's journey as the kernel would have put it on the ring.
func rawRecord(slot *bpf.HopscopeHsSlot) []byte {
	head := unsafe.Slice((*byte)(unsafe.Pointer(&slot.J)), unsafe.Sizeof(slot.J))
	n := min(int(slot.J.Stops), len(slot.Stops))
	stops := unsafe.Slice((*byte)(unsafe.Pointer(&slot.Stops[0])), n*int(unsafe.Sizeof(slot.Stops[0])))
	return append(append([]byte(nil), head...), stops...)
}
