package capture

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
)

// retell gives all that a capture holds to a redaction, as a session would.
func retell(t *testing.T, path string, x *Redaction) {
	t.Helper()
	r, err := Open(path)
	ok(t, err)
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ok(t, err)
		switch {
		case rec.Journey != nil:
			first := rec.Journey.First
			ok(t, x.Journey(rec.Journey, nil))
			if rec.Journey.First != first {
				t.Fatal("the session's own journey was changed")
			}
		case rec.Drops != nil:
			stack := slices.Clone(rec.Drops.Stack)
			ok(t, x.Drops(rec.Drops.DropCount))
			if !reflect.DeepEqual(stack, rec.Drops.Stack) {
				t.Fatal("the session's own drop was changed")
			}
		case rec.Retransmits != nil:
			ok(t, x.Retransmits(rec.Retransmits.RetransmitCount))
		case rec.Counters != nil:
			counts := slices.Clone(rec.Counters.Counts)
			ok(t, x.Counters(rec.Counters.Counts))
			if !slices.Equal(counts, rec.Counters.Counts) {
				t.Fatal("the session's own counters were changed")
			}
		case rec.Sockets != nil:
			before := asJSON(t, rec.Sockets.SocketEvent)
			ok(t, x.Sockets(rec.Sockets.SocketEvent))
			if !bytes.Equal(before, asJSON(t, rec.Sockets.SocketEvent)) {
				t.Fatal("the session's own exchange was changed")
			}
		case rec.DNS != nil:
			ok(t, x.DNS(rec.DNS.Lookup))
		case rec.Inventory != nil:
			before := asJSON(t, rec.Inventory.Facts)
			for range 2 {
				ok(t, x.Inventory(rec.Inventory.At, rec.Inventory.Facts))
			}
			if !bytes.Equal(before, asJSON(t, rec.Inventory.Facts)) {
				t.Fatal("the session's own inventory was changed")
			}
		case rec.Status != nil:
			ok(t, x.Status(*rec.Status))
		case rec.Servers != nil:
			ok(t, x.Servers(rec.Servers))
		case rec.Findings != nil:
			ok(t, x.Findings(rec.Findings))
		case rec.End != nil:
			ok(t, x.Close(*rec.End))
		}
	}
}

func secretOptions() Options {
	head := testHead()
	head.Selection, head.Command = []string{"web"}, []string{"/home/alice/hopscope", "-c", "web"}
	return Options{Head: head, Symbols: kernelNames{}}
}

func secrets() []string {
	out := []string{"web", "api", "shop", "docker-7", "alice", "secret", "aa11aa11", "172.20", "203.0.113", "2001:db8"}
	for _, a := range []string{"172.20.0.2", "172.20.0.3", "198.51.100.23", "2001:db8::17"} {
		out = append(out, string(netip.MustParseAddr(a).AsSlice()))
	}
	return append(out, string(le.AppendUint64(nil, 0xffffffff81234567)))
}

func wantNoSecret(t *testing.T, path string) {
	t.Helper()
	text := unpacked(t, path)
	for _, s := range secrets() {
		if bytes.Contains(text, []byte(s)) {
			t.Errorf("%q is in the file", s)
		}
	}
}

// TestRedactionTellsNothing: written redacted at once, a file has nothing that
// the redacted copy would not have, and all of its numbers.
func TestRedactionTellsNothing(t *testing.T) {
	original := writeSecret(t)
	path := filepath.Join(t.TempDir(), "x.hop")
	x, err := NewRedaction(secretOptions(), func(o Options) (*Writer, error) { return Create(path, o) })
	ok(t, err)
	retell(t, original, x)
	wantNoSecret(t, path)
	want, _, _ := read(t, original)
	got, damage, head := read(t, path)
	if damage.Any() || !head.Redacted || len(got.journeys) != len(want.journeys) || len(got.inventories) != 1 {
		t.Errorf("%v, head %+v, %d journeys of %d, %d inventories", damage, head, len(got.journeys), len(want.journeys), len(got.inventories))
	}
	if len(got.exchanges) != len(want.exchanges) || len(got.connects) != len(want.connects) || len(got.resets) != len(want.resets) {
		t.Errorf("%d exchanges of %d, %d connects, %d resets", len(got.exchanges), len(want.exchanges), len(got.connects), len(got.resets))
	}
	if e := got.ends[0]; e.Error != "" || e.Ended != "error" {
		t.Errorf("end %+v", e)
	}
	r, err := Open(path)
	ok(t, err)
	defer r.Close()
	agg := model.New(model.Limits{})
	s, err := Replay(r, agg, Filter{})
	ok(t, err)
	if d := s.Snapshot(agg).DNS; len(d) != 1 || d[0].Answered != 1 {
		t.Errorf("name servers %+v", d)
	}
	if d := s.Snapshot(agg).Drops; len(d) == 0 || d[0].Location != "nft_do_chain+0x12" {
		t.Errorf("drops %+v", d)
	}
}

func TestRedactionOfARing(t *testing.T) {
	var ring *Ring
	x, err := NewRedaction(secretOptions(), func(o Options) (*Writer, error) {
		var err error
		ring, err = NewRing(o, time.Hour, 64<<20)
		if err != nil {
			return nil, err
		}
		return ring.Writer, nil
	})
	ok(t, err)
	path := filepath.Join(t.TempDir(), "x.hop")
	ok(t, x.Journey(newTraffic(4).next(), nil))
	ok(t, x.Inventory(1, secretFacts()))
	ok(t, ring.Save(path, End{Ended: "limit", Error: "web"}.Redacted(), false))
	ok(t, x.Abandon())
	wantNoSecret(t, path)
}
