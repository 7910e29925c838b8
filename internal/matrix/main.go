// Command matrix boots kernels of Debian's archive in an emulator and runs the
// project's tests in each of them.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// releases are the kernels of the matrix: the long-term ones that Debian ships,
// and the newest that its archive has.
var releases = []string{"5.10", "6.1", "6.12", "6.18", newest}

const newest = "newest"

// started is the order in which guests are started: those that take longest first.
var started = []string{"6.18", newest, "6.12", "6.1", "5.10"}

type options struct {
	kernels string
	cache   string
	run     string
	guests  int
	limit   time.Duration
	refresh bool
	verbose bool
	update  bool
}

func main() {
	o := options{}
	flag.StringVar(&o.kernels, "kernel", "", "comma-separated `releases`, such as 6.1 (default all: "+strings.Join(releases, ", ")+")")
	flag.StringVar(&o.cache, "cache", defaultCache(), "`directory` for kernels, kept between runs")
	flag.StringVar(&o.run, "run", "", "only tests that match this `pattern` (go test -run)")
	flag.IntVar(&o.guests, "guests", 3, "guests at a time")
	flag.DurationVar(&o.limit, "limit", 10*time.Minute, "for each guest")
	flag.BoolVar(&o.refresh, "refresh", false, "look in the archive for newer kernels than those in the cache")
	flag.BoolVar(&o.update, "update", false, "record what was found, and write "+supportPage)
	flag.BoolVar(&o.verbose, "v", false, "print all that the tests print")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := o.matrix(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		stop()
		os.Exit(1)
	}
}

func defaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "hopscope", "matrix")
}

func (o options) wanted() []string {
	if o.kernels == "" {
		return releases
	}
	return strings.Split(o.kernels, ",")
}

// matrix gets the kernels, runs each guest, and fails unless all tests of all
// guests passed.
func (o options) matrix(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "hopscope-matrix-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	kernels, tests, err := o.prepare(ctx, root, work)
	if err != nil {
		return err
	}
	outcomes := make([]outcome, len(kernels))
	slots := make(chan struct{}, o.guests)
	var wg sync.WaitGroup
	for i, k := range kernels {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			outcomes[i] = o.guest(ctx, k, tests, filepath.Join(work, "guest-"+k.release))
			outcomes[i].print(os.Stdout, o.verbose)
		})
	}
	wg.Wait()
	results, err := o.results(outcomes)
	return errors.Join(err, judge(root, results, o.update))
}

// results are those of the guests in which all tests passed; a part of the tests
// says nothing of the whole.
func (o options) results(outcomes []outcome) (results []result, err error) {
	for _, out := range outcomes {
		failed := out.verdict()
		if failed == nil && o.run == "" {
			var r result
			if r, failed = collect(out); failed == nil {
				results = append(results, r)
			}
		}
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("kernel %s: %w", out.kernel.version, failed))
		}
	}
	return results, err
}

// prepare gets the kernels while it builds what runs on them.
func (o options) prepare(ctx context.Context, root, work string) (kernels []kernel, tests []byte, err error) {
	var wg sync.WaitGroup
	var noKernels error
	wg.Go(func() { kernels, noKernels = getKernels(ctx, o.cache, o.wanted(), o.refresh) })
	tests, err = commonFiles(ctx, root, work)
	wg.Wait()
	slices.SortFunc(kernels, func(x, y kernel) int {
		return cmp.Compare(slices.Index(started, x.release), slices.Index(started, y.release))
	})
	return kernels, tests, errors.Join(noKernels, err)
}
