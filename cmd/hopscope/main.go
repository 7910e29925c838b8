// Command hopscope tells where, between two containers or a container and the
// outside, the time goes, what is dropped, and what is retransmitted.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
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
	// What a library logs, such as net/http of a server that speaks before it is asked,
	// would be written over the live screen; what matters of it is an error, too.
	log.SetOutput(io.Discard)
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
long each hop takes and what is dropped on the way.

Without a command it shows that live, the worst container first. This and trace
need root; what reads a capture needs neither root nor the machine that made it.`,
		Example: `  hopscope                          watch live; ? tells the keys
  hopscope trace -c web -d 30s      trace one container: a summary, and a file
  hopscope report FILE              that summary again
  hopscope flame FILE -o web.html   where the time went, as a page to zoom into
  hopscope doctor                   what this kernel and host allow`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return top(cmd.Context(), live) },
	}
	live.register(root)
	root.SetFlagErrorFunc(flagError)
	addGroup(root, "trace", "Watch and trace:", topCommand(), traceCommand())
	addGroup(root, "capture", "Look at a capture:", reportCommand(), flameCommand(), replayCommand(), diffCommand(), baselineCommand(), redactCommand())
	addGroup(root, "host", "Look at this host:", doctorCommand(), listCommand(), explainCommand())
	root.AddCommand(versionCommand(), manCommand())
	asUsage(root)
	offerCompletion(root)
	return root
}

// addGroup adds commands under a heading of the help.
func addGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
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
