package model

import (
	"net/netip"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// ConnectCount is the outcome of one connect(2), or of several alike.
type ConnectCount struct {
	At            uint64 // when it ended, CLOCK_MONOTONIC, ns
	Netns         uint32
	Cgroup        uint64
	Local, Remote netip.Addr
	Port          uint16 // of the service
	Ns            uint64 // how long it took
	Error         uint16 // errno, 0: it succeeded
	Count         uint64
	Process       uint32 // that connected, 0 when unknown
}

// AcceptCount is a connection that accept(2) fetched, or several alike.
type AcceptCount struct {
	At            uint64 // when it was fetched, CLOCK_MONOTONIC, ns
	Netns         uint32
	Cgroup        uint64
	Local, Remote netip.Addr
	Port          uint16 // of the service
	Ns            uint64 // how long it stood in the listener's queue
	Count         uint64
}

// ResetCount is a number of TCP resets of the sockets of one owner with one
// peer and service.
type ResetCount struct {
	Netns          uint32
	Cgroup         uint64
	Local, Remote  netip.Addr
	Port           uint16 // the lower of both ports
	Server         bool   // that port is the local one
	Sent, Received uint64
}

// Connects counts connect(2) by outcome.
type Connects struct {
	OK          uint64 `json:"ok"`
	Refused     uint64 `json:"refused"`     // a reset answered
	Timeout     uint64 `json:"timeout"`     // nobody answered
	Unreachable uint64 `json:"unreachable"` // no way there, or none allowed
	Other       uint64 `json:"other"`       // given up by the process itself, or another error
}

// Total is the sum of all outcomes.
func (c *Connects) Total() uint64 { return c.OK + c.Failed() }

// Failed is the sum of those that did not succeed.
func (c *Connects) Failed() uint64 { return c.Refused + c.Timeout + c.Unreachable + c.Other }

func (c *Connects) add(o Connects) {
	c.OK += o.OK
	c.Refused += o.Refused
	c.Timeout += o.Timeout
	c.Unreachable += o.Unreachable
	c.Other += o.Other
}

// Numbers of errors on the traced kernel (include/uapi/asm-generic/errno.h),
// which need not be those of the machine that reads a capture.
const (
	ePerm        = 1
	eAcces       = 13
	eNetUnreach  = 101
	eTimedOut    = 110
	eConnRefused = 111
	eHostDown    = 112
	eHostUnreach = 113
)

// outcome is what connect(2) tells by an errno.
func (c *Connects) outcome(errno uint16) *uint64 {
	switch errno {
	case 0:
		return &c.OK
	case eConnRefused:
		return &c.Refused
	case eTimedOut:
		return &c.Timeout
	case eHostUnreach, eNetUnreach, eHostDown, eAcces, ePerm:
		return &c.Unreachable
	}
	return &c.Other
}

// Resets counts TCP resets.
type Resets struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
}

func (r *Resets) add(o Resets) {
	r.Sent += o.Sent
	r.Received += o.Received
}

// AddConnect counts the outcome of connections.
func (a *Aggregator) AddConnect(c ConnectCount) {
	a.sockets = true
	a.connected(c)
	s := a.tcpSide(tcpKey{
		owner: inventory.RawEndpoint{Netns: c.Netns, Cgroup: c.Cgroup, Addr: c.Local}, peer: c.Remote, port: c.Port,
	})
	if s == nil {
		a.notes.otherTCP += c.Count
		return
	}
	*s.connects.outcome(c.Error) += c.Count
	if c.Error == 0 {
		a.times(&s.times[timeConnect]).add(int64(c.Ns), c.Count)
	}
}

// AddAccept counts a connection that was accepted.
func (a *Aggregator) AddAccept(c AcceptCount) {
	a.sockets = true
	s := a.tcpSide(tcpKey{
		owner: inventory.RawEndpoint{Netns: c.Netns, Cgroup: c.Cgroup, Addr: c.Local},
		peer:  c.Remote, port: c.Port, server: true,
	})
	if s == nil {
		a.notes.otherTCP += c.Count
		return
	}
	a.times(&s.times[timeAccept]).add(int64(c.Ns), c.Count)
}

// AddResets counts resets.
func (a *Aggregator) AddResets(r ResetCount) {
	a.sockets = true
	s := a.tcpSide(tcpKey{
		owner: inventory.RawEndpoint{Netns: r.Netns, Cgroup: r.Cgroup, Addr: r.Local},
		peer:  r.Remote, port: r.Port, server: r.Server,
	})
	if s == nil {
		a.notes.otherTCP += r.Sent + r.Received
		return
	}
	s.resets.add(Resets{r.Sent, r.Received})
}
