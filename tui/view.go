package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"

	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
	"github.com/hopscope/hopscope/tui/look"
)

// headerLines are the tabs and the state.
const headerLines = 2

// View paints the whole terminal, each line as wide as it is.
func (a *app) View() string {
	if a.width <= 0 || a.height <= 0 {
		return ""
	}
	body := a.height - headerLines - 1
	var lines []string
	if body > 0 {
		lines = append(lines, a.tabs(), a.state())
	} else {
		body = a.height
	}
	content := a.content(body)
	for i := range body {
		line := ""
		if i < len(content) {
			line = content[i]
		}
		lines = append(lines, line)
	}
	if len(lines) < a.height {
		lines = append(lines, a.footer())
	}
	for i := range lines {
		lines[i] = look.Fit(lines[i], a.width)
	}
	return strings.Join(lines, "\n")
}

func (a *app) content(height int) []string {
	if a.help {
		return a.helpPage(height)
	}
	if a.d == nil {
		return []string{"", a.look.Paint(look.Dim, "  waiting for the first packets ...")}
	}
	return a.screens[a.at].View(a.look, a.width, height)
}

// tab is a screen's title in the first line.
type tab struct {
	text     string
	from, to int // columns
}

func (a *app) tabList() []tab {
	out := a.tabsOf(false)
	if out[len(out)-1].to > a.width {
		out = a.tabsOf(true)
	}
	return out
}

// tabsOf has the name of the screen at hand, and those of the others unless they
// are to be short.
func (a *app) tabsOf(short bool) []tab {
	var out []tab
	x := 0
	for i, name := range titles() {
		text := fmt.Sprintf(" %d %s ", i+1, name)
		if i == a.at {
			text = fmt.Sprintf("[%d %s]", i+1, name)
		} else if short {
			text = fmt.Sprintf(" %d", i+1)
		}
		out = append(out, tab{text, x, x + len(text)})
		x += len(text)
	}
	return out
}

func (a *app) tabAt(column int) int {
	for i, t := range a.tabList() {
		if column >= t.from && column < t.to {
			return i
		}
	}
	return -1
}

func (a *app) tabs() string {
	var cells []look.Cell
	used := 0
	for i, t := range a.tabList() {
		role := look.Dim
		if i == a.at {
			role = look.Title
		}
		cells = append(cells, look.Cell{Text: t.text, Role: role})
		used = t.to
	}
	host := ""
	if a.d != nil {
		host = a.d.Frame.Snapshot.Host
	}
	if rest := a.width - used - 1; rest > 0 {
		if named := "hopscope " + host; look.Width(named) <= rest {
			host = named
		}
		cells = append(cells, look.Cell{Text: host, Width: rest, Right: true, Role: look.Dim})
	}
	return a.look.Line(false, cells...)
}

// state tells what is shown and how far it can be trusted.
func (a *app) state() string {
	if a.d == nil {
		return ""
	}
	for detail := fullDetail; ; detail-- {
		cells := a.stateCells(detail)
		if width := widthOf(cells); width <= a.width || detail == 0 {
			return a.look.Line(false, cells...)
		}
	}
}

// fullDetail is the state with everything in it; less detail takes less room.
const fullDetail = 5

func widthOf(cells []look.Cell) (n int) {
	for _, c := range cells {
		n += look.Width(c.Text)
	}
	return n
}

func (a *app) stateCells(detail int) []look.Cell {
	acc, cost := &a.d.Frame.Snapshot.Accounting, &a.d.Frame.Snapshot.Cost
	cells := []look.Cell{{Text: " " + a.windowText(), Role: look.Title}}
	if a.frozen() {
		cells = append(cells, look.Cell{Text: fmt.Sprintf(" FROZEN −%s", seconds(a.back())), Role: look.Warn})
	}
	cells = append(cells, look.Cell{Text: " · " + a.d.Frame.At.Format("15:04:05")})
	cells = append(cells, a.playback()...)
	if a.recording {
		cells = append(cells, look.Cell{Text: " · REC", Role: look.Bad})
	}
	lost := look.Cell{Text: " · lost 0"}
	if a.d.Lost > 0 {
		lost = look.Cell{Text: " · LOST " + a.lostText(detail), Role: look.Bad}
	}
	tracked := look.Cell{Text: " · tracked " + brief(acc.Tracked)}
	if detail < 4 {
		tracked.Text += " (" + sampleText(acc.SampleRate, false) + ")"
	}
	if detail == 0 {
		return append(cells, lost, tracked)
	}
	cells = append(cells, tracked, lost)
	if detail >= 4 {
		cells = append(cells, look.Cell{Text: " · " + sampleText(acc.SampleRate, true)})
	}
	return append(cells, look.Cell{Text: costText(cost, detail >= 5), Role: look.Dim})
}

