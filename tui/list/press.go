package list

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/hopscope/hopscope/tui/keys"
)

// page is how far the page keys go.
const page = 10

// Press handles the keys that move the cursor; false for another key.
func (l *List[K]) Press(msg tea.KeyMsg, k keys.Map) bool {
	switch {
	case key.Matches(msg, k.Up):
		l.Move(-1)
	case key.Matches(msg, k.Down):
		l.Move(1)
	case key.Matches(msg, k.PageUp):
		l.Move(-page)
	case key.Matches(msg, k.PageDown):
		l.Move(page)
	case key.Matches(msg, k.Home):
		l.To(0)
	case key.Matches(msg, k.End):
		l.To(l.n - 1)
	default:
		return false
	}
	return true
}
