package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
)

const (
	aSecond   = uint64(time.Second)
	perSecond = 2 // containers that come and go
)

// busyHost is a CI host's inventory at a second: as many dead as are remembered,
// all of the last containers, of which each second made two.
func busyHost(second int) *inventory.View {
	f := inventory.Facts{Host: 1}
	last := perSecond * (second + 1)
	born := func(n int) time.Time { return time.Unix(1_700_000_000+int64(n/perSecond), int64(n)*997).UTC() }
	for n := last; n > last-4096; n-- {
		sum := sha256.Sum256([]byte(fmt.Sprint(n)))
		addr := netip.AddrFrom4([4]byte{172, 18, byte(n >> 8), byte(n)})
		netns := uint32(4026532000 + n)
		f.Containers = append(f.Containers, inventory.Container{
			ID: hex.EncodeToString(sum[:]), Name: fmt.Sprintf("job-%d", n), Image: "ci/runner:latest", State: "exited",
			NetworkMode: "ci", CgroupID: uint64(90000 + n), Netns: netns, Addrs: []netip.Addr{addr},
			Networks: []inventory.Attachment{{Network: "ci", Driver: "bridge", Interface: "eth0"}},
			Seen:     born(n), Started: born(n), Stopped: born(n + perSecond), Gone: born(n + perSecond),
		})
		for k, where := range []uint32{netns, 1} {
			f.Devices = append(f.Devices, inventory.Device{
				Netns: where, Ifindex: uint32(2*n + k), Name: "veth" + hex.EncodeToString(sum[:4]), Kind: "veth",
				PeerNetns: netns, PeerIfindex: uint32(2*n + 1 - k), MTU: 1500,
				MAC: fmt.Sprintf("02:42:ac:12:%02x:%02x", byte(n>>8), byte(n)), Seen: born(n), Gone: born(n + perSecond),
			})
		}
	}
	return inventory.NewView(f)
}

// Where two containers a second come and go, what exists takes 4 kB a second of the
// file, and its end has every name.
func TestChurnTakesLittle(t *testing.T) {
	const seconds, step = 600, 25 // to make one takes long
	path := filepath.Join(t.TempDir(), "x.hop")
	w, err := capture.Create(path, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := pace{w: w}
	if err := p.store(0, busyHost(0)); err != nil {
		t.Fatal(err)
	}
	whole := sizeOf(t, path)
	for s := step; s < seconds; s += step {
		if err := p.follow(uint64(s)*aSecond, busyHost(s)); err != nil {
			t.Fatal(err)
		}
	}
	ran := sizeOf(t, path) - whole
	if err := p.store(seconds*aSecond, busyHost(seconds)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(capture.End{Ended: "duration"}); err != nil {
		t.Fatal(err)
	}
	t.Logf("one inventory takes %d bytes: %d a second if stored at each change; stored: %d a second", whole, perSecond*whole, ran/seconds)
	if ran > seconds*inventoryRate {
		t.Errorf("%d bytes in %d s", ran, seconds)
	}
	if ran == 0 {
		t.Error("no inventory in the course of it")
	}
	if c, ok := lastView(t, path).Container(busyHost(seconds).Containers()[0].ID); !ok || c.Name == "" {
		t.Error("the last container has no name")
	}
}

// On a quiet host a new container's name is in the file within a second.
func TestNewNameIsStoredAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.hop")
	w, err := capture.Create(path, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := pace{w: w}
	var f inventory.Facts
	for s := range uint64(10) {
		f.Containers = append(f.Containers[:len(f.Containers):len(f.Containers)], inventory.Container{ID: fmt.Sprint(s), Name: fmt.Sprintf("web-%d", s)})
		v := inventory.NewView(f)
		if err := p.follow(s*aSecond, v); err != nil {
			t.Fatal(err)
		}
		if err := p.follow(s*aSecond+aSecond/2, v); err != nil { // nothing new
			t.Fatal(err)
		}
		if _, ok := lastView(t, path).Container(fmt.Sprint(s)); !ok {
			t.Errorf("container %d is not in the file", s)
		}
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
}

func sizeOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

func lastView(t *testing.T, path string) *inventory.View {
	t.Helper()
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := capture.Replay(r, model.New(model.Limits{}), capture.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return s.View
}
