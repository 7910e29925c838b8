package terminal

import (
	"fmt"
	"strconv"
	"strings"
)

// style is how a cell is painted. Colours are SVG's; empty is the terminal's
// own.
type style struct {
	fg, bg                          string
	bold, dim, underlined, reversed bool
}

// run is a piece of a line in one style.
type run struct {
	text string
	style
}

// parse splits a line of tmux's capture-pane -e into runs. The style goes on
// from line to line. Of the escape sequences only those that set colours and
// the like are there (ECMA-48, SGR).
func (s *style) parse(line string) []run {
	var out []run
	for line != "" {
		at := strings.Index(line, "\x1b[")
		if at < 0 {
			return append(out, run{line, *s})
		}
		if at > 0 {
			out = append(out, run{line[:at], *s})
		}
		line = line[at+2:]
		end := strings.IndexFunc(line, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			return out
		}
		if line[end] == 'm' {
			s.set(strings.Split(strings.ReplaceAll(line[:end], ":", ";"), ";"))
		}
		line = line[end+1:]
	}
	return out
}

// set obeys the parameters of one sequence.
func (s *style) set(codes []string) {
	for i := 0; i < len(codes); i++ {
		n, _ := strconv.Atoi(codes[i]) // nothing is 0
		switch n {
		case 0:
			*s = style{}
		case 1:
			s.bold = true
		case 2:
			s.dim = true
		case 4:
			s.underlined = true
		case 7:
			s.reversed = true
		case 22:
			s.bold, s.dim = false, false
		case 24:
			s.underlined = false
		case 27:
			s.reversed = false
		case 39:
			s.fg = ""
		case 49:
			s.bg = ""
		case 38, 48:
			colour, used := extended(codes[i+1:])
			i += used
			if n == 38 {
				s.fg = colour
			} else {
				s.bg = colour
			}
		default:
			s.basic(n)
		}
	}
}

// basic sets one of the sixteen colours.
func (s *style) basic(n int) {
	switch {
	case n >= 30 && n <= 37:
		s.fg = indexed(n - 30)
	case n >= 90 && n <= 97:
		s.fg = indexed(n - 90 + 8)
	case n >= 40 && n <= 47:
		s.bg = indexed(n - 40)
	case n >= 100 && n <= 107:
		s.bg = indexed(n - 100 + 8)
	}
}

// extended is a colour of 256, or of all; used are the parameters that it took.
func extended(codes []string) (colour string, used int) {
	number := func(i int) int {
		n, _ := strconv.Atoi(codes[i])
		return n
	}
	switch {
	case len(codes) >= 2 && codes[0] == "5":
		return indexed(number(1)), 2
	case len(codes) >= 4 && codes[0] == "2":
		return fmt.Sprintf("#%02x%02x%02x", number(1), number(2), number(3)), 4
	}
	return "", len(codes)
}

// indexed is one of the 256 colours: sixteen named ones, a cube of 6×6×6, and 24
// greys (xterm's 256colres.h).
func indexed(n int) string {
	named := []string{
		"#1b1e28", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
		"#5c6370", "#ff7b86", "#b5e890", "#ffd68a", "#7fc4ff", "#de8df0", "#6fd6e3", "#ffffff",
	}
	level := func(n int) int {
		if n == 0 {
			return 0
		}
		return 55 + 40*n
	}
	switch {
	case n < 0 || n > 255:
		return ""
	case n < 16:
		return named[n]
	case n < 232:
		n -= 16
		return fmt.Sprintf("#%02x%02x%02x", level(n/36), level(n/6%6), level(n%6))
	}
	grey := 8 + 10*(n-232)
	return fmt.Sprintf("#%02x%02x%02x", grey, grey, grey)
}
