package capture

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/model"
)

// small is a capture of every kind of block and of record, as bytes, with what
// it holds.
func small(t testing.TB) ([]byte, content) {
	t.Helper()
	w, path := create(t, Options{Head: testHead(), Symbols: kernelNames{}})
	made := newTraffic(3)
	for range 3 {
		for i := range 4 {
			j := made.next()
			if i == 0 {
				j = dropped(j)
			}
			ok(t, w.Journey(j, nil))
		}
		ok(t, w.Extra(Extra{"dns", 1, 5, []byte("x")}))
		ok(t, w.Status(testStatus(1)))
	}
	ok(t, w.Drops(dropsInForward(3)))
	ok(t, w.Retransmits(retransmitted(4)))
	ok(t, w.Counters(moved(5)[:2]))
	ok(t, w.DNS(asked(dns.Answered)))
	for _, e := range oddEvents(rand.New(rand.NewPCG(7, 7)), 6) {
		ok(t, w.Sockets(e))
	}
	ok(t, w.Servers([]Server{{6, made.conns[0].server}}))
	ok(t, w.Findings([]model.Finding{{Kind: "slow_hop", Text: "text"}}))
	facts := testFacts()
	facts.Containers, facts.Devices = facts.Containers[:1], facts.Devices[:1]
	ok(t, w.Inventory(5, facts))
	ok(t, w.Close(End{Ended: "duration"}))
	file, err := os.ReadFile(path)
	ok(t, err)
	c, damage, _ := read(t, path)
	if damage.Any() || len(c.journeys) != 12 || hasZero(reflect.ValueOf(c)) {
		t.Fatalf("%d journeys, %v, something is missing: %+v", len(c.journeys), damage, c)
	}
	return file, c
}

// isPart reports whether every record of part is one of whole, in its order.
func isPart(part, whole content) bool {
	return within(part.journeys, whole.journeys) && within(part.inventories, whole.inventories) && within(part.statuses, whole.statuses) &&
		within(part.servers, whole.servers) && within(part.findings, whole.findings) && within(part.extras, whole.extras) &&
		within(part.drops, whole.drops) && within(part.retransmits, whole.retransmits) && within(part.counters, whole.counters) &&
		within(part.exchanges, whole.exchanges) && within(part.connects, whole.connects) && within(part.accepts, whole.accepts) && within(part.resets, whole.resets) &&
		within(part.lookups, whole.lookups) && within(part.ends, whole.ends)
}

func within[T any](part, whole []T) bool {
	for _, p := range part {
		i := 0
		for i < len(whole) && !reflect.DeepEqual(p, whole[i]) {
			i++
		}
		if i == len(whole) {
			return false
		}
		whole = whole[i+1:]
	}
	return true
}

// TestEverySingleByte changes each byte of a file in turn, to another value or,
// with HOPSCOPE_LONG, in each of its bits: the answer is an error, or a part of
// what is right, with the damage told.
func TestEverySingleByte(t *testing.T) {
	file, whole := small(t)
	flips := func(i int) []byte { return []byte{byte(1 + 37*i%255)} }
	if os.Getenv("HOPSCOPE_LONG") != "" {
		flips = func(int) []byte { return []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} }
	}
	partial, changes := 0, 0
	for i := range file {
		for _, flip := range flips(i) {
			changes++
			bad := bytes.Clone(file)
			bad[i] ^= flip
			r, err := NewReader(bytes.NewReader(bad))
			if err != nil {
				continue
			}
			if head := r.Head(); !reflect.DeepEqual(head, testHead()) {
				t.Fatalf("byte %d ^ %#x: another head: %+v", i, flip, head)
			}
			got, err := collect(r)
			if err != nil {
				t.Fatalf("byte %d ^ %#x: %v", i, flip, err)
			}
			if d := r.Damage(); !d.Any() || d.Skipped+d.Cut == 0 {
				t.Fatalf("byte %d ^ %#x: damage unnoticed: %+v", i, flip, d)
			}
			if !isPart(got, whole) {
				t.Fatalf("byte %d ^ %#x: something wrong was read: %+v", i, flip, got)
			}
			if len(got.journeys) >= 8 {
				partial++
			}
			r.blocks.close()
		}
	}
	if partial < changes/2 {
		t.Errorf("only %d of %d changes left two blocks of journeys readable", partial, changes)
	}
}

// TestEveryCut ends a file after each of its bytes.
func TestEveryCut(t *testing.T) {
	file, whole := small(t)
	blocksRead := 0
	for n := range file {
		r, err := NewReader(bytes.NewReader(file[:n]))
		if err != nil {
			if n > 1000 || !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrNotCapture) {
				t.Fatalf("cut to %d: %v", n, err)
			}
			continue
		}
		got, err := collect(r)
		ok(t, err)
		d := r.Damage()
		if !d.NoEnd || d.Skipped != 0 || !isPart(got, whole) {
			t.Fatalf("cut to %d: %+v", n, d)
		}
		if d.Cut == 0 {
			blocksRead++ // between two blocks
		}
		if g := got.journeys; len(g) > 0 && !reflect.DeepEqual(g, whole.journeys[:len(g)]) {
			t.Fatalf("cut to %d: not the first journeys", n)
		}
		r.blocks.close()
	}
	if want := len(blocksOf(t, file)) - 1; blocksRead != want || want < 20 {
		t.Errorf("%d places between blocks, want %d", blocksRead, want)
	}
}

