package pipeline

import (
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// sockets is what a pipeline does with socket events. Pipeline.mu guards it.
type sockets struct {
	joiner *exchange.Joiner
	wanted Wanted
	left   SocketsLeftOut
}

// Wanted chooses among socket events beyond Match. A nil function wants
// everything.
type Wanted struct {
	End     func(netns uint32, cgroup uint64, addr netip.Addr) bool // of a selected container
	Network func(netip.Addr) bool                                   // an address in a wanted network
	Port    func(port uint16, addrs ...netip.Addr) bool             // published as a wanted port by who has an address; nil: nothing is
	Asks    func(netns uint32, local, resolver netip.Addr) bool     // who asks a name server, of a wanted network
	IsProxy func(tgid uint32) bool                                  // docker-proxy's process; nil: there is none
	ByID    bool                                                    // the kernel's process ids are those of /proc
}

// SocketsLeftOut counts the events that did not become part of the sums.
type SocketsLeftOut struct {
	Undecodable uint64 // a loss
	Unmatched   uint64 // as asked for
}

func newSockets(w Wanted) sockets {
	return sockets{joiner: exchange.NewJoiner(exchange.Limits{}, w.IsProxy), wanted: w}
}

// Want chooses among the socket events that come from now on.
func (p *Pipeline) Want(w Wanted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets = newSockets(w)
}

// Event takes one raw socket event of the kernel side, at the time now
// (CLOCK_MONOTONIC, ns).
func (p *Pipeline) Event(raw []byte, now uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, err := exchange.Decode(raw)
	switch {
	case err != nil:
		p.sockets.left.Undecodable++
	case e.Exchange != nil:
		p.sockets.joiner.Add(e.Exchange, now, p.exchange)
	case e.Connect != nil:
		p.connect(e.Connect)
	case e.Accept != nil:
		p.accept(e.Accept)
	}
}

// Advance counts the exchanges whose other end did not come until now.
func (p *Pipeline) Advance(now uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets.joiner.Advance(now, p.exchange)
}

// EndEvents counts what still waits.
func (p *Pipeline) EndEvents() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets.joiner.Flush(p.exchange)
}

// Resets takes a number of TCP resets.
func (p *Pipeline) Resets(r model.ResetCount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.socket(model.SocketEvent{Resets: &r})
}

func (p *Pipeline) exchange(x *exchange.Exchange) {
	w := &p.sockets.wanted
	end := func(e exchange.Party) bool { return w.End == nil || w.End(e.Netns, e.Cgroup, e.Addr) }
	if !p.wantsService(x.Port, x.Asked.Port(), x.Client.Addr, x.Server.Addr) || !end(x.Client) && !end(x.Server) || !w.inNetwork(x.Client.Addr, x.Server.Addr) {
		p.sockets.left.Unmatched += uint64(x.Weight)
		return
	}
	p.socket(model.SocketEvent{Exchange: x})
}

func (p *Pipeline) connect(c *exchange.Connect) {
	s := &c.Sock
	local, remote := s.Local.Addr(), s.Remote.Addr()
	if !p.wantsSocket(s, s.Remote.Port()) {
		p.sockets.left.Unmatched += uint64(c.Weight)
		return
	}
	count := model.ConnectCount{
		At: c.End, Netns: s.Netns, Cgroup: s.Cgroup, Local: local, Remote: remote, Port: s.Remote.Port(),
		Ns: c.End - c.Start, Error: c.Error, Count: uint64(c.Weight),
	}
	if p.sockets.wanted.ByID {
		count.Process = s.Tgid
	}
	p.socket(model.SocketEvent{Connect: &count})
}

func (p *Pipeline) accept(c *exchange.Connect) {
	s := &c.Sock
	port := s.Local.Port()
	if !p.wantsSocket(s, port) {
		p.sockets.left.Unmatched += uint64(c.Weight)
		return
	}
	p.socket(model.SocketEvent{Accept: &model.AcceptCount{
		At: c.End, Netns: s.Netns, Cgroup: s.Cgroup, Local: s.Local.Addr(), Remote: s.Remote.Addr(), Port: port,
		Ns: c.End - c.Start, Count: uint64(c.Weight),
	}})
}

