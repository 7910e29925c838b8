// Command hopscope tells where, between two containers or a container and the
// outside, the time goes, what is dropped, and what is retransmitted.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "devel"

func main() {
	os.Exit(run(context.Background(), os.Args[1:]))
}

// run executes one command line and gives its exit code.
func run(ctx context.Context, args []string) int {
	// A write to a closed pipe then is an error, which ends a command quietly and
	// a trace not at all: by the signal, `2>&1 | head` would cut its capture short.
	signal.Ignore(syscall.SIGPIPE)
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !isSilent(err) {
		fmt.Fprintf(os.Stderr, "hopscope: %s\n", sentence(err))
	}
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	live := &topFlags{}
	root := &cobra.Command{
		Use:   "hopscope",
		Short: "Latency, drops and retransmits of containers, hop by hop",
		Long: `hopscope follows packets through a Docker host and says, by container name, how
long each hop takes and what is dropped on the way.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return top(cmd.Context(), live) },
	}
	live.register(root)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(topCommand(), traceCommand(), reportCommand(), flameCommand(), diffCommand(), replayCommand(), redactCommand(), baselineCommand(), listCommand(), doctorCommand(), versionCommand(), manCommand())
	asUsage(root)
	offerCompletion(root)
	return root
}

// asUsage makes a wrong number of arguments, or an unknown command, an error
// of usage.
func asUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage(err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		asUsage(sub)
	}
}
