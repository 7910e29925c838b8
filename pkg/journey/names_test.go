package journey

import "testing"

func TestPointNames(t *testing.T) {
	seen := map[string]Point{}
	for p := Point(0); p < 64; p++ {
		name := p.String()
		if was, ok := seen[name]; ok {
			t.Errorf("points %d and %d are both %q", was, p, name)
		}
		seen[name] = p
		want := p >= PointQueue && p <= PointMerged || p >= PointPreIn && p <= PointPostOut
		if p.Valid() != want {
			t.Errorf("point %d valid: %v", p, p.Valid())
		}
		if got, ok := ParsePoint(name); ok != want || ok && got != p {
			t.Errorf("ParsePoint(%q) = %d, %v", name, got, ok)
		}
	}
	for p, want := range map[Point]string{
		PointQueue: "net_dev_queue", PointPreIn: "PREROUTING in", PointPostOut: "POSTROUTING out", 11: "point 11",
	} {
		if p.String() != want {
			t.Errorf("point %d is %q, want %q", p, p, want)
		}
	}
	if _, ok := ParsePoint(""); ok {
		t.Error("the empty name is a point")
	}
}

func TestEndingNames(t *testing.T) {
	want := []string{"none", "delivered", "dropped", "left", "segmented", "gro_merged", "rebuilt", "consumed", "reassembled"}
	for e, name := range want {
		if got := Ending(e).String(); got != name {
			t.Errorf("ending %d is %q, want %q", e, got, name)
		}
		if got, ok := ParseEnding(name); !ok || got != Ending(e) {
			t.Errorf("ParseEnding(%q) = %v, %v", name, got, ok)
		}
	}
	if got := Ending(9).String(); got != "ending 9" {
		t.Errorf("ending 9 is %q", got)
	}
	if _, ok := ParseEnding("lost"); ok {
		t.Error("lost is an ending")
	}
}

func TestHopKindNames(t *testing.T) {
	for _, k := range HopKinds() {
		name := k.String()
		if got, ok := ParseHopKind(name); name == "" || !ok || got != k {
			t.Errorf("hop %d is %q, which is %v, %v", k, name, got, ok)
		}
	}
	if got := HopKind(200).String(); got != "unknown" {
		t.Errorf("hop 200 is %q", got)
	}
	if _, ok := ParseHopKind("sock_send"); ok {
		t.Error("a hop that is not measured has a kind")
	}
}

func TestProtoNames(t *testing.T) {
	for proto, want := range map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp", 47: "47"} {
		if got := ProtoName(proto); got != want {
			t.Errorf("protocol %d is %q, want %q", proto, got, want)
		}
		if got, ok := ParseProto(want); !ok || got != proto {
			t.Errorf("ParseProto(%q) = %d, %v", want, got, ok)
		}
	}
	for _, name := range []string{"", "TCP/IP", "256", "-1"} {
		if _, ok := ParseProto(name); ok {
			t.Errorf("%q is a protocol", name)
		}
	}
}