// TestBlocksAreMissing takes out, repeats and appends whole blocks.
func TestBlocksAreMissing(t *testing.T) {
	file, whole := small(t)
	var starts []int
	for i := range file {
		if h, ok := parseHeader(file[i:]); ok {
			starts = append(starts, i)
			if h.kind == kindEnd {
				break
			}
		}
	}
	find := func(k kind, nth int) (from, to int) {
		for i, s := range starts {
			if h, _ := parseHeader(file[s:]); h.kind == k {
				if nth--; nth < 0 {
					return s, starts[i+1]
				}
			}
		}
		t.Fatal("no such block")
		return 0, 0
	}
	from, to := find(kindJourneys, 1)
	for _, c := range []struct {
		name     string
		file     []byte
		want     Damage
		journeys int
	}{
		{"one is missing", append(bytes.Clone(file[:from]), file[to:]...), Damage{Blocks: 1, Journeys: 4}, 8},
		{"one comes twice", append(bytes.Clone(file[:to]), file[from:]...), Damage{Skipped: int64(to - from)}, 12},
		{"something follows", append(bytes.Clone(file), "more"...), Damage{Skipped: 4}, 12},
		{"something lies in between", append(append(bytes.Clone(file[:to]), "Hop\xb1 more"...), file[to:]...), Damage{Skipped: 9}, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewReader(bytes.NewReader(c.file))
			ok(t, err)
			got, err := collect(r)
			ok(t, err)
			if d := r.Damage(); d != c.want || len(got.journeys) != c.journeys || !isPart(got, whole) {
				t.Errorf("%d journeys, damage %+v, want %d, %+v", len(got.journeys), d, c.journeys, c.want)
			}
			if r.Damage().String() == "" {
				t.Error("nothing is said")
			}
		})
	}
}

func TestOtherFilesAndVersions(t *testing.T) {
	file, _ := small(t)
	versioned := func(major, minor uint16) []byte {
		b := bytes.Clone(file)
		le.PutUint16(b[8:], major)
		le.PutUint16(b[10:], minor)
		le.PutUint32(b[12:], checksum(b[:12]))
		return b
	}
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"nothing", nil, ErrNotCapture},
		{"text", []byte("a text that is long enough to be something"), ErrNotCapture},
		{"a magic only", file[:8], ErrEmpty},
		{"a preface only", file[:16], ErrEmpty},
		{"half a head", file[:60], ErrEmpty},
		{"a copy made as text", bytes.ReplaceAll(file, []byte("\r\n"), []byte("\n")), ErrNotCapture},
	} {
		if _, err := NewReader(bytes.NewReader(c.file)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	var newer *VersionError
	if _, err := NewReader(bytes.NewReader(versioned(2, 1))); !errors.As(err, &newer) || *newer != (VersionError{2, 1}) {
		t.Errorf("a newer major version: %v", err)
	}
	r, err := NewReader(bytes.NewReader(versioned(Major, 7)))
	ok(t, err)
	if _, minor := r.Version(); minor != 7 {
		t.Errorf("minor version %d, want 7", minor)
	}
	if c, err := collect(r); err != nil || len(c.journeys) != 12 || r.Damage().Any() {
		t.Errorf("a newer minor version: %d journeys, %v, %v", len(c.journeys), err, r.Damage())
	}
}

// TestNewerMinorVersion: what a later writer adds is passed over.
func TestNewerMinorVersion(t *testing.T) {
	var file bytes.Buffer
	var seq uint32
	put := func(h header, payload []byte) {
		h.seq, h.stored, h.raw, h.sum = seq, uint32(len(payload)), uint32(len(payload)), checksum(payload)
		seq++
		file.Write(h.append(nil))
		file.Write(payload)
	}
	file.Write(appendPreface(nil))
	put(header{kind: kindHead, records: 1}, []byte(`{"host":"h","colour":{"deep":[1,2]}}`))
	put(header{kind: 77, records: 3}, []byte("unheard of"))
	put(header{kind: kindJourneys, flags: 2, records: 3}, []byte("packed in a new way"))
	b := newBatch()
	j := newTraffic(1).next()
	ok(t, b.add(j))
	later := *j
	later.Ending = 99
	ok(t, b.add(&later))
	put(header{kind: kindJourneys, records: 2}, appendSection(b.appendTo(nil), 900, []byte("a new column")))
	put(header{kind: kindEnd, records: 1}, []byte(`{"ended":"duration","journeys":2,"status":{"mood":1}}`))

	r, err := NewReader(&file)
	ok(t, err)
	c, err := collect(r)
	ok(t, err)
	if r.Head().Host != "h" || len(c.journeys) != 1 || !reflect.DeepEqual(c.journeys[0], *j) || len(c.ends) != 1 {
		t.Errorf("head %+v, %+v", r.Head(), c)
	}
	if d := r.Damage(); d != (Damage{Unknown: 1}) {
		t.Errorf("damage %+v", d)
	}
}
