package terminal

import (
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	var s style
	got := s.parse("a\x1b[1;31mb\x1b[38;5;196mc\x1b[48;2;1;2;3md\x1b[7me\x1b[0mf\x1b[97mg")
	want := []run{
		{"a", style{}}, {"b", style{bold: true, fg: indexed(1)}}, {"c", style{bold: true, fg: "#ff0000"}},
		{"d", style{bold: true, fg: "#ff0000", bg: "#010203"}},
		{"e", style{bold: true, fg: "#ff0000", bg: "#010203", reversed: true}}, {"f", style{}}, {"g", style{fg: "#ffffff"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if rest := s.parse("h"); rest[0].fg != "#ffffff" {
		t.Error("the style does not go on in the next line")
	}
}

// TestSVG draws text, bars and what would be mark-up.
func TestSVG(t *testing.T) {
	got := SVG(" ab <x> ██▌░\n\x1b[32m  c\n", "a & b")
	d := xml.NewDecoder(strings.NewReader(got))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v\n%s", err, got)
		}
	}
	for _, want := range []string{
		`x="20.4" y="25.5" textLength="16.8" lengthAdjust="spacingAndGlyphs" fill="#d7dae0">ab</text>`,
		`x="45.6" y="25.5"`, `>&lt;x&gt;</text>`, `<title>a &amp; b</title>`,
		`<rect x="79.20" y="12.00" width="16.80" height="18.00"`,        // two full blocks are one box
		`<rect x="96.00" y="12.00" width="4.20"`, `fill-opacity="0.25"`, // half a cell; a shade
		`fill="` + indexed(2) + `">c</text>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
}
