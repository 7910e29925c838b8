package list

import (
	"math/rand/v2"
	"testing"
)

func TestStaysWithItsRow(t *testing.T) {
	var l List[string]
	rows := []string{"a", "b", "c", "d"}
	at := func(i int) string { return rows[i] }
	l.Settle(4, at)
	rows = []string{"x", "a", "b", "c"}
	if l.Settle(4, at); l.Key() != "x" {
		t.Errorf("nobody moved it: it is at %q, want the top", l.Key())
	}
	l.Move(2)
	rows = []string{"b", "c", "x"}
	if l.Settle(3, at); l.Key() != "b" || l.At() != 0 {
		t.Errorf("it is at %q, want b", l.Key())
	}
	rows = []string{"x", "b", "c"}
	if l.Settle(3, at); l.Key() != "b" || l.At() != 1 {
		t.Errorf("it is at %q, want b", l.Key())
	}
	rows = []string{"x"}
	if l.Settle(1, at); l.Key() != "x" || l.At() != 0 {
		t.Errorf("b is gone: it is at %q", l.Key())
	}
	l.Settle(0, at)
	l.Move(1)
	l.Select("c")
	rows = []string{"x", "b", "c"}
	if l.Settle(3, at); l.At() != 2 {
		t.Errorf("c was chosen: it is at %q", l.Key())
	}
}

func TestCursorIsInSight(t *testing.T) {
	var l List[int]
	r := rand.New(rand.NewPCG(1, 1))
	at := func(i int) int { return i }
	for range 5000 {
		n, height := r.IntN(50), r.IntN(20)
		l.Settle(n, at)
		l.Move(r.IntN(40) - 20)
		from, to := l.InSight(height)
		if from < 0 || to > n || to-from > height || (n > 0 && height > 0 && (l.At() < from || l.At() >= to)) {
			t.Fatalf("%d to %d of %d in %d lines, cursor at %d", from, to, n, height, l.At())
		}
		if n >= height && to-from != height {
			t.Fatalf("%d to %d of %d leave lines of %d empty", from, to, n, height)
		}
	}
}

func TestClick(t *testing.T) {
	var l List[int]
	if hit, _ := l.Click(0); hit {
		t.Error("a list that was never painted was hit")
	}
	l.Settle(20, func(i int) int { return i })
	l.Move(12)
	lines := l.Paint([]string{"title"}, 5, func(i int) string { return string(rune('a' + i)) })
	if len(lines) != 6 || lines[1] != "i" || lines[5] != "m" {
		t.Fatalf("painted %q", lines)
	}
	for _, c := range []struct {
		line, at   int
		hit, again bool
	}{{0, 12, false, false}, {6, 12, false, false}, {2, 9, true, false}, {2, 9, true, true}, {5, 12, true, false}} {
		hit, again := l.Click(c.line)
		if hit != c.hit || again != c.again || l.At() != c.at {
			t.Errorf("line %d: %v, %v, at %d", c.line, hit, again, l.At())
		}
	}
}
