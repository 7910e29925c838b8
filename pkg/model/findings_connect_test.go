package model

import (
	"strings"
	"testing"
)

// Resets that a client received are told unless they refused a connection, are
// few, or a small part.
func TestResetsAreAFinding(t *testing.T) {
	side := func(received, refused, ok uint64) TCP {
		return TCP{
			From: End{Name: "web"}, To: End{Name: "api"}, Port: 8000, Role: "client",
			Resets: &Resets{Received: received}, Connects: &Connects{Refused: refused, OK: ok},
		}
	}
	server := side(40, 0, 100)
	server.Role = "server"
	unknown := side(40, 0, 100)
	unknown.Connects = nil
	for name, c := range map[string]struct {
		row  TCP
		want string
	}{
		"a share":              {side(38, 0, 100), "api resets 38.0% of web's connections (tcp/8000)"},
		"of older connections": {side(5, 0, 0), "api sent web's connections 5 resets (tcp/8000)"},
		"beside refused ones":  {side(10, 6, 40), "api resets 10.0% of web's connections (tcp/8000)"},
		"refused":              {side(10, 10, 0), ""},
		"few":                  {side(2, 0, 10), ""},
		"a small part":         {side(40, 0, 1000), ""},
		"the server's side":    {server, ""},
		"not known":            {unknown, ""},
	} {
		got := ""
		for _, f := range failures([]TCP{c.row}) {
			if f.Kind == "resets" {
				got = f.Text
				if f.Evidence == "" || !strings.Contains(f.Mend, "api") {
					t.Errorf("%s: %+v", name, f)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
