// Command demo shows the live screens with made-up traffic, without root.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/hopscope/hopscope/pkg/crash"
	"github.com/hopscope/hopscope/pkg/history"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/tui"
	"github.com/hopscope/hopscope/tui/internal/fake"
)

func main() {
	past := flag.Int("past", 130, "seconds of the past at the start")
	containers := flag.Int("containers", 0, "containers; 0: the shop")
	ascii := flag.Bool("ascii", false, "nothing but ASCII")
	at := flag.String("crash", "", "panic at view, update, pull or collect, once there is something to see")
	flag.Parse()
	if err := run(*past, *containers, *ascii, *at); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(past, containers int, ascii bool, at string) error {
	w := fake.Shop()
	if containers > 0 {
		w = fake.Large(containers, containers*5)
	}
	h := history.New(history.Options{Limits: model.Limits{Paths: 20_000}}, fake.Begin)
	for i := range past {
		w.Second(h, i)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var feed tui.Feed = &fake.Feed{World: w, History: h}
	failing := &crashing{Feed: feed, at: at, from: time.Now().Add(2 * time.Second)}
	if at != "" {
		feed = failing
	}
	crash.Go(func() {
		for i := past; ctx.Err() == nil; i++ {
			w.Second(h, i)
			failing.due("collect")
			time.Sleep(time.Second)
		}
	})
	return tui.Run(ctx, feed, tui.Options{ASCII: ascii})
}
