//go:build matrix

package guest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
)

// dns counts queries of a container's kind and of the host, over both families,
// and over a NIC that leaves long answers in pages.
func (s scene) dns(t *testing.T) {
	for _, ns := range []*namespace{s.b, s.wire} {
		ns.listen(t, dns.Port, "nameserver")
	}
	for _, x := range []struct {
		name, wish, server string
		from               *namespace
		rcode              uint8
		count              int
		unread             bool // a kernel without bpf_cast_to_kern_ctx cannot read the header
		delay              time.Duration
	}{
		{name: "IPv4", wish: "delay-20ms", server: addrB, from: s.a, count: 10, delay: 20 * time.Millisecond},
		{name: "IPv6", wish: "rcode-3", server: addrB6, from: s.a, count: 40, rcode: dns.RcodeNXDomain},
		{name: "host, NIC", wish: "rcode-2", server: addrWire, from: s.host, count: 40, rcode: dns.RcodeServFail},
		{name: "NIC, long answers", wish: "large-1000", server: addrWire, from: s.a, count: 40, unread: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			server := netip.MustParseAddr(x.server)
			s.asked()
			win := s.during(t, atOnce, func() {
				x.from.run(t, "ask", "--count", itoa(x.count), "--name", x.wish+".test", netip.AddrPortFrom(server, dns.Port).String())
				if r := x.from.try(t, "ask", "--count", "2", "--name", "silent.test", "--timeout", "50ms",
					netip.AddrPortFrom(server, dns.Port).String()); r.Errors != 2 {
					t.Errorf("%d of 2 queries had no answer", r.Errors)
				}
			})
			outcomes, unread := map[dns.Outcome]int{}, 0
			for _, l := range s.asked() {
				outcomes[l.Outcome]++
				switch {
				case l.Outcome != dns.Answered:
				case l.Rcode == dns.RcodeUnread && x.unread && !s.castKernCtx:
					unread++
				case l.Rcode != x.rcode || time.Duration(l.LatencyNs) < x.delay:
					t.Errorf("lookup %+v, want rcode %d after %v", l, x.rcode, x.delay)
				}
				if l.Resolver != server || l.Netns != x.from.inode {
					t.Errorf("lookup %+v, want name server %s, namespace %d", l, server, x.from.inode)
				}
			}
			t.Logf("%v, %d answers with the header out of reach, notes %v", outcomes, unread, win.notes)
			if outcomes[dns.Answered] != x.count || outcomes[dns.Pending] != 2 || len(outcomes) != 2 {
				t.Errorf("outcomes %v, want %d answered and 2 pending", outcomes, x.count)
			}
		})
	}
}
