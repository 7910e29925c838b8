// Package keys names the keys. Help on screen is made of it, so that it cannot
// tell of a key that does nothing.
package keys

import "github.com/charmbracelet/bubbles/key"

// Map is every key of the program.
type Map struct {
	Screens                                []key.Binding // in the order of the screens
	Up, Down, Left, Right                  key.Binding
	PageUp, PageDown, Home, End            key.Binding
	Open, Back, Tab                        key.Binding
	Filter, Sort, Group, Mode, Findings    key.Binding
	Window, Freeze, Earlier, Later, Record key.Binding
	Export, Theme, Help, Quit              key.Binding
	Faster, Slower, Begin                  key.Binding // of what is played, see tui.Player
}

// New gives the keys, with a screen key for each title.
func New(titles []string) Map {
	bind := func(shown, what string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, what))
	}
	m := Map{
		Up: bind("↑/k", "up", "up", "k"), Down: bind("↓/j", "down", "down", "j"),
		Left: bind("←/h", "left", "left", "h"), Right: bind("→/l", "right", "right", "l"),
		PageUp: bind("pgup", "page up", "pgup", "ctrl+b"), PageDown: bind("pgdn", "page down", "pgdown", "ctrl+f"),
		Home: bind("home", "first", "home"), End: bind("end/G", "last", "end", "G"),
		Open: bind("enter", "open", "enter"), Back: bind("esc", "back", "esc", "backspace"),
		Tab:    bind("tab", "other part", "tab"),
		Filter: bind("/", "filter", "/"), Sort: bind("s", "sort", "s"),
		Group: bind("g", "group", "g"), Mode: bind("W", "mode", "W"), Findings: bind("f", "findings", "f"),
		Window: bind("w", "window", "w"), Freeze: bind("space", "freeze", " "),
		Earlier: bind("[", "earlier", "["), Later: bind("]", "later", "]"),
		Record: bind("r", "record", "r"), Export: bind("e", "export", "e"),
		Faster: bind("+", "faster", "+", "="), Slower: bind("-", "slower", "-"), Begin: bind("0", "from the begin", "0"),
		Theme: bind("t", "theme", "t"), Help: bind("?", "help", "?"), Quit: bind("q", "quit", "q", "ctrl+c"),
	}
	for i, t := range titles {
		n := string(rune('1' + i))
		m.Screens = append(m.Screens, bind(n, t, n))
	}
	return m
}
