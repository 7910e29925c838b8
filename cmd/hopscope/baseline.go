package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/baseline"
	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// baselinePrefix begins the name of a capture that is a baseline.
const baselinePrefix = "baseline:"

// capturePath is the file that an argument names: a path, or baseline:NAME.
func capturePath(arg string) (string, error) {
	name, ok := strings.CutPrefix(arg, baselinePrefix)
	if !ok {
		return arg, nil
	}
	store, err := baseline.Mine()
	if err != nil {
		return "", err
	}
	path, err := store.Find(name)
	if bad := new(baseline.NameError); errors.As(err, &bad) {
		return "", usage(err)
	}
	return path, err
}

func baselineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "Keep captures under names, to compare with later",
		Long: `baseline keeps captures under names, so that a "before" exists when it is needed.
Wherever a command takes a capture, baseline:NAME is one.`,
		Example: `  hopscope baseline save monday --duration 60s
  hopscope diff baseline:monday now.hop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(baselineSaveCommand(), baselineListCommand(), baselineRemoveCommand())
	return cmd
}

// baselineFlags is the command line of `hopscope baseline save`.
type baselineFlags struct {
	trace   traceFlags
	replace bool
}

func baselineSaveCommand() *cobra.Command {
	f := &baselineFlags{trace: traceFlags{sample: "auto", maxOverhead: "2%"}}
	cmd := &cobra.Command{
		Use:   "save NAME [FILE]",
		Short: "Keep a capture, or trace for a while and keep that",
		Args:  cobra.RangeArgs(1, 2),
		RunE:  func(cmd *cobra.Command, args []string) error { return saveBaseline(cmd, args, f) },
	}
	flags := cmd.Flags()
	flags.DurationVarP(&f.trace.duration, "duration", "d", 0, "without FILE: how long to trace")
	flags.StringArrayVarP(&f.trace.containers, "container", "c", nil, "without FILE: container (repeatable; default all)")
	flags.StringVar(&f.trace.dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	flags.BoolVar(&f.replace, "replace", false, "replace the baseline of that name")
	flags.BoolVarP(&f.trace.quiet, "quiet", "q", false, "nothing on stderr but errors")
	return cmd
}

func saveBaseline(cmd *cobra.Command, args []string, f *baselineFlags) error {
	traced := f.trace.duration != 0 || len(f.trace.containers) > 0
	switch {
	case len(args) == 2 && traced:
		return usage(errors.New("a FILE is kept as it is: --duration and --container go without"))
	case len(args) == 1 && f.trace.duration <= 0:
		return usage(errors.New("name a FILE, or say with --duration how long to trace"))
	}
	write := func(path string) error {
		f.trace.save.path = path
		return traceInto(cmd, &f.trace, func(model.Snapshot) error { return nil })
	}
	say := newSpeaker(cmd.ErrOrStderr(), f.trace.quiet)
	if len(args) == 2 {
		contents, err := capture.Survey(args[1])
		if err != nil {
			return err
		}
		if contents.Damage.Any() {
			say.line("note: %s", contents.Damage)
		}
		write = baseline.Copy(args[1])
	} else {
		f.trace.save.unnamed = true // the file has another name in the end
	}
	store, err := baseline.Mine()
	if err != nil {
		return err
	}
	err = store.Save(args[0], f.replace, write)
	if bad := new(baseline.NameError); errors.As(err, &bad) {
		return usage(err)
	}
	if errors.Is(err, baseline.ErrExists) {
		return fmt.Errorf("%w; --replace replaces it", err)
	}
	if err != nil {
		return err
	}
	say.line("saved %s%s", baselinePrefix, args[0])
	return nil
}

func baselineListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the baselines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := baseline.Mine()
			if err != nil {
				return err
			}
			names, err := store.Names()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tHOST\tSTARTED\tDURATION\tCONTAINERS\tSIZE")
			for _, name := range names {
				fmt.Fprintln(w, baselineRow(store, name))
			}
			return w.Flush()
		},
	}
}

// baselineRow says of one that cannot be read why.
func baselineRow(store *baseline.Store, name string) string {
	path, err := store.Find(name)
	if err != nil {
		return name + "\t" + err.Error()
	}
	s, err := capture.Survey(path)
	if err != nil {
		return name + "\t" + err.Error()
	}
	size := "-"
	if info, err := os.Stat(path); err == nil {
		size = human.Bytes(uint64(info.Size()))
	}
	selection := "all"
	if len(s.Head.Selection) > 0 {
		selection = strings.Join(s.Head.Selection, ",")
	}
	return strings.Join([]string{name, inventory.Clean(s.Head.Host), s.Meta.StartedAt.Local().Format("2006-01-02 15:04:05 -07:00"),
		s.Meta.Duration.Round(100 * time.Millisecond).String(), inventory.Clean(selection), size}, "\t")
}

func baselineRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Forget a baseline",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := baseline.Mine()
			if err != nil {
				return err
			}
			err = store.Remove(args[0])
			if bad := new(baseline.NameError); errors.As(err, &bad) {
				return usage(err)
			}
			return err
		},
	}
}
