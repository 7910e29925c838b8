package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/export"
	"github.com/hopscope/hopscope/pkg/model"
)

// flameFlags is the command line of `hopscope flame`.
type flameFlags struct {
	part reportFlags
	out  target
	view string
}

func flameFormats() []targetFormat {
	return []targetFormat{
		{name: "html", endings: []string{".html", ".htm"}},
		{name: "svg", endings: []string{".svg"}},
		{name: "folded", endings: []string{".folded", ".txt"}, plain: true},
		{name: "pprof", endings: []string{".pb.gz", ".pprof"}},
		{name: "perfetto", endings: []string{".json"}, plain: true},
	}
}

func flameCommand() *cobra.Command {
	f := &flameFlags{out: target{known: flameFormats()}}
	cmd := &cobra.Command{
		Use:   "flame FILE",
		Short: "Draw where the time of a capture went",
		Long: `flame draws the time of a capture as a flame graph: container, path, direction,
network namespace and hop, each as wide as its time.

  html      a page with zoom, search and percentiles; it needs no network
  svg       a still picture
  folded    stacks in ns, for other flame graph tools
  pprof     for go tool pprof and speedscope
  perfetto  the slowest packets one by one as a timeline, for ui.perfetto.dev`,
		Example: `  hopscope flame web.hop -o web.html
  hopscope flame web.hop --container web --view tail -o tail.svg
  hopscope flame web.hop -o web.pb.gz && go tool pprof -top web.pb.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return drawFlame(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	f.out.register(flags, "html")
	flags.StringVar(&f.view, "view", export.ViewTotal, strings.Join(export.FlameViews(), ", ")+": what html shows first and svg draws")
	f.part.registerChoice(flags)
	flags.BoolVarP(&f.part.quiet, "quiet", "q", false, "nothing on stderr but errors")
	return cmd
}

func drawFlame(cmd *cobra.Command, path string, f *flameFlags) error {
	format, err := f.out.choose("html")
	if err != nil {
		return usage(err)
	}
	if !slices.Contains(export.FlameViews(), f.view) {
		return usage(unknownView(f.view))
	}
	agg := model.New(model.Limits{})
	s, err := f.part.load(cmd, path, agg, nil)
	if err != nil {
		return err
	}
	f.part.noteWhole(cmd)
	snap := s.Snapshot(agg)
	say := newSpeaker(cmd.ErrOrStderr(), f.part.quiet)
	if len(snap.Paths) == 0 {
		say.line("note: no packet arrived in what was chosen, so that there is no time to draw")
	}
	return f.out.write(cmd, format, path, say, func(w io.Writer) error {
		switch format.name {
		case "svg":
			return export.FlameSVG(w, snap, export.FlameOptions{View: f.view})
		case "folded":
			return export.Folded(w, snap)
		case "pprof":
			return export.Pprof(w, snap)
		case "perfetto":
			return export.Perfetto(w, snap)
		}
		return export.FlameHTML(w, snap, export.FlameOptions{View: f.view})
	})
}

func unknownView(view string) error {
	return fmt.Errorf("--view %q is none of %s", view, strings.Join(export.FlameViews(), ", "))
}
