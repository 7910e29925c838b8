package flame

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/pkg/printable"
)

const (
	svgWidth  = 1600.0
	svgMargin = 10.0
	svgRow    = 22.0
	svgLine   = 17.0
	svgLetter = 7.3 // px of one letter of 12 px monospace
	svgLeast  = 0.2 // px: what is narrower is not drawn
)

// svgStyle has the colors of page.css.
const svgStyle = `
svg{background:#fff}text{font:12px ui-monospace,"DejaVu Sans Mono",monospace;fill:#1c1e21;pointer-events:none}
.title{font:bold 16px system-ui,sans-serif}.note{font:12px system-ui,sans-serif;fill:#5c636d}
rect{fill:#e9ecf0;stroke:#fff;stroke-width:.8}.container{fill:#c9d7ee}.path{fill:#dbe4f2}
.h1{fill:#f6b26b}.h2{fill:#ffd966}.h3{fill:#a8d08d}.h4{fill:#8fd3c8}.h5{fill:#9fc5e8}
.h6{fill:#b4a7e0}.h7{fill:#e3a7d1}.h8{fill:#ef9a8d}.h9{fill:#d9c39a}.h10{fill:#c3cf6d}
.slower{fill:#d62728}.faster{fill:#1f63d6}
@media (prefers-color-scheme:dark){svg{background:#16181c}text{fill:#e4e6ea}.note{fill:#9aa2ad}
rect{fill:#2b2f36;stroke:#16181c}.container{fill:#33466b}.path{fill:#2d3a52}
.h1{fill:#8a5a1c}.h2{fill:#7d6611}.h3{fill:#44692b}.h4{fill:#1f6b60}.h5{fill:#2b5f8e}
.h6{fill:#56479a}.h7{fill:#86407a}.h8{fill:#8f3e33}.h9{fill:#6d5a30}.h10{fill:#5d6615}
.slower{fill:#d62728}.faster{fill:#1f63d6}}
`

// SVG writes one view of the tree as a still picture; hovering a box names it.
func SVG(w io.Writer, t *Tree, v View) error {
	p := &picture{view: v}
	p.draw(t)
	if _, err := w.Write(p.Bytes()); err != nil {
		return fmt.Errorf("write SVG flame: %w", err)
	}
	return nil
}

type picture struct {
	bytes.Buffer
	view  View
	whole uint64
	most  float64 // the largest change of a leaf
	cells runewidth.Condition
}

func (p *picture) draw(t *Tree) {
	boxes := layout(t.Root, p.view, svgWidth-2*svgMargin)
	rows := 0
	for _, b := range boxes {
		rows = max(rows, b.depth+1)
		if len(b.frame.Children) == 0 {
			p.most = max(p.most, math.Abs(b.change(p.view)))
		}
	}
	top := svgMargin + 28 + svgLine*float64(len(t.Notes)+1)
	height := top + svgRow*float64(rows) + svgMargin
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %[1]g %[2]g">`, svgWidth, height)
	fmt.Fprintf(p, "\n<title>%s</title>\n<style>%s</style>\n", escape(t.Title), svgStyle)
	p.text("title", svgMargin, svgMargin+16, t.Title)
	for i, note := range append(t.Notes[:len(t.Notes):len(t.Notes)], "width: "+p.view.Name) {
		p.text("note", svgMargin, svgMargin+20+svgLine*float64(i+1), note)
	}
	if len(boxes) > 0 {
		p.whole = boxes[0].value
	}
	for _, b := range boxes {
		p.box(b, top+svgRow*float64(b.depth))
	}
	p.WriteString("</svg>\n")
}

func (p *picture) text(class string, x, y float64, s string) {
	fmt.Fprintf(p, "<text class=\"%s\" x=\"%.2f\" y=\"%.2f\">%s</text>\n", class, x, y, escape(printable.Clean(s)))
}

func (p *picture) box(b box, y float64) {
	x, width := svgMargin+b.from, b.to-b.from
	if width < svgLeast {
		return
	}
	class := string(b.frame.Kind)
	if b.frame.Hue > 0 && p.view.Against < 0 {
		class += fmt.Sprintf(" h%d", b.frame.Hue)
	}
	fmt.Fprintf(p, "<g><title>%s</title>", escape(p.hover(b)))
	p.rect(class, "", x, y, width)
	if by := b.change(p.view); by != 0 && p.most > 0 {
		tint := fmt.Sprintf(` fill-opacity="%.3f"`, 0.08+0.6*min(1, math.Abs(by)/p.most))
		if by > 0 {
			p.rect("slower", tint, x, y, width)
		} else {
			p.rect("faster", tint, x, y, width)
		}
	}
	if room := int((width - 8) / svgLetter); room >= 3 && utf8.ValidString(b.frame.Name) {
		fmt.Fprintf(p, `<text x="%.3f" y="%.2f">%s</text>`, x+4, y+15, escape(p.cells.Truncate(b.frame.Name, room, "…")))
	}
	p.WriteString("</g>\n")
}

func (p *picture) rect(class, more string, x, y, width float64) {
	fmt.Fprintf(p, `<rect class="%s"%s x="%.3f" y="%.2f" width="%.3f" height="%g"/>`, class, more, x, y, width, svgRow)
}

// hover is what a box says of itself.
func (p *picture) hover(b box) string {
	out := fmt.Sprintf("%s\n%s, %s of all", b.frame.Name, human.Duration(int64(b.value)), human.Percent(float64(b.value)/float64(p.whole)))
	switch by := b.change(p.view); {
	case by > 0:
		out += ", slower by " + human.Duration(int64(by))
	case by < 0:
		out += ", faster by " + human.Duration(int64(-by))
	}
	for _, row := range b.frame.Details {
		out += "\n"
		for i, cell := range row {
			if i > 0 {
				out += " "
			}
			out += cell
		}
	}
	return out
}

func escape(s string) string {
	var out bytes.Buffer
	// A buffer takes everything.
	_ = xml.EscapeText(&out, []byte(s))
	return out.String()
}
