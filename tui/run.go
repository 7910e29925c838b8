package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/term"

	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/tui/look"
)

// ErrNoTerminal says that there is nothing to paint on.
var ErrNoTerminal = errors.New("the live screen needs a terminal; use `hopscope trace` to write a summary instead")

// Options of the screen. Zero fields mean their defaults.
type Options struct {
	In       io.Reader      // keys, default os.Stdin
	Out      io.Writer      // default os.Stdout
	Theme    string         // one of look.Themes
	ASCII    bool           // nothing but ASCII
	NoMouse  bool           // leave the mouse to the terminal
	Refresh  time.Duration  // between frames, default 1 s
	Location *time.Location // of times, default local
	Now      func() time.Time
}

func (o Options) withDefaults() Options {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Refresh <= 0 {
		o.Refresh = time.Second
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.ASCII = o.ASCII || !speaksUnicode(os.Getenv)
	return o
}

// Run shows the feed until the user quits or ctx ends; both are no errors. Unless
// something panicked, nobody asks the feed any more when it returns. The
// terminal is restored, also after a panic, of goroutines that crash.Go began too:
// the error is then a *crash.Error. Errors match ErrNoTerminal where there is no
// terminal.
func Run(ctx context.Context, feed Feed, o Options) error {
	o = o.withDefaults()
	if err := needTerminal(o); err != nil {
		return err
	}
	// bubbletea takes care of SIGINT and SIGTERM.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	ctx, release := crash.Catch(ctx)
	defer release()
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithAltScreen()}
	if !o.NoMouse {
		opts = append(opts, tea.WithMouseCellMotion())
	}
	screen := newApp(feed, o, lipgloss.NewRenderer(o.Out))
	_, err := tea.NewProgram(screen, opts...).Run()
	if screen.crash != nil {
		return fmt.Errorf("live screen: %w", screen.crash)
	}
	var crashed *crash.Error
	if errors.As(context.Cause(ctx), &crashed) {
		return crashed
	}
	screen.gate.close()
	if ctx.Err() != nil || errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("live screen: %w", err)
	}
	return nil
}

// Check tells beforehand whether Run would refuse: with ErrNoTerminal, or for a
// theme that does not exist.
func Check(o Options) error {
	o = o.withDefaults()
	if o.Theme != "" && !slices.Contains(look.Themes(), o.Theme) {
		return fmt.Errorf("no theme is named %q; there are %s", o.Theme, strings.Join(look.Themes(), ", "))
	}
	return needTerminal(o)
}

func needTerminal(o Options) error {
	if os.Getenv("TERM") == "dumb" {
		return fmt.Errorf("TERM is dumb: %w", ErrNoTerminal)
	}
	for _, f := range []any{o.In, o.Out} {
		if file, ok := f.(*os.File); ok && !term.IsTerminal(file.Fd()) {
			return fmt.Errorf("%s is no terminal: %w", file.Name(), ErrNoTerminal)
		}
	}
	return nil
}

// speaksUnicode goes by the locale (locale(7)). Where none is set, as often
// over ssh, terminals of today do.
func speaksUnicode(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}
