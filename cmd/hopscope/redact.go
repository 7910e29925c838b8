package main

import (
	"github.com/spf13/cobra"

	"github.com/hopscope/hopscope/pkg/capture"
)

func redactCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "redact FILE COPY",
		Short: "Copy a capture without names and addresses",
		Long: `redact copies a capture and replaces addresses, names and ids, the same by the
same, from a keyed hash whose key is thrown away. Ports, times, sizes and counts
stay, so that every report says the same of the copy.`,
		Example: `  hopscope redact incident.hop for-the-vendor.hop`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := capturePath(args[0])
			if err != nil {
				return err
			}
			say := newSpeaker(cmd.ErrOrStderr(), quiet)
			damage, err := capture.Redact(path, args[1], false)
			if err != nil {
				return err
			}
			if damage.Any() {
				say.line("note: %s", damage)
			}
			say.line("wrote %s", args[1])
			return nil
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "nothing on stderr but errors")
	return cmd
}
