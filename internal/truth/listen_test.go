package truth

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

const (
	listenOverflow = "TCP_LISTEN_OVERFLOW"
	listenDrop     = "TCP_LISTEN_DROP"
	deafPort       = 8111 // the first; each case has its own
	deafBacklog    = 3    // one more fits (sk_acceptq_is_full)
)

// deaf listens in the namespace at path and never accepts.
func deaf(t *testing.T, path string, port int) {
	t.Helper()
	var fd int
	err := lab.InNetns(path, func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
			return err
		}
		return unix.Listen(fd, deafBacklog)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
}

// noCookies lets a listener of the namespace refuse requests for which its queue
// has no room.
func noCookies(t *testing.T, path string) {
	t.Helper()
	set := func(v string) error {
		return lab.InNetns(path, func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte(v), 0) })
	}
	if err := set("0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set("1") })
}

// knock begins n connections at once in the client's namespace, and does not
// wait for them.
func (p *pair) knock(t *testing.T, port, n int) {
	t.Helper()
	to := &unix.SockaddrInet4{Port: port, Addr: p.web.IP(p.net).As4()}
	err := lab.InNetns(p.client.Netns, func() error {
		for range n {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = unix.Close(fd) })
			if err := unix.Connect(fd, to); err != unix.EINPROGRESS {
				return fmt.Errorf("connect: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lost sums up the drops of a reason, by how they are known.
func lost(s model.Snapshot, reason string) (sum uint64, by map[string]uint64) {
	by = map[string]uint64{}
	for _, d := range s.Drops {
		if d.Reason == reason {
			sum += d.Count
			by[d.AttributedBy] += d.Count
		}
	}
	return sum, by
}

// A connection request that finds the accept queue full ends in consume_skb, as
// if it had been taken; the kernel's counter tells.
func TestListenOverflow(t *testing.T) {
	p := newPair(t)
	for i, c := range []struct {
		name   string
		sample uint32
		late   bool   // answers are delayed, so that handshakes meet the full queue at their end
		reason string // of most
	}{
		{"requests", 1, false, listenOverflow},
		{"handshakes", 1, true, listenOverflow},
		{"handshakes, sampled", 64, true, listenOverflow},
		{"without cookies", 1, true, listenDrop}, // no room for requests
	} {
		t.Run(c.name, func(t *testing.T) {
			port := deafPort + i
			deaf(t, p.web.Netns, port)
			if c.reason == listenDrop {
				noCookies(t, p.web.Netns)
			}
			if c.late {
				lab.TBF(t, p.web.Netns, "eth0", 20_000, 100, 100_000)
			}
			tr := begin(t, pipeline.Options{Sample: c.sample})
			before, dropped := lab.ProtocolCount(t, p.web.PID, "netstat", "TcpExt", "ListenOverflows"), lab.ProtocolCount(t, p.web.PID, "netstat", "TcpExt", "ListenDrops")
			p.knock(t, port, 24)
			time.Sleep(1500 * time.Millisecond) // SYNs are sent again after a second
			r := tr.end()
			want := lab.ProtocolCount(t, p.web.PID, "netstat", "TcpExt", "ListenOverflows") - before
			drops := lab.ProtocolCount(t, p.web.PID, "netstat", "TcpExt", "ListenDrops") - dropped
			got, by := lost(r.Snapshot, listenOverflow)
			other, otherBy := lost(r.Snapshot, listenDrop)
			t.Logf("ListenOverflows %d, ListenDrops %d, counted %d %v and %d %v; endings %v", want, drops, got, by, other, otherBy, r.Counts.Endings)
			r.WantExact(t)
			if got != want || got+other != drops || drops < 20 || (c.reason == listenDrop) != (other > 0) {
				t.Errorf("%d and %d drops, ListenOverflows moved by %d, ListenDrops by %d: %+v", got, other, want, drops, r.Snapshot.Drops)
			}
			// What a program misses (see missed_runs) the counter tells.
			journeys := by["journey"] + otherBy["journey"]
			if c.sample == 1 && (share(journeys, drops) < 0.9 || journeys+by["counter"]+otherBy["counter"] != drops) {
				t.Errorf("%v and %v of %d are known by their journey", by, otherBy, drops)
			}
			for _, d := range r.Snapshot.Drops {
				if strings.HasPrefix(d.Reason, "TCP_LISTEN") && (d.Container == nil || *d.Container != p.web.Name) {
					t.Errorf("the drops are not web's: %+v", d)
				}
			}
			acks := wantRefused(t, r, port, journeys, c.sample)
			if c.sample == 1 && c.reason == listenOverflow && c.late != (acks > 0) {
				t.Errorf("%d handshakes were refused at their end", acks)
			}
		})
	}
}

// wantRefused checks what became of the packets at the listener, and tells how
// many of those refused were no requests.
func wantRefused(t *testing.T, r result, port int, overflows uint64, sample uint32) (acks uint64) {
	t.Helper()
	toDeaf := func(j *journey.Journey) bool { return int(j.Last.Dst.Port()) == port }
	refused := func(j *journey.Journey) bool {
		hops := j.Hops(nil)
		return toDeaf(j) && j.Ending == journey.EndingDropped && hops[len(hops)-1].Kind == journey.HopStackRX
	}
	syn := func(j *journey.Journey) bool { return j.TCPFlags&0x02 != 0 }
	taken := count(r.Journeys, func(j *journey.Journey) bool { return toDeaf(j) && syn(j) && !refused(j) })
	acks = count(r.Journeys, func(j *journey.Journey) bool { return refused(j) && !syn(j) })
	n := count(r.Journeys, refused)
	t.Logf("%d journeys refused, %d of them no SYN; %d SYNs taken", n, acks, taken)
	if sample == 1 && n != overflows {
		t.Errorf("%d journeys end as dropped at the listener, %d were", n, overflows)
	}
	return acks
}
