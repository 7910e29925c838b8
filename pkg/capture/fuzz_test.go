package capture

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/journey"
)

// FuzzReader: no file panics or hangs the reader, and what it gives adds up.
func FuzzReader(f *testing.F) {
	file, _ := small(f)
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		defer r.Close()
		c, err := collect(r)
		if err != nil {
			t.Fatal(err)
		}
		checkJourneys(t, c.journeys)
		// Alone, a reader's answer is the same.
		again, err := NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if d, err := collect(again); err != nil || !reflect.DeepEqual(c, d) || r.Damage() != again.Damage() {
			t.Fatalf("read again: %v, %+v and %+v", err, r.Damage(), again.Damage())
		}
	})
}

// FuzzBlock reaches behind the checksums: a block of any kind with any payload
// is read whole or not at all.
func FuzzBlock(f *testing.F) {
	b := newBatch()
	made := newTraffic(1)
	for range 3 {
		if err := b.add(made.next()); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(byte(kindJourneys), uint32(3), b.appendTo(nil))
	f.Add(byte(kindExtra), uint32(1), []byte("\x03dns\x01\x02\x01x"))
	signals := extraBatch{kind: extraExchange, version: 1}
	r := rand.New(rand.NewPCG(5, 5))
	for range 4 {
		x := oddExchange(r)
		signals.add(Extra{At: x.Start + x.Total, Data: appendExchange(nil, x)})
	}
	f.Add(byte(kindExtra), uint32(4), signals.appendTo(nil))
	for kind, text := range map[string]string{
		extraDrops: `{"Reason":8,"Stack":[1,2],"Src":"10.0.0.1","Count":3}`, extraRetransmits: `{"Local":"::1","Segments":{"rto":1}}`,
		extraCounters: `[{"Kind":"softnet_dropped","N":1}]`, extraLookups: `{"Resolver":"10.0.0.1","Outcome":1}`,
		extraConnect: `{"Remote":"10.0.0.1","Error":111}`, extraResets: `{"Sent":1}`,
	} {
		one := extraBatch{kind: kind, version: 1}
		one.add(Extra{At: 5, Data: []byte(text)})
		f.Add(byte(kindExtra), uint32(1), one.appendTo(nil))
	}
	f.Add(byte(kindInventory), uint32(1), []byte(`{"at":1,"facts":{"Containers":[{"Name":"web"}]}}`))
	f.Add(byte(kindSymbols), uint32(1), []byte(`{"reasons":{"8":"x"},"symbols":{"1":"y"}}`))
	f.Add(byte(kindEnd), uint32(1), []byte(`{"ended":"signal","journeys":18446744073709551615}`))
	f.Fuzz(func(t *testing.T, k byte, records uint32, payload []byte) {
		var file bytes.Buffer
		file.Write(appendPreface(nil))
		for seq, b := range []block{
			{header{kind: kindHead}, []byte("{}")},
			{header{kind: kind(k), records: records % (maxJourneys + 2)}, payload},
		} {
			n := uint32(len(b.payload))
			b.seq, b.stored, b.raw, b.sum = uint32(seq), n, n, checksum(b.payload)
			file.Write(b.header.append(nil))
			file.Write(b.payload)
		}
		r, err := NewReader(&file)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c, err := collect(r)
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(len(c.journeys)) + r.Damage().Unknown
		if n != 0 && n != uint64(records%(maxJourneys+2)) {
			t.Fatalf("%d journeys of %d", n, records)
		}
		checkJourneys(t, c.journeys)
	})
}

// checkJourneys: times add up, and another writer's file holds the same.
func checkJourneys(t *testing.T, list []journey.Journey) {
	t.Helper()
	b := newBatch()
	for i := range list {
		j := &list[i]
		var sum time.Duration
		for _, h := range j.Hops(nil) {
			if h.Duration < 0 {
				t.Fatalf("a hop of %v", h.Duration)
			}
			sum += h.Duration
		}
		if sum != j.Total() {
			t.Fatalf("hops sum to %v, the journey to %v", sum, j.Total())
		}
		if err := b.add(j); err != nil {
			t.Fatal(err)
		}
	}
	if len(list) == 0 || len(list) > maxJourneys {
		return
	}
	var d journeys
	if err := d.load(b.appendTo(nil), len(list)); err != nil {
		t.Fatal(err)
	}
	var j journey.Journey
	for i := range list {
		if !d.read(&j) || !reflect.DeepEqual(j, list[i]) {
			t.Fatalf("journey %d came back as\n%+v, was\n%+v", i, j, list[i])
		}
	}
}
