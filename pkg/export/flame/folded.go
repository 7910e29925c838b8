package flame

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Stack is a leaf with all frames above it but the root, and its values.
type Stack struct {
	Frames []string
	Values []uint64
}

// Stacks lists the leaves from left to right.
func (t *Tree) Stacks() []Stack {
	var out []Stack
	var walk func(f *Frame, above []string)
	walk = func(f *Frame, above []string) {
		above = append(above[:len(above):len(above)], foldedName(f.Name))
		if len(f.Children) == 0 && len(f.Values) > 0 {
			out = append(out, Stack{Frames: above, Values: f.Values})
		}
		for _, c := range f.Children {
			walk(c, above)
		}
	}
	for _, c := range t.Root.Children {
		walk(c, nil)
	}
	return out
}

// foldedName takes from a name what separates frames.
func foldedName(name string) string { return strings.ReplaceAll(name, ";", ",") }

// Folded writes one value of each stack, if it is not 0, as "frame;frame;frame
// value", one a line: the form that flame graph tools exchange (Brendan Gregg's
// stackcollapse scripts).
func Folded(w io.Writer, stacks []Stack, measure int) error {
	out := bufio.NewWriter(w)
	for _, s := range stacks {
		if v := s.Values[measure]; v > 0 {
			fmt.Fprintf(out, "%s %d\n", strings.Join(s.Frames, ";"), v)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write folded stacks: %w", err)
	}
	return nil
}

// ParseFolded reads what Folded writes: stacks of one value. It fails on a line without a value.
func ParseFolded(r io.Reader) ([]Stack, error) {
	var out []Stack
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at <= 0 {
			return nil, fmt.Errorf("read folded stacks: line %d has no value", n)
		}
		v, err := strconv.ParseUint(line[at+1:], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read folded stacks: line %d: %w", n, err)
		}
		out = append(out, Stack{Frames: strings.Split(line[:at], ";"), Values: []uint64{v}})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read folded stacks: %w", err)
	}
	return out, nil
}
