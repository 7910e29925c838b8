// Package look is how things are painted: roles instead of colours, cells of a
// known width, and text that is fit for a terminal. Everything that comes from
// outside reaches the screen through it.
package look

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// Role is what a piece of text means; a theme gives it a colour. A role is
// never the only carrier of a meaning.
type Role uint8

// The roles.
const (
	Plain   Role = iota
	Dim          // secondary
	Title        // headings
	Accent       // names of keys, links
	Good         // as it should be
	Warn         // look at it
	Bad          // act
	Select       // under the cursor
	Fill         // filled part of a bar
	Whisker      // from a bar to its p99
	Heat0        // heat map, fewest packets
	Heat1
	Heat2
	Heat3 // most packets
	roles
)

// Latency is the role of a p99 in ns: within one host, a millisecond is to be looked
// at.
func Latency(ns int64) Role {
	switch {
	case ns >= 20e6:
		return Bad
	case ns >= 1e6:
		return Warn
	}
	return Plain
}

// HeatRoles is how many degrees of heat there are.
const HeatRoles = 4

// Look paints. It is immutable.
type Look struct {
	ASCII bool   // nothing but ASCII leaves it
	Theme string // one of Themes
	paint [roles]paint
}

// paint is what a terminal is sent before and after a text.
type paint struct{ before, after string }

// Themes are the names of the themes, in the order in which `t` goes round.
func Themes() []string { return []string{"dark", "light", "contrast"} }

// New makes a look for the renderer's colour profile. A theme that is not known
// is dark.
func New(r *lipgloss.Renderer, theme string, ascii bool) *Look {
	l := &Look{ASCII: ascii, Theme: theme}
	for role, s := range palette(r, theme) {
		l.paint[role] = paintOf(s)
	}
	return l
}

// paintOf finds what a style puts around a text, once instead of for each text.
func paintOf(s lipgloss.Style) paint {
	before, after, _ := strings.Cut(s.Render("x"), "x")
	return paint{before, after}
}

// NextTheme is the one after the given one.
func NextTheme(theme string) string {
	all := Themes()
	for i, t := range all {
		if t == theme {
			return all[(i+1)%len(all)]
		}
	}
	return all[0]
}

// colour has a value for each profile, so that 16 colours are chosen, not
// guessed.
func colour(rgb, ansi256, ansi string) lipgloss.TerminalColor {
	return lipgloss.CompleteColor{TrueColor: rgb, ANSI256: ansi256, ANSI: ansi}
}

func palette(r *lipgloss.Renderer, theme string) map[Role]lipgloss.Style {
	fg := func(c lipgloss.TerminalColor) lipgloss.Style { return r.NewStyle().Foreground(c) }
	bold := r.NewStyle().Bold(true)
	switch theme {
	case "light":
		return map[Role]lipgloss.Style{
			Dim: fg(colour("#6c6f85", "243", "8")), Title: bold,
			Accent: fg(colour("#1e66f5", "26", "4")), Good: fg(colour("#40803b", "28", "2")),
			Warn: fg(colour("#a66a00", "130", "3")), Bad: fg(colour("#c2182b", "124", "1")).Bold(true),
			Select: r.NewStyle().Reverse(true),
			Fill:   fg(colour("#1e66f5", "26", "4")), Whisker: fg(colour("#6c6f85", "243", "8")),
			Heat0: fg(colour("#9db8e8", "110", "6")), Heat1: fg(colour("#4d7fd6", "32", "4")),
			Heat2: fg(colour("#a66a00", "130", "3")), Heat3: fg(colour("#c2182b", "124", "1")).Bold(true),
		}
	case "contrast":
		return map[Role]lipgloss.Style{
			Title: bold, Accent: bold, Warn: bold, Bad: r.NewStyle().Bold(true).Underline(true),
			Select: r.NewStyle().Reverse(true), Heat3: bold,
		}
	}
	return map[Role]lipgloss.Style{
		Dim: fg(colour("#8a8fa3", "246", "8")), Title: bold,
		Accent: fg(colour("#7fb4ff", "111", "6")), Good: fg(colour("#8fd19e", "114", "2")),
		Warn: fg(colour("#f0c060", "221", "3")), Bad: fg(colour("#ff7070", "203", "1")).Bold(true),
		Select: r.NewStyle().Reverse(true),
		Fill:   fg(colour("#7fb4ff", "111", "6")), Whisker: fg(colour("#8a8fa3", "246", "8")),
		Heat0: fg(colour("#35507a", "24", "4")), Heat1: fg(colour("#4f8bd6", "68", "6")),
		Heat2: fg(colour("#f0c060", "221", "3")), Heat3: fg(colour("#ff7070", "203", "1")).Bold(true),
	}
}
