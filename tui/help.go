package tui

import (
	"github.com/charmbracelet/bubbles/key"

	"github.com/hopscope/hopscope/tui/look"
)

// helpPage lists the keys of the screen at hand and those of all screens, side
// by side where there is room, and says what the words mean.
func (a *app) helpPage(height int) []string {
	l := a.look
	own := a.keyLines(titles()[a.at], a.screens[a.at].Keys())
	k := a.keys
	all := a.keyLines("everywhere", append(append([]key.Binding(nil), k.Screens...),
		k.Window, k.Freeze, k.Earlier, k.Later, k.Faster, k.Slower, k.Begin, k.Up, k.Down, k.PageUp, k.PageDown, k.Home, k.End, k.Record, k.Export, k.Theme, k.Quit))
	words := append([]string{l.Paint(look.Title, " "+"words")}, a.words()...)
	switch {
	case a.width >= 100:
		return beside([]int{a.width / 4, a.width / 4, a.width / 2}, own, all, words)
	case a.width >= 60:
		left := append(append(own, ""), words...)
		return beside([]int{a.width * 5 / 8, a.width * 3 / 8}, left, all)
	}
	return append(append(own, all...), words...)[:min(height, len(own)+len(all)+len(words))]
}

func (a *app) keyLines(title string, bindings []key.Binding) []string {
	lines := []string{a.look.Paint(look.Title, " "+title)}
	for _, b := range bindings {
		if !b.Enabled() {
			continue
		}
		h := b.Help()
		lines = append(lines, a.look.Line(false, look.Cell{Text: "  " + h.Key, Width: 10, Role: look.Accent}, look.Cell{Text: h.Desc}))
	}
	return lines
}

func (a *app) words() []string {
	var out []string
	estimate := "an estimate: not measured, but concluded"
	if a.look.ASCII {
		estimate = "after a number: an estimate; else cut off"
	}
	for _, w := range [][2]string{
		{"hop", "time between two places of a packet's way"},
		{"share", "of the time of all packets of the path"},
		{"tail", "share of the time of the slowest 1 %"},
		{"p99", "99 of 100 packets took less"},
		{"█──┤", "bar: the mean (W: others), line: on to p99"},
		{"█──›", "the same, beyond the edge"},
		{"~", estimate},
		{"lost", "packets this tool lost sight of, not drops"},
		{"drops", "packets the network lost, where they died"},
		{"app", "a server's time to answer, waits included"},
		{"retr", "segments that TCP sent again, by sender"},
		{"†", "a container that does not run any more"},
	} {
		out = append(out, a.look.Line(false, look.Cell{Text: "  " + w[0], Width: 8, Role: look.Accent}, look.Cell{Text: w[1]}))
	}
	return out
}

// beside puts columns of lines side by side.
func beside(widths []int, columns ...[]string) []string {
	n := 0
	for _, c := range columns {
		n = max(n, len(c))
	}
	out := make([]string, n)
	for i := range out {
		for k, c := range columns {
			line := ""
			if i < len(c) {
				line = c[i]
			}
			out[i] += look.Fit(line, widths[k])
		}
	}
	return out
}
