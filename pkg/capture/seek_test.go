package capture

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
)

// seconds writes a capture with a status after each second, and as many of all
// kinds of records in each, in two blocks of journeys.
func seconds(t testing.TB, n int) (path string, start time.Time) {
	t.Helper()
	w, path := create(t, Options{Head: testHead(), Symbols: kernelNames{}, FlushEvery: time.Hour})
	made := newTraffic(9)
	ok(t, w.Inventory(1, testFacts()))
	begin := made.next().Start
	for s := range n {
		from := begin + uint64(s)*1e9
		for i := range 40 {
			j := made.next()
			j.Start = from + uint64(i)*20e6
			if i == 7 {
				j = dropped(j)
			}
			ok(t, w.Journey(j, nil))
			if i == 20 {
				ok(t, w.Flush())
			}
		}
		ok(t, w.Drops(dropsInForward(uint64(s+1))))
		status := testStatus(from + 1e9)
		status.DurationNs = int64(s+1) * 1e9
		if s == n/4 {
			ok(t, w.Servers([]Server{{6, made.conns[0].client}}))
		}
		ok(t, w.Status(status))
	}
	ok(t, w.Close(End{Ended: "duration", Status: testStatus(begin + uint64(n)*1e9)}))
	return path, testHead().MonotonicZero.Add(time.Duration(begin))
}

// parts are moments from and to in seconds; negative: not given.
func parts(start time.Time, n int) (out [][2]time.Time) {
	at := func(s float64) (at time.Time) {
		if s >= 0 {
			at = start.Add(time.Duration(s * 1e9))
		}
		return at
	}
	for _, c := range [][2]float64{{-1, -1}, {0, 3}, {5, -1}, {float64(n) / 2, float64(n)/2 + 2.5}, {float64(n) - 1.2, -1}, {float64(2 * n), -1}, {-1, 4}} {
		out = append(out, [2]time.Time{at(c[0]), at(c[1])})
	}
	return out
}

// wholeRead is what is read of a part by who reads the whole file.
func wholeRead(t testing.TB, path string, f Filter) (model.Snapshot, *Summary) {
	t.Helper()
	r, err := Open(path)
	ok(t, err)
	defer r.Close()
	agg := model.New(model.Limits{})
	s, err := Replay(r, agg, f)
	ok(t, err)
	return s.Snapshot(agg), s
}

// TestPartIsThatOfTheWhole reads parts of a capture by its index and by
// filtering the whole: they are the same, to the last digit. The servers are
// those that a whole reading would have learned by then.
func TestPartIsThatOfTheWhole(t *testing.T) {
	const n = 150
	path, start := seconds(t, n)
	contents, err := Survey(path)
	ok(t, err)
	if len(contents.index.marks) != n || contents.Journeys != 40*n || contents.Damage.Any() {
		t.Fatalf("%d marks, %d journeys, %v", len(contents.index.marks), contents.Journeys, contents.Damage)
	}
	for _, p := range parts(start, n) {
		f, err := Choice{From: p[0], To: p[1]}.Filter(contents)
		ok(t, err)
		want, whole := wholeRead(t, path, f)
		agg := model.New(model.Limits{})
		s, err := contents.ReplayPart(agg, f, p[0], p[1])
		ok(t, err)
		if got := s.Snapshot(agg); !bytes.Equal(asJSON(t, got), asJSON(t, want)) {
			t.Errorf("from %v to %v: %s", p[0], p[1], firstDifference(asJSON(t, got), asJSON(t, want)))
		}
		if s.Journeys != whole.Journeys || s.Damage.Any() {
			t.Errorf("from %v to %v: %d journeys, want %d, damage %v", p[0], p[1], s.Journeys, whole.Journeys, s.Damage)
		}
	}
}

