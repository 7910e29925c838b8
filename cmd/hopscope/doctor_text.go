package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// marks stand in front of a line.
var marks = map[string]string{checkOK: "ok", checkLost: "--", checkMissing: "!!", checkInfo: "  "}

func (c *checkup) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(c)
}

func (c *checkup) writeText(w io.Writer) error {
	var b strings.Builder
	for _, s := range c.Sections {
		fmt.Fprintf(&b, "%s\n", s.Title)
		for _, x := range s.Checks {
			x.write(&b)
		}
		b.WriteByte('\n')
	}
	c.writeFindings(&b)
	b.WriteString(c.verdict() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (x check) write(b *strings.Builder) {
	line := fmt.Sprintf("  %s  %-34s %s", marks[x.Status], x.Name, oneLine(x.Detail))
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	if x.Lost != "" {
		fmt.Fprintf(b, "      lost: %s\n", oneLine(x.Lost))
	}
	if x.Mend != "" {
		fmt.Fprintf(b, "      mend: %s\n", x.Mend)
	}
}

// oneLine keeps the verifier's log, which a kernel error may carry, out of a
// table.
func oneLine(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return first
}

func (c *checkup) writeFindings(b *strings.Builder) {
	if len(c.Findings) == 0 {
		b.WriteString("nothing on this host was found to cost latency by itself\n\n")
		return
	}
	b.WriteString("what costs latency or packets on this host\n")
	for _, f := range c.Findings {
		fmt.Fprintf(b, "  %s: %s\n      evidence: %s\n", f.Severity, f.Text, f.Evidence)
		if f.Mend != "" {
			fmt.Fprintf(b, "      mend: %s\n", f.Mend)
		}
	}
	b.WriteByte('\n')
}

func (c *checkup) verdict() string {
	switch {
	case !c.Works:
		return "tracing does not work here"
	case c.Degraded:
		return "tracing works, with less than everything: see the lines with --"
	}
	return "tracing works"
}
