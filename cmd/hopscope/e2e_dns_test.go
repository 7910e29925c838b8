package main

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab/program"
)

// What a container asks is in the summary and in the capture, unless --no-dns
// says otherwise: then both say that it is not known.
func (s *shop) nameServers(t *testing.T) {
	for _, x := range []struct {
		flags []string
		rows  int
	}{{nil, 1}, {[]string{"--no-dns"}, 0}} {
		path := s.file(t)
		run := program.Start(t, append([]string{"trace", "-d", "1m", "-c", s.client.Name, "--format", "json", "-o", path}, x.flags...)...)
		run.Tracing(t)
		s.client.Run("resolve", "--count", "50", "web")
		r := run.Interrupt(t)
		if r.Code != 0 {
			t.Fatalf("%v: exit code %d: %s", x.flags, r.Code, r.Stderr)
		}
		got := parse(t, r.Stdout).DNS
		if len(got) != x.rows || (got == nil) != (x.rows == 0) {
			t.Errorf("%v: rows %+v, want %d", x.flags, got, x.rows)
		}
		for _, d := range got {
			if d.Container == nil || *d.Container != s.client.Name || d.Queries != 50 || d.Rcode["NOERROR"] != 50 || d.Resolver != "127.0.0.11" {
				t.Errorf("row %+v", d)
			}
		}
		if report := s.reportOf(t, path); report.Stdout != r.Stdout {
			t.Errorf("%v: the report is not the summary:\n%.3000s\n%.3000s", x.flags, report.Stdout, r.Stdout)
		}
		table := program.Run(t, "report", path)
		if strings.Contains(table.Stdout, "(docker dns) 127.0.0.11: 50 queries") != (x.rows == 1) {
			t.Errorf("%v: the table\n%s", x.flags, table.Stdout)
		}
	}
}