// TestPartReadsNoMore damages all that need not be read: nobody notices.
func TestPartReadsNoMore(t *testing.T) {
	const n = 200
	path, start := seconds(t, n)
	contents, err := Survey(path)
	ok(t, err)
	from, to := start.Add(100*time.Second), start.Add(101*time.Second)
	f, err := Choice{From: from, To: to}.Filter(contents)
	ok(t, err)
	want, _ := wholeRead(t, path, f)

	file, err := os.ReadFile(path)
	ok(t, err)
	damaged, at, second := 0, sizePreface, 0
	for _, h := range blocksOf(t, file) {
		if h.kind == kindStatus {
			second++
		}
		// What comes a minute late may be of the part.
		if (h.kind == kindJourneys || h.kind == kindExtra) && (second < 95 || second > 165) {
			file[at+sizeHeader] ^= 0xff
			damaged++
		}
		at += sizeHeader + int(h.stored)
	}
	ok(t, os.WriteFile(path, file, 0o600))
	if damaged < n {
		t.Fatalf("only %d blocks are damaged", damaged)
	}
	again, err := Survey(path)
	ok(t, err)
	if again.Damage.Any() || again.Journeys != 40*n {
		t.Errorf("the survey reads what it passes over: %v, %d journeys", again.Damage, again.Journeys)
	}
	agg := model.New(model.Limits{})
	s, err := again.ReplayPart(agg, f, from, to)
	ok(t, err)
	if s.Damage.Any() || !bytes.Equal(asJSON(t, s.Snapshot(agg)), asJSON(t, want)) {
		t.Errorf("damage %v, %s", s.Damage, firstDifference(asJSON(t, s.Snapshot(agg)), asJSON(t, want)))
	}
}

// blocksOf are the headers of a sound file.
func blocksOf(t testing.TB, file []byte) (out []header) {
	t.Helper()
	for at := sizePreface; at < len(file); {
		h, valid := parseHeader(file[at:])
		if !valid {
			t.Fatalf("no block at %d", at)
		}
		out = append(out, h)
		at += sizeHeader + int(h.stored)
	}
	return out
}

// TestPartOfADamagedFile changes bytes all over a file, and cuts it: what is
// read of a part by the index is what is read of it by reading the whole.
func TestPartOfADamagedFile(t *testing.T) {
	const n = 12
	path, start := seconds(t, n)
	file, err := os.ReadFile(path)
	ok(t, err)
	from := start.Add(7 * time.Second)
	bad := filepath.Join(t.TempDir(), "bad.hop")
	check := func(what string, at int, content []byte) {
		t.Helper()
		ok(t, os.WriteFile(bad, content, 0o600))
		contents, err := Survey(bad)
		if err != nil {
			if _, also := Open(bad); also == nil {
				t.Fatalf("%s %d: %v", what, at, err)
			}
			return
		}
		f := Filter{Journey: (&matcher{choice: Choice{From: from}, zero: testHead().MonotonicZero}).journey}
		_, whole := wholeRead(t, bad, f)
		s, err := contents.ReplayPart(model.New(model.Limits{}), f, from, time.Time{})
		ok(t, err)
		if s.Journeys != whole.Journeys || s.Damage.NoEnd != whole.Damage.NoEnd || s.Damage.Journeys > whole.Damage.Journeys {
			t.Fatalf("%s %d: %d journeys, damage %+v; of the whole %d and %+v", what, at, s.Journeys, s.Damage, whole.Journeys, whole.Damage)
		}
	}
	for at := 0; at < len(file); at += 97 {
		content := bytes.Clone(file)
		content[at] ^= 0x41
		check("byte", at, content)
		check("cut to", at, file[:at])
	}
}

// TestIndexIsBounded adds more statuses than an index keeps, some of a wrong
// time: what is found is never after what is looked for, nor far before it.
func TestIndexIsBounded(t *testing.T) {
	var x index
	const n = 5*maxMarks + 7
	for i := range uint64(n) {
		x.add(mark{at: i * 1e9, next: i})
		if i%1000 == 500 {
			x.add(mark{at: 3})
		}
	}
	if len(x.marks) > maxMarks {
		t.Errorf("%d marks", len(x.marks))
	}
	for _, second := range []uint64{100, 4711, 99_999, n - 1} {
		m, found := x.before(second * 1e9)
		if !found || m.at+uint64(statusAge) >= second*1e9 || m.at+30e9 < second*1e9 {
			t.Errorf("before %d s: %+v, %v", second, m, found)
		}
	}
	if m, found := x.before(1); found {
		t.Errorf("%+v", m)
	}
}
