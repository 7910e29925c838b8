package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/dropreason"
)

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [REASON...]",
		Short: "Say what a drop reason or a kind of retransmission means, and what usually mends it",
		Long: `explain says what the kernel means by the reasons for which it drops packets, why
functions free them that tell no reason, and why TCP sends them again (rto, fast,
tlp, syn, synack, other), and what usually mends it. Without arguments it explains
all of them.`,
		Example: `  hopscope explain NETFILTER_DROP
  hopscope explain tcp_listen_overflow veth_xmit rto`,
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, r := range dropreason.Everything() {
				names = append(names, r.Names...)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return explain(cmd.OutOrStdout(), args) },
	}
}

func explain(w io.Writer, names []string) error {
	reasons := dropreason.Everything()
	if len(names) > 0 {
		reasons = nil
	}
	for _, name := range names {
		r, ok := dropreason.Lookup(name)
		if !ok {
			return usage(unknownReason(name))
		}
		reasons = append(reasons, r)
	}
	for _, r := range reasons {
		if _, err := fmt.Fprintf(w, "%s\n  %s.\n  mend: %s\n", strings.Join(r.Names, ", "), r.Meaning, r.Mend); err != nil {
			return fmt.Errorf("write the explanation: %w", err)
		}
	}
	return nil
}

func unknownReason(name string) error {
	if near := dropreason.Near(name); len(near) > 0 {
		return fmt.Errorf("no drop reason is named %q; there are %s", name, strings.Join(near[:min(len(near), 5)], ", "))
	}
	return fmt.Errorf("no drop reason is named %q; hopscope explain lists them", name)
}
