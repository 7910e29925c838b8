package capture

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxReplaced bounds the memory of a replacer, and keeps free addresses of 10/8
// easy to find.
const maxReplaced = 1 << 22

// replacer gives names and addresses their replacements: the same for the same,
// different ones for different ones. Its first error stays in err.
type replacer struct {
	key   []byte
	known map[string]string // by kind and original
	taken map[string]bool
	to    map[netip.Addr]netip.Addr
	used  map[netip.Addr]bool
	err   error
}

func newReplacer() (*replacer, error) {
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("redact: %w", err)
	}
	return &replacer{
		key: key, known: make(map[string]string), taken: make(map[string]bool),
		to: make(map[netip.Addr]netip.Addr), used: make(map[netip.Addr]bool),
	}, nil
}

// hash is HMAC-SHA256 (RFC 2104) of the original; try tells attempts apart.
func (x *replacer) hash(kind string, original []byte, try byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, x.key)
	mac.Write([]byte(kind))
	mac.Write([]byte{0, try})
	mac.Write(original)
	return [sha256.Size]byte(mac.Sum(nil))
}

// full reports, as an error, that too much is to be remembered.
func (x *replacer) full() bool {
	if len(x.known)+len(x.to) >= maxReplaced && x.err == nil {
		x.err = errors.New("too many different names and addresses")
	}
	return x.err != nil
}

// tries bounds the search for a replacement that is not taken.
const tries = 255

// text replaces s by what form makes of a hash.
func (x *replacer) text(kind, s string, form func(h [sha256.Size]byte) string) string {
	if s == "" || x.err != nil {
		return ""
	}
	k := kind + "\x00" + s
	if r, ok := x.known[k]; ok {
		return r
	}
	if x.full() {
		return ""
	}
	for try := range tries {
		r := form(x.hash(kind, []byte(s), byte(try)))
		if !x.taken[r] {
			x.known[k], x.taken[r] = r, true
			return r
		}
	}
	x.err = fmt.Errorf("no replacement is left for a name (%s)", kind)
	return ""
}

// name is like c-1a2b3c.
func (x *replacer) name(kind, s string) string {
	return x.text(kind, s, func(h [sha256.Size]byte) string { return kind + "-" + hex.EncodeToString(h[:3]) })
}

// id is 64 hex digits, as those of Docker.
func (x *replacer) id(s string) string {
	return x.text("id", s, func(h [sha256.Size]byte) string { return hex.EncodeToString(h[:]) })
}

// mac is a locally administered address (IEEE 802, 8.2).
func (x *replacer) mac(s string) string {
	return x.text("mac", s, func(h [sha256.Size]byte) string {
		return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
	})
}

// keep leaves words alone that are the same on every host, and replaces others.
func (x *replacer) keep(kind, s string, words ...string) string {
	if slices.Contains(words, s) {
		return s
	}
	return x.name(kind, s)
}

func (x *replacer) state(s string) string {
	return x.keep("state", s, "created", "running", "paused", "restarting", "removing", "removed", "exited", "dead")
}

func (x *replacer) proto(s string) string { return x.keep("proto", s, "tcp", "udp", "sctp") }

func (x *replacer) served(s string) string { return x.keep("served", s, "dnat", "dnat+proxy", "proxy") }

// driver is a kind of network or of device.
func (x *replacer) driver(s string) string {
	return x.keep("driver", s, "bridge", "host", "null", "none", "overlay", "macvlan", "ipvlan", "veth", "vxlan",
		"vlan", "bond", "team", "dummy", "tun", "wireguard", "ifb", "vrf", "geneve", "gre", "sit", "ipip")
}

// network keeps the names of the engine's own networks.
func (x *replacer) network(s string) string { return x.keep("n", s, "bridge", "host", "none") }

func (x *replacer) networkMode(s string) string {
	if id, ok := strings.CutPrefix(s, "container:"); ok {
		return "container:" + x.id(id)
	}
	if s == "default" {
		return s
	}
	return x.network(s)
}

// device keeps lo, docker0 and eth0 to eth9, and tells veth pairs and bridges
// from other interfaces.
func (x *replacer) device(s string) string {
	if s == "lo" || s == "docker0" || len(s) == 4 && s[:3] == "eth" && s[3] >= '0' && s[3] <= '9' {
		return s
	}
	for _, kind := range []string{"veth", "br"} {
		if strings.HasPrefix(s, kind) {
			return x.name(kind, s)
		}
	}
	return x.name("dev", s)
}

func (x *replacer) addrPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(x.addr(a.Addr()), a.Port())
}

// addr stays in its family and, where that says how the kernel treats it, in
// its range.
func (x *replacer) addr(a netip.Addr) netip.Addr {
	if a.Is4In6() {
		return netip.AddrFrom16(x.addr(a.Unmap()).As16())
	}
	a = a.WithZone("")
	if public(a) {
		return a
	}
	if r, ok := x.to[a]; ok {
		return r
	}
	if x.full() {
		return a
	}
	for try := range tries {
		r := inRange(a, x.hash("addr", a.AsSlice(), byte(try)))
		if !x.used[r] && !public(r) {
			x.to[a], x.used[r] = r, true
			return r
		}
	}
	x.err = errors.New("no replacement is left for an address")
	return a
}

// public tells addresses that mean the same everywhere: missing, unspecified,
// loopback, broadcast, and the groups of the local network (RFC 5771, RFC 4291).
func public(a netip.Addr) bool {
	switch {
	case !a.IsValid() || a.IsUnspecified() || a.IsLoopback():
		return true
	case a.Is4():
		b := a.As4()
		return b == [4]byte{255, 255, 255, 255} || [3]byte(b[:3]) == [3]byte{224, 0, 0}
	}
	b := a.As16()
	return [14]byte(b[:14]) == [14]byte{0xff, 0x02}
}

// inRange makes an address of a hash.
func inRange(a netip.Addr, h [sha256.Size]byte) netip.Addr {
	if a.Is4() {
		b := [4]byte{10, h[0], h[1], h[2]} // private (RFC 1918)
		switch {
		case a.IsMulticast():
			b[0] = 239 // administratively scoped (RFC 2365)
		case a.IsLinkLocalUnicast():
			b[0], b[1] = 169, 254 // RFC 3927
		}
		return netip.AddrFrom4(b)
	}
	b := [16]byte{0: 0xfd} // unique local (RFC 4193)
	copy(b[8:], h[:8])
	switch {
	case a.IsMulticast():
		b[0], b[1] = 0xff, 0x05 // site-local scope (RFC 4291, 2.7)
	case a.IsLinkLocalUnicast():
		b[0], b[1] = 0xfe, 0x80
	}
	return netip.AddrFrom16(b)
}
