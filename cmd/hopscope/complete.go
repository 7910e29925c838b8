package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/baseline"
	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/export"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/tui/look"
)

// completion gives what may stand at a place of the command line.
type completion = func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective)

// offerCompletion adds shell completion to all commands.
func offerCompletion(root *cobra.Command) {
	for _, cmd := range append(root.Commands(), root) {
		if cmd != root && cmd.HasSubCommands() {
			offerCompletion(cmd)
			continue
		}
		offerFlags(cmd)
	}
	for _, name := range []string{"report", "flame", "diff", "replay", "redact", "save"} {
		if cmd, _, err := root.Find([]string{name}); err == nil && cmd != root {
			cmd.ValidArgsFunction = completeCaptures
		}
	}
}

func offerFlags(cmd *cobra.Command) {
	for name, f := range flagCompletions(cmd) {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, f) // fails where the command has its own
		}
	}
}

func flagCompletions(cmd *cobra.Command) map[string]completion {
	containers, networks := completeContainers, completeNetworks
	if readsCapture(cmd) {
		containers, networks = completeCapturedContainers, completeCapturedNetworks
	}
	out := map[string]completion{
		"container": containers,
		"network":   networks,
		"proto":     words("tcp", "udp", "icmp", "icmpv6", "sctp"),
		"color":     words("auto", "always", "never"),
		"sample":    words("auto", "1", "1/10", "1/100"),
		"theme":     words(look.Themes()...),
		"view":      words(export.FlameViews()...),
		"when":      words("p99>5ms", "drops>0", "retransmits>1%"),
		"speed":     words("1", "2", "5", "10", "20", "50", "100"),
		"format":    words(formats(cmd.Name())...),
	}
	for _, name := range []string{"duration", "slow", "keep", "from", "to", "port", "max-overhead", "ring-size", "fail-over"} {
		out[name] = words()
	}
	return out
}

func readsCapture(cmd *cobra.Command) bool {
	return slices.Contains([]string{"report", "flame", "diff", "replay"}, cmd.Name())
}

func formats(command string) []string {
	var known []targetFormat
	switch command {
	case "flame":
		known = flameFormats()
	case "diff":
		known = diffFormats()
	default:
		return []string{"table", "json", "folded"}
	}
	var out []string
	for _, k := range known {
		out = append(out, k.name)
	}
	return out
}

// words completes one of a few; none is better than names of files.
func words(all ...string) completion {
	return func(_ *cobra.Command, _ []string, start string) ([]string, cobra.ShellCompDirective) {
		return beginning(all, start), cobra.ShellCompDirectiveNoFileComp
	}
}

func beginning(all []string, start string) []string {
	var out []string
	for _, s := range all {
		if strings.HasPrefix(s, start) {
			out = append(out, s)
		}
	}
	return out
}

func completeContainers(cmd *cobra.Command, _ []string, start string) ([]string, cobra.ShellCompDirective) {
	inv, err := inventory.Open(cmd.Context(), inventory.Options{DockerHost: typedDockerHost(cmd)})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer inv.Close()
	return beginning(containerNames(inv.View()), start), cobra.ShellCompDirectiveNoFileComp
}

// typedDockerHost is what stands on the command line so far.
func typedDockerHost(cmd *cobra.Command) string {
	if f := cmd.Flags().Lookup("docker-host"); f != nil {
		return f.Value.String()
	}
	return ""
}

func completeNetworks(cmd *cobra.Command, _ []string, start string) ([]string, cobra.ShellCompDirective) {
	inv, err := inventory.Open(cmd.Context(), inventory.Options{DockerHost: typedDockerHost(cmd)})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer inv.Close()
	return beginning(networkNames(inv.View()), start), cobra.ShellCompDirectiveNoFileComp
}

func completeCapturedContainers(_ *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	return ofCapture(args, start, containerNames)
}

func completeCapturedNetworks(_ *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	return ofCapture(args, start, networkNames)
}

// ofCapture completes names of the first capture on the command line.
func ofCapture(args []string, start string, names func(*inventory.View) []string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	path, err := capturePath(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	s, err := capture.Survey(path)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return beginning(names(s.View), start), cobra.ShellCompDirectiveNoFileComp
}

func containerNames(v *inventory.View) []string {
	var names []string
	for _, c := range v.Containers() {
		names = append(names, c.Name)
	}
	return names
}

func networkNames(v *inventory.View) []string {
	var names []string
	for _, n := range v.Networks() {
		names = append(names, n.Name)
	}
	return names
}

// completeCaptures completes baselines, else files that end as captures do.
func completeCaptures(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if cmd.Name() == "save" && len(args) == 0 { // a new name
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if strings.HasPrefix(start, "b") {
		if names := beginning(baselineNames(), start); len(names) > 0 {
			return names, cobra.ShellCompDirectiveNoFileComp
		}
	}
	return []string{strings.TrimPrefix(capture.Extension, ".")}, cobra.ShellCompDirectiveFilterFileExt
}

func baselineNames() []string {
	store, err := baseline.Mine()
	if err != nil {
		return nil
	}
	names, err := store.Names()
	if err != nil {
		return nil
	}
	for i := range names {
		names[i] = baselinePrefix + names[i]
	}
	return names
}
