package probe

import (
	"net/netip"
	"unsafe"

	"github.com/hopscope/hopscope/bpf"
	"github.com/hopscope/hopscope/pkg/dns"
)

// ReadsDNS reports whether DNS messages are recorded: nobody asked not to, and
// this kernel shows the point at which answers reach their sockets.
func (p *Probe) ReadsDNS() bool { return p.readsDNS }

func (c Config) readsDNS(k kernelFacts) bool { return !c.NoDNS && k.delivers() }

// message takes a record of hs_dns.
func (r Records) message(raw []byte) {
	if r.DNS != nil {
		r.DNS(dnsMessage(raw))
	}
}

// dnsMessage reads a record of hs_dns.
func dnsMessage(raw []byte) *dns.Message {
	var m bpf.HopscopeHsDnsMessage
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m)), raw)
	return &dns.Message{
		At: m.AtNs, Socket: m.Socket, Netns: m.Netns, Cgroup: m.Cgroup,
		Local: netip.AddrFrom16(m.Local).Unmap(), Port: m.Port, Remote: netip.AddrFrom16(m.Remote).Unmap(),
		ID: m.Id, Flags: m.Flags, Unread: m.Unread != 0,
		Answer: bpf.HopscopeHsDnsKind(m.Kind) == bpf.HopscopeHsDnsKindHS_D_ANSWER,
	}
}