// wantsSocket reports whether a socket and its service are wanted.
func (p *Pipeline) wantsSocket(s *exchange.Sock, port uint16) bool {
	w := &p.sockets.wanted
	local, remote := s.Local.Addr(), s.Remote.Addr()
	return p.wantsService(port, port, local, remote) && w.inNetwork(local, remote) &&
		(w.End == nil || w.End(s.Netns, s.Cgroup, local) || w.End(0, 0, remote))
}

func (p *Pipeline) socket(e model.SocketEvent) {
	p.agg.AddSocket(e)
	p.toSignalSinks(func(s SignalSink) error { return s.Sockets(e) })
}

func (w *Wanted) inNetwork(addrs ...netip.Addr) bool {
	return w.Network == nil || slices.ContainsFunc(addrs, w.Network)
}

// wantsService reports whether a TCP service of one of the addresses is wanted, which
// was asked for at a port of its own or at one in front of an address translation.
func (p *Pipeline) wantsService(port, asked uint16, addrs ...netip.Addr) bool {
	m, published := &p.match, p.sockets.wanted.Port
	if len(m.Protos) > 0 && !slices.Contains(m.Protos, journey.ProtoTCP) {
		return false
	}
	return len(m.Ports) == 0 || slices.Contains(m.Ports, port) || slices.Contains(m.Ports, asked) ||
		published != nil && published(port, addrs...)
}

// event takes a socket event of the kernel side.
func (s *Session) event(raw []byte) { s.pipe.Event(raw, uint64(readClock(unix.CLOCK_MONOTONIC))) }

// wantedSockets chooses socket events as the session chooses packets.
func (s *Session) wantedSockets() Wanted {
	w := Wanted{IsProxy: proxyProcesses(s.inv), ByID: inFirstPidNamespace()}
	if len(s.opts.Containers) > 0 {
		w.End = func(netns uint32, cgroup uint64, addr netip.Addr) bool {
			return s.wantsOwner([]uint32{netns}, cgroup, addr)
		}
	}
	if ports := s.opts.Ports; len(ports) > 0 {
		w.Port = func(port uint16, addrs ...netip.Addr) bool { return s.inv.View().Publishes(port, ports, addrs...) }
	}
	if len(s.opts.Networks) > 0 {
		w.Network = func(a netip.Addr) bool { return s.inv.View().InNetworks(a, s.opts.Networks) }
		w.Asks = func(netns uint32, local, resolver netip.Addr) bool {
			return s.inv.View().AsksInNetworks(netns, local, resolver, s.opts.Networks)
		}
	}
	return w
}

// inFirstPidNamespace says whether this process is in the first pid namespace,
// of which the kernel's programs tell (PROC_PID_INIT_INO in
// include/linux/proc_ns.h).
func inFirstPidNamespace() bool {
	const first = "pid:[4026531836]"
	link, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && link == first
}

// proxyProcesses tells docker-proxy's processes, those that are gone too. What
// it found is kept for as long as the picture of the host stays the same.
func proxyProcesses(inv *inventory.Inventory) func(tgid uint32) bool {
	var view *inventory.View
	var pids map[uint32]bool
	return func(tgid uint32) bool {
		if v := inv.View(); v != view {
			view, pids = v, map[uint32]bool{}
			for _, p := range v.Proxies() {
				pids[uint32(p.PID)] = true
			}
		}
		return tgid != 0 && pids[tgid]
	}
}

// socketNotes adds what became of socket events to the accounting's notes.
func (p *Pipeline) socketNotes(to map[string]uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, left := p.sockets.joiner.Counts(), p.sockets.left
	for name, n := range map[string]uint64{
		"socket_events_undecodable": left.Undecodable,
		"socket_events_unmatched":   left.Unmatched,
		"exchanges_both_ends":       c.Both,
		"exchanges_one_end":         c.OneSided,
		"exchanges_joined_early":    c.Early,
		"exchanges_duplicate":       c.Duplicates,
		"exchanges_bent":            c.Bent,
		"exchanges_unseen":          c.Unseen,
		"exchanges_by_proxy":        c.Proxied,
		"exchanges_proxy_guessed":   c.Guessed,
		"exchanges_proxy_unpaired":  c.Unpaired,
		"exchanges_app_unsplit":     c.Unsplit,
	} {
		to[name] = n
	}
}
