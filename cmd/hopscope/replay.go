package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/replay"
	"github.com/hopscope/hopscope/tui"
)

// replayFlags is the command line of `hopscope replay`.
type replayFlags struct {
	part  reportFlags
	speed float64
	theme string
	ascii bool
}

func replayCommand() *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Watch a capture as if it happened now",
		Long: `replay shows a capture on the live screens, at its own pace or up to 100 times
as fast. It needs neither root nor the machine on which the capture was made.

Beside the keys of the live screens: space pauses, + and - change the speed,
[ and ] go back and forth, 0 begins anew.`,
		Example: `  hopscope replay hopscope-web-20260102T030405Z.hop
  hopscope replay incident.hop --from 2m --speed 10`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return watchCapture(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	f.part.registerChoice(flags)
	flags.Float64Var(&f.speed, "speed", 1, "how many times as fast as it was, 1 to 100")
	flags.StringVar(&f.theme, "theme", "", "colours of the screen")
	flags.BoolVar(&f.ascii, "ascii", false, "nothing but ASCII on the screen")
	return cmd
}

func watchCapture(cmd *cobra.Command, name string, f *replayFlags) error {
	if !(f.speed >= 1 && f.speed <= 100) {
		return usage(fmt.Errorf("--speed %v is not between 1 and 100", f.speed))
	}
	path, err := capturePath(name)
	if err != nil {
		return err
	}
	part, err := f.part.choose(path)
	if err != nil {
		return err
	}
	screen := tui.Options{Theme: f.theme, ASCII: f.ascii}
	if err := tui.Check(screen); errors.Is(err, tui.ErrNoTerminal) {
		return usage(fmt.Errorf("replay needs a terminal; `hopscope report %s` prints the summary", name))
	} else if err != nil {
		return usage(err)
	}
	player, err := replay.Open(part.contents, replay.Options{
		Filter: part.filter, From: part.choice.From, To: part.choice.To, Speed: f.speed,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	played := make(chan error, 1)
	crash.Go(func() { played <- player.Run(ctx) })
	feed := &replayFeed{Player: player}
	if names := part.choice.Containers; len(names) > 0 {
		sel, err := part.contents.View.Select(names)
		if err != nil {
			return err
		}
		feed.selected = ids(sel.Containers)
	}
	err = tui.Run(ctx, feed, screen)
	stop()
	if crashed(err) {
		return err
	}
	return errors.Join(err, <-played)
}

// replayFeed shows a capture.
type replayFeed struct {
	*replay.Player
	viewExporter
	selected map[string]bool // see history.Frame
}

var (
	_ tui.Feed     = (*replayFeed)(nil)
	_ tui.Player   = (*replayFeed)(nil)
	_ tui.Exporter = (*replayFeed)(nil)
)

// Frame implements tui.Feed.
func (f *replayFeed) Frame(q history.Query) (history.Frame, error) {
	frame, err := f.Player.Frame(q)
	frame.Selected = f.selected
	return frame, err
}

// Playback implements tui.Player.
func (f *replayFeed) Playback() tui.Playback {
	s := f.State()
	return tui.Playback{
		From: s.From, To: s.To, At: s.At, Speed: s.Speed,
		Paused: s.Paused, Seeking: s.Seeking, Ended: s.Ended, Note: f.Damage().String(),
	}
}
