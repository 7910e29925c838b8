package lab

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a client and a server, "web", on one bridge.
func pair(t *testing.T) (client, web *Container, at string) {
	t.Helper()
	shop := NewShop(t)
	front := shop.Network(NetworkSpec{Name: "front"})
	web = shop.Container(ContainerSpec{Name: "web", Networks: []*Network{front}, Args: []string{"serve"}})
	client = shop.Container(ContainerSpec{Name: "client", Networks: []*Network{front}})
	return client, web, web.IP(front).String() + ":8000"
}

func TestAFPacketCountsEveryDatagram(t *testing.T) {
	Lock(t)
	client, web, at := pair(t)
	client.Run("udp", "--count", "1", at) // so that neighbours are resolved

	const n = 3000
	out, back := AFPacketRecord(t, client.Netns, "eth0"), AFPacketCount(t, web.Netns, "eth0")
	from := uint64(now(unix.CLOCK_MONOTONIC))
	wantOK(t, client.Run("udp", "--count", fmt.Sprint(n), "--size", "100", at), n)
	sent, echoed := out.Stop(), back.Stop()
	until := uint64(now(unix.CLOCK_MONOTONIC))

	if sent.Packets != n || sent.Dropped != 0 || len(sent.Records) != n {
		t.Fatalf("sent %d, dropped %d, recorded %d; want %d, 0, %d", sent.Packets, sent.Dropped, len(sent.Records), n, n)
	}
	if echoed.Packets != n || len(echoed.Records) != 0 {
		t.Errorf("echoed %d with %d records, want %d and none", echoed.Packets, len(echoed.Records), n)
	}
	const payload = 20 + 8 // IPv4 and UDP headers
	last := from - 50_000  // the clocks were compared to a few µs
	for i, p := range sent.Records {
		if serial := binary.BigEndian.Uint64(p.Header[payload:]); serial != uint64(i) {
			t.Fatalf("record %d has serial %d", i, serial)
		}
		if p.At < last || p.At > until+50_000 {
			t.Fatalf("record %d at %d, after %d, in [%d, %d]", i, p.At, last, from, until)
		}
		last = p.At
	}
}

func TestAFPacketCountsTCPRequests(t *testing.T) {
	Lock(t)
	client, _, at := pair(t)
	counter := AFPacketCount(t, client.Netns, "eth0")
	wantOK(t, client.Run("rr", "--count", "2000", at), 2000)
	count := counter.Stop()
	// A request carries the ACK of the last response; around them are the
	// handshake, the end, and now and then a delayed ACK.
	if count.Packets < 2000 || count.Packets > 2200 || count.Dropped != 0 {
		t.Errorf("%d packets for 2000 requests (%d dropped)", count.Packets, count.Dropped)
	}
}

func TestTBFSlowsDownToItsRate(t *testing.T) {
	Lock(t)
	client, web, at := pair(t)
	const bytes = 2_000_000
	run := func() time.Duration {
		return time.Duration(client.Run("bulk", "--bytes", fmt.Sprint(bytes), at).ElapsedNs)
	}
	fast := run()
	const rate = 16_000_000 // bit/s: 2 MB take 1 s, and headers 4 to 5 % more
	link := client.Links[0]
	qdisc := TBF(t, client.Netns, link.Name, rate, 16_000, 1_000_000)
	slow := run()
	if slow < 950*time.Millisecond || slow > 1300*time.Millisecond || fast > slow/3 {
		t.Errorf("2 MB took %v, at 16 Mbit/s %v; want about 1.05 s", fast, slow)
	}
	if counts := qdisc.Counts(); counts.Bytes < bytes || counts.Packets == 0 || counts.Overlimits == 0 {
		t.Errorf("counters of the qdisc: %+v", counts)
	}
	qdisc.Remove()
	if again := run(); again > slow/3 {
		t.Errorf("2 MB took %v after the tbf was removed, %v with it", again, slow)
	}
	// On the host's end, the same slows the other direction down.
	TBF(t, HostNetns, web.Links[0].HostName, rate, 16_000, 1_000_000)
	if slow := run(); slow < 950*time.Millisecond {
		t.Errorf("2 MB took %v through a tbf at the host's end", slow)
	}
}

func TestBridgeNFIsSetAndRestored(t *testing.T) {
	Lock(t)
	const path = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	read := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	t.Run("load", func(t *testing.T) { BridgeNF(t, true) }) // the module stays
	before := read()
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			BridgeNF(t, on)
			if want := map[bool]string{false: "0", true: "1"}[on]; read() != want {
				t.Errorf("set to %s, want %s", read(), want)
			}
		})
		if got := read(); got != before {
			t.Errorf("restored to %s, want %s", got, before)
		}
	}
}

func TestSetOffload(t *testing.T) {
	Lock(t)
	host := Outside(t, OutsideSpec{})
	for value, on := range map[string]bool{"off": false, "on": true} {
		SetOffload(t, host.Netns, "eth0", "gro", on)
		var out []byte
		err := InNetns(host.Netns, func() (err error) {
			out, err = exec.Command("ethtool", "-k", "eth0").Output()
			return err
		})
		if err != nil || !strings.Contains(string(out), "generic-receive-offload: "+value) {
			t.Errorf("gro is not %s: %v\n%s", value, err, out)
		}
	}
}
