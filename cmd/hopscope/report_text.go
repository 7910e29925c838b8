package main

import (
	"fmt"
	"strings"

	"github.com/hopscope/hopscope/pkg/probe"
)

// report is doctor's text: a line a finding, "ok" or "--" in front.
type report struct{ strings.Builder }

func (r *report) section(title string) {
	if r.Len() > 0 {
		r.WriteByte('\n')
	}
	r.WriteString(title + "\n")
}

func (r *report) row(ok bool, name, detail, mend string) {
	mark := "--"
	if ok {
		mark = "ok"
	}
	fmt.Fprintf(r, "  %s  %-36s %s\n", mark, name, detail)
	if mend != "" {
		fmt.Fprintf(r, "      %-36s mend: %s\n", "", mend)
	}
}

func (r *report) capability(c probe.Capability) {
	switch {
	case c.Available:
		r.row(true, c.Name, "", "")
	case c.Essential:
		r.row(false, c.Name, "tracing is not possible without it", c.Mend)
	default:
		r.row(false, c.Name, "lost: "+c.Lost, c.Mend)
	}
}
