// Command traffic makes and answers the traffic of hopscope's tests and demo.
// It is the only program in the images of the lab's containers. Every mode is
// bounded in time, the sending ones in count too, and ends with one line of
// JSON on standard output (package outcome).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

const usage = `usage: traffic MODE [flags] [HOST:PORT|HOST]
  serve   answer TCP requests, swallow bulk, echo UDP, on one port
  rr      TCP requests, each waits for its response
  short   TCP connections: connect, one byte, close
  bulk    one TCP connection, as many bytes as asked for
  udp     UDP datagrams with a serial number, echoed or one-way
  ping    ICMP echo requests, each waits for its reply
  resolve DNS queries for a name
  ask     DNS queries to a name server
  nameserver  answer DNS queries as their names ask for
  sleep   do nothing
traffic MODE -h lists the flags of a mode.
`

// mode parses its arguments and runs until done or until ctx ends.
type mode func(ctx context.Context, args []string) (outcome.Result, error)

func main() {
	modes := map[string]mode{
		"serve": serve, "rr": roundTrips, "short": short, "bulk": bulk, "udp": datagrams,
		"ping": ping, "resolve": resolve, "ask": ask, "nameserver": nameserver, "sleep": idle,
	}
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	start := time.Now()
	result, err := modes[os.Args[1]](ctx, os.Args[2:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "traffic %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	result.Mode = os.Args[1]
	if result.ElapsedNs == 0 {
		result.ElapsedNs = time.Since(start).Nanoseconds()
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		os.Exit(1)
	}
}

// idle keeps a container alive.
func idle(ctx context.Context, args []string) (outcome.Result, error) {
	flags := flag.NewFlagSet("sleep", flag.ExitOnError)
	duration := flags.Duration("duration", time.Hour, "how long")
	_ = flags.Parse(args) // ExitOnError: it does not return an error
	select {
	case <-ctx.Done():
	case <-time.After(*duration):
	}
	return outcome.Result{}, nil
}