func (a *app) windowText() string {
	w := windows()[a.window]
	if w == 0 {
		return "all, " + seconds(a.d.Frame.Covered)
	}
	text := "last " + seconds(w)
	if c := a.d.Frame.Covered; c < w*9/10 || c > w*11/10 {
		text += " (" + seconds(c) + ")" // less, at the begin; more, where only tens are left
	}
	return text
}

// seconds writes a length of time of the header: "10 s", "1 m", "3 m 20 s".
func seconds(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	switch {
	case s < 60 && d < time.Second && d > 0:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s >= 3600:
		return fmt.Sprintf("%d h %d m", s/3600, s%3600/60)
	case s%60 == 0:
		return fmt.Sprintf("%d m", s/60)
	}
	return fmt.Sprintf("%d m %d s", s/60, s%60)
}

// lostText has all causes, the largest one, or none.
func (a *app) lostText(detail int) string {
	text := brief(a.d.Lost)
	switch {
	case detail >= 3:
		var parts []string
		for _, c := range a.d.Causes {
			parts = append(parts, fmt.Sprintf("%s %s", c.Name, brief(c.Count)))
		}
		text += ": " + strings.Join(parts, ", ")
	case detail == 2 && len(a.d.Causes) == 1:
		text += " " + a.d.Causes[0].Name
	case detail == 2:
		text += " " + a.d.Causes[0].Name + "…"
	}
	return text
}

// brief is a count in few columns.
func brief(n uint64) string {
	if n < 100_000 {
		return human.Count(n)
	}
	return strings.TrimSuffix(human.Rate(n, time.Second), "/s")
}

func sampleText(rate float64, full bool) string {
	switch {
	case rate >= 1 && !full:
		return "all"
	case rate >= 1:
		return "every packet"
	case rate > 0 && !full:
		return fmt.Sprintf("1 of %.0f", 1/rate)
	case rate > 0:
		return fmt.Sprintf("1 in %.0f packets", 1/rate)
	}
	return "sampled"
}

// costText is the tool's own cost, in percent of one core; what is unknown is
// left out.
func costText(c *model.Cost, full bool) string {
	out := ""
	if !full && c.BPFCPUPercent != nil && c.UserCPUPercent != nil {
		return fmt.Sprintf(" · cost %.1f%%", *c.BPFCPUPercent+*c.UserCPUPercent)
	}
	if c.BPFCPUPercent != nil {
		out += fmt.Sprintf(" bpf %.1f%%", *c.BPFCPUPercent)
	}
	if c.UserCPUPercent != nil {
		out += fmt.Sprintf(" own %.1f%%", *c.UserCPUPercent)
	}
	if c.RSSBytes != nil {
		out += " " + human.Bytes(*c.RSSBytes)
	}
	if out == "" {
		return ""
	}
	return " · cost" + out
}

// footer is a message, the filter that is being typed, or the keys.
func (a *app) footer() string {
	switch {
	case a.typing:
		return a.look.Line(false, look.Cell{Text: " /" + a.input + "▏", Role: look.Accent},
			look.Cell{Text: "  enter keeps it, esc drops it", Role: look.Dim})
	case a.message != "":
		return a.look.Paint(a.messageRole, " "+a.message)
	case a.err != nil:
		return a.look.Paint(look.Bad, " no data: "+a.err.Error())
	}
	tail := []key.Binding{a.keys.Window, a.keys.Freeze, a.keys.Earlier, a.keys.Help, a.keys.Quit}
	free := a.width
	for _, b := range tail[3:] {
		free -= keyWidth(b)
	}
	var cells []look.Cell
	for _, b := range append(append(a.screens[a.at].Keys(), a.keys.Faster), tail[:3]...) {
		if w := keyWidth(b); w <= free && b.Enabled() {
			cells, free = append(cells, keyCells(b)...), free-w
		}
	}
	for _, b := range tail[3:] {
		cells = append(cells, keyCells(b)...)
	}
	return a.look.Line(false, cells...)
}

func keyCells(b key.Binding) []look.Cell {
	h := b.Help()
	return []look.Cell{{Text: " " + h.Key, Role: look.Accent}, {Text: " " + h.Desc + " ", Role: look.Dim}}
}

func keyWidth(b key.Binding) int {
	h := b.Help()
	return look.Width(h.Key) + look.Width(h.Desc) + 3
}
