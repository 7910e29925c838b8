package probe

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/hopscope/hopscope/bpf"
)

// Phases of a connection.
const (
	phaseRequest = uint32(bpf.HopscopeConnPhaseCONN_REQUEST)
	phaseAnswer  = uint32(bpf.HopscopeConnPhaseCONN_ANSWER)
)

const (
	walkEvery = time.Second
	// idleFor is how long an answer may pause before it is over (hs_idle_ns).
	idleFor = 3 * time.Second
	// atRest is how long one must have paused at the end of the trace.
	atRest = 100 * time.Millisecond
	// keepWalks is how many walks an exchange that was handed out is remembered
	// without being seen again: its record is on the ring by then, or was lost.
	keepWalks = 3
)

// connections hands out exchanges: those on the ring, which the kernel side
// emits when the next one begins, and the last one of a connection at rest.
type connections struct {
	conns *ebpf.Map
	given map[exchangeID]given // by a walk; the kernel side will emit them, too
	walks int

	reopened *atomic.Uint64 // answers that went on after they were handed out
	open     *atomic.Uint64 // exchanges that the end of the trace cut short
}

// exchangeID is what two records of one exchange have in common.
type exchangeID struct {
	cookie                uint64
	requestSeq, answerSeq uint32
}

type given struct {
	answerEnd uint64
	walk      int // the latest that saw it
}

func newConnections(conns *ebpf.Map) connections {
	return connections{
		conns: conns, given: make(map[exchangeID]given),
		reopened: new(atomic.Uint64), open: new(atomic.Uint64),
	}
}

func idOf(x *bpf.HopscopeHsExchange) exchangeID {
	return exchangeID{x.Sock.Cookie, x.RequestSeq, x.AnswerSeq}
}

// take passes a record of the ring on, unless a walk has handed it out already.
func (c *connections) take(raw []byte, emit func(raw []byte)) {
	var x bpf.HopscopeHsExchange
	if len(raw) >= int(unsafe.Sizeof(x)) && raw[0] == uint8(bpf.HopscopeHsEventKindHS_EV_EXCHANGE) && len(c.given) > 0 {
		copy(rawExchange(&x), raw)
		id := idOf(&x)
		if before, ok := c.given[id]; ok {
			delete(c.given, id)
			if x.AnswerEndNs > before.answerEnd {
				c.reopened.Add(1)
			}
			return
		}
	}
	emit(raw)
}

// walk hands out the exchanges that were answered and have been at rest for idle.
func (c *connections) walk(idle time.Duration, emit func(raw []byte)) error {
	c.walks++
	now, open := monotonic(), uint64(0)
	var resting []bpf.HopscopeHsConn
	err := walk(c.conns, func(_ *uint64, conn *bpf.HopscopeHsConn) {
		if conn.X.Weight == 0 || conn.Turn.Phase < phaseRequest {
			return
		}
		if conn.Turn.Phase != phaseAnswer || now < conn.LastNs+uint64(idle) {
			open++
			return
		}
		id := idOf(&conn.X)
		if g, ok := c.given[id]; ok {
			g.walk = c.walks
			c.given[id] = g
			return
		}
		resting = append(resting, *conn)
	})
	if err != nil {
		return fmt.Errorf("walk the connections: %w", err)
	}
	c.open.Store(open)
	for i := range resting {
		if err := c.give(&resting[i], emit); err != nil {
			return err
		}
	}
	c.forget()
	return nil
}

// give hands out what a second look confirms: a first one alone may have been
// taken while the kernel side wrote.
func (c *connections) give(conn *bpf.HopscopeHsConn, emit func(raw []byte)) error {
	var again bpf.HopscopeHsConn
	err := c.conns.Lookup(conn.X.Sock.Cookie, &again)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at a connection: %w", err)
	}
	if again != *conn {
		return nil
	}
	c.given[idOf(&conn.X)] = given{conn.X.AnswerEndNs, c.walks}
	emit(rawExchange(&conn.X))
	return nil
}

func (c *connections) forget() {
	for id, g := range c.given {
		if c.walks-g.walk >= keepWalks {
			delete(c.given, id)
		}
	}
}

// rawExchange is the record as the kernel puts it on the ring.
func rawExchange(x *bpf.HopscopeHsExchange) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(x)), unsafe.Sizeof(*x))
}
