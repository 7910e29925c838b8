package look

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

func plainLook(ascii bool) *Look {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.Ascii)
	return New(r, "dark", ascii)
}

// TestBarsJoin has random shares of a whole: each bar begins where the one
// before it ends, and the last one ends at the right edge.
func TestBarsJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		width := 20 + r.IntN(180)
		n := 1 + r.IntN(8)
		parts := make([]float64, n)
		whole := 0.0
		for i := range parts {
			parts[i] = 0.5 + r.Float64() // no part is thinner than a column
			whole += parts[i]
		}
		begin, at := 0.0, 0
		for _, p := range parts {
			blank, filled, _, clipped := Mark{From: begin, To: begin + p}.Segments(whole, width)
			if blank != at || clipped {
				t.Fatalf("a bar begins at %d, the one before ends at %d", blank, at)
			}
			at = blank + filled
			begin += p
		}
		if at != width {
			t.Fatalf("the bars end at %d of %d", at, width)
		}
	}
}

func TestBarsFit(t *testing.T) {
	l := plainLook(false)
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		width := r.IntN(50)
		m := Mark{From: r.Float64() * 2, Whisker: r.Float64() * 5}
		m.To = m.From + r.Float64()
		if got := Width(l.Line(false, Bar(m, r.Float64()*3, width)...)); got != width {
			t.Fatalf("%+v takes %d columns of %d", m, got, width)
		}
	}
	for text, m := range map[string]Mark{
		"██████████": {To: 10},
		"  ████    ": {From: 2, To: 6},
		"  ████──┤ ": {From: 2, To: 6, Whisker: 9},
		"  ████───›": {From: 2, To: 6, Whisker: 90},
		"     ▏    ": {From: 5, To: 5.1},
		"         ▏": {From: 9.99, To: 10},
		"          ": {From: 3, To: 3},
	} {
		if got := l.Line(false, Bar(m, 10, 10)...); got != text {
			t.Errorf("%+v is %q, want %q", m, got, text)
		}
	}
}

func TestSpark(t *testing.T) {
	for _, c := range []struct {
		values []int64
		want   string
	}{
		{[]int64{1000, 1100, 1050}, "  ▁▁▁"}, // noise
		{[]int64{1000, -1, 1000, 8000, 64000}, "▁ ▁▅█"},
		{[]int64{9, 9, 9, 1, 1, 1, 1, 1}, "▁▁▁▁▁"},
		{nil, "     "},
		{[]int64{0, 0}, "   ▁▁"},
	} {
		if got := Spark(c.values, 5); got != c.want {
			t.Errorf("%v is %q, want %q", c.values, got, c.want)
		}
	}
}

func TestCells(t *testing.T) {
	l := plainLook(false)
	for _, c := range []struct {
		cell Cell
		want string
	}{
		{Cell{Text: "web", Width: 5}, "web  "},
		{Cell{Text: "web", Width: 5, Right: true}, "  web"},
		{Cell{Text: "frontend", Width: 5}, "fron…"},
		{Cell{Text: "数据库", Width: 5}, "数据…"},
		{Cell{Text: "数据库", Width: 4}, "数… "},
		{Cell{Text: "🐘", Width: 1}, "…"},
		{Cell{Text: "\x1b[31mred\x1b[0m\r\n", Width: 4}, "red "},
	} {
		if got := l.Line(false, c.cell); got != c.want {
			t.Errorf("%+v is %q, want %q", c.cell, got, c.want)
		}
	}
}

// TestASCIIKeepsTheWidth has every glyph of the screens.
func TestASCIIKeepsTheWidth(t *testing.T) {
	l := plainLook(true)
	for _, s := range []string{"→←↔µ…─│└├┤┊┬▸▾›•⇄†", "▁▂▃▄▅▆▇█░▒▓▏", "数据库🐘é", "−35 s · 14:03"} {
		got := l.Line(false, Cell{Text: s})
		if Width(got) != Width(s) {
			t.Errorf("%q becomes %q: another width", s, got)
		}
		for _, r := range got {
			if r > '~' {
				t.Errorf("%q becomes %q", s, got)
			}
		}
	}
	if got := l.Line(false, Cell{Text: "▁▂▃▄▅▆▇█ 45.6µs web→api"}); got != "_.-=+*%# 45.6us web>api" {
		t.Errorf("got %q", got)
	}
}

func TestRolesPaint(t *testing.T) {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.ANSI)
	for _, theme := range Themes() {
		l := New(r, theme, false)
		if got := l.Paint(Bad, "x"); !strings.HasPrefix(got, "\x1b[") || !strings.HasSuffix(got, "x\x1b[0m") {
			t.Errorf("%s paints %q", theme, got)
		}
		if got := l.Line(true, Cell{Text: "a", Role: Bad}, Cell{Text: "b", Role: Dim}); got != l.paint[Select].before+"ab"+l.paint[Select].after {
			t.Errorf("%s: the line under the cursor is %q", theme, got)
		}
		if Width(l.Paint(Title, "abc")) != 3 {
			t.Errorf("%s: paint has a width", theme)
		}
	}
	if NextTheme("light") != "contrast" || NextTheme("contrast") != "dark" || NextTheme("?") != "dark" {
		t.Error("themes do not go round")
	}
}

func FuzzCell(f *testing.F) {
	f.Add("web\x1b[2J", 5)
	f.Add("数\u0301\u200d🐘\xff", 3)
	l := plainLook(false)
	f.Fuzz(func(t *testing.T, s string, width int) {
		width = 1 + (width&0xff)%200
		got := Fit(l.Line(false, Cell{Text: s, Width: width}), width)
		if Width(got) != width {
			t.Errorf("%q is %d wide, want %d: %q", s, Width(got), width, got)
		}
		if strings.ContainsAny(got, "\x1b\r\n\x07") {
			t.Errorf("%q reaches the terminal as %q", s, got)
		}
	})
}
