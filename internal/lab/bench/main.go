// Command bench measures what tracing costs: the throughput of two containers
// on one Docker network with and without a tracer, the time that the kernel
// programs take per run, and how many records user space can take. Whatever is
// compared is measured in turns within one run. It needs root, a Docker engine
// and tcpdump, and removes all that it made, also when it is interrupted.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// options is the command line.
type options struct {
	hopscope string
	rounds   int
	slice    time.Duration
	cpus     string
	sockets  bool
	json     bool
}

func main() {
	o := options{}
	flag.StringVar(&o.hopscope, "hopscope", "bin/hopscope", "the program to measure")
	flag.IntVar(&o.rounds, "rounds", 12, "how often each case takes its turn, at least 3")
	flag.DurationVar(&o.slice, "slice", 400*time.Millisecond, "length of one measurement")
	flag.StringVar(&o.cpus, "cpus", "0", `CPUs of both containers, as "0" or "0-1"; on one they compete for it with the tracing`)
	flag.BoolVar(&o.sockets, "sockets", false, "measure what following TCP sockets costs, and nothing else")
	flag.BoolVar(&o.json, "json", false, "print one JSON document instead of the tables")
	flag.Parse()
	if o.rounds < 3 || o.slice < 100*time.Millisecond || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// run measures everything and prints it. It fails where tracing lost anything:
// a cost that was saved by losing records is none.
func run(o options) error {
	var report *Report
	err := lab.Run("bench", func(ctx context.Context, t lab.TB) {
		lab.Lock(t)
		r := newReport(o)
		p := newPair(ctx, t, o.cpus)
		var err error
		if r.Sockets, err = measureSockets(ctx, t, p, o); err != nil {
			t.Fatalf("following sockets: %v", err)
		}
		report = r
		if o.sockets {
			return
		}
		if r.Throughput, err = measureThroughput(ctx, t, p, o); err != nil {
			t.Fatalf("throughput: %v", err)
		}
		if r.Kernel, err = measureKernel(ctx, t, p, o); err != nil {
			t.Fatalf("kernel programs: %v", err)
		}
	})
	if err != nil {
		return err
	}
	if o.json {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		err = report.print(os.Stdout, !o.sockets)
	}
	if err != nil {
		return err
	}
	return report.lost()
}
