// Command mutants shows that a broken build is caught: in a copy of the sources
// it breaks one thing after the other and expects a test to fail. A mutant that
// survives fails the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"
)

func main() {
	only := flag.String("run", "", "only mutants whose name or file matches this `pattern`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	wanted := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool {
		return !pattern.MatchString(m.name) && !pattern.MatchString(m.file)
	})
	c, err := newCopy(ctx)
	if err != nil {
		return err
	}
	defer c.remove()
	begun := time.Now()
	if err := c.sound(ctx, wanted); err != nil {
		return err
	}
	fmt.Printf("%d mutants; their tests pass on the sources as they are (%s)\n", len(wanted), since(begun))
	var errs []error
	for _, m := range wanted {
		begun := time.Now()
		err := c.kill(ctx, m)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
			fmt.Printf("SURVIVED %5s  %s: %v\n", since(begun), m.name, err)
			continue
		}
		fmt.Printf("caught   %5s  %-60s  %s %s\n", since(begun), m.name, m.pkg, m.run)
	}
	return errors.Join(errs...)
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
