// Command demo shows hopscope at work: a small shop of containers on real
// Docker networks, one of which has a slow device, traced for some seconds. It
// needs root and a Docker engine, and removes all that it made, also when it is
// interrupted.
//
//	outside ── published port ─┐
//	client ──── front ──────── web ── middle ── api ── rear ── db
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// The fault: web's leg in "middle" sends no faster than this.
const (
	faultRate  = 1_000_000 // bit/s
	faultBurst = 2_000     // bytes: one packet of the shop's at a time
	faultLimit = 64_000    // bytes: enough for all that can wait, nothing is dropped
)

func main() {
	hopscope := flag.String("hopscope", "bin/hopscope", "the program to show")
	duration := flag.Duration("duration", 15*time.Second, "how long to trace")
	screens := flag.String("screens", "", "instead of tracing, take pictures of the live screens into this directory")
	recording := flag.String("record", "", "instead of tracing, record a small capture into this file, for tests")
	flag.Parse()

	err := lab.Run("demo", func(ctx context.Context, t lab.TB) {
		lab.Lock(t)
		if *recording != "" {
			record(ctx, t, *hopscope, *recording)
			return
		}
		s := open(t, unpaced)
		if *screens != "" {
			takePictures(t, s, *hopscope, *screens)
			return
		}
		s.fail(t, faultRate)
		fmt.Printf("%s\n", s.story())
		if err := trace(ctx, t.TempDir(), *hopscope, s.web.Name, *duration); err != nil {
			t.Fatalf("hopscope: %v", err)
		}
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// shop is what is traced.
type shop struct {
	house  *lab.Shop
	front  *lab.Network
	client *lab.Container
	web    *lab.Container
	db     *lab.Container
	slow   lab.Link // web's leg with the fault
	port   uint16   // where web is published
}

// fail makes web's leg slow, to so many bit/s.
func (s shop) fail(t lab.TB, rate uint64) {
	lab.TBF(t, s.web.Netns, s.slow.Name, rate, faultBurst, faultLimit)
}

// unpaced customers ask as fast as they are answered.
const unpaced = "0"

// open starts the shop and its customers, each of whom makes so many requests a
// second.
func open(t lab.TB, rate string) shop {
	house := lab.NewShop(t)
	house.UsePlainNames(recordedNames(), []string{"front", "middle", "rear"})
	front := house.Network(lab.NetworkSpec{Name: "front"})
	middle := house.Network(lab.NetworkSpec{Name: "middle"})
	rear := house.Network(lab.NetworkSpec{Name: "rear"})

	db := house.Container(lab.ContainerSpec{Name: "db", Networks: []*lab.Network{rear},
		Args: []string{"serve", "--port", "5432", "--think", "500us"}})
	house.Container(lab.ContainerSpec{Name: "api", Networks: []*lab.Network{middle, rear},
		Args: []string{"serve", "--port", "8080", "--upstream", "db:5432", "--think", "200us"}})
	web := house.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front, middle},
		Publish: []string{"8000"}, Args: []string{"serve", "--upstream", "api:8080"}})
	client := house.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	customer := lab.Outside(t, lab.OutsideSpec{})

	s := shop{house: house, front: front, client: client, web: web, db: db, slow: web.Link(middle), port: web.HostPort("8000/tcp")}
	published := netip.AddrPortFrom(customer.HostAddr, s.port).String()
	// Both run until their container or namespace goes.
	client.Start("rr", "--connections", "3", "--rate", rate, "--size", "1000", "--count", "1000000", "--duration", "5m", "web:8000")
	customer.Start("rr", "--connections", "1", "--rate", rate, "--size", "1000", "--count", "1000000", "--duration", "5m", published)
	return s
}

// story tells the reader what there is to find.
func (s shop) story() string {
	return fmt.Sprintf(`
  outside ── :%-5d (published) ─┐
  client ─────── front ──────── %s ── middle ── api ── rear ── db

The fault: a token bucket (tc qdisc tbf) lets %s send only %d kbit/s to "middle",
on %s, whose end on the host is %s. Nothing else is slow.
`, s.port, s.web.Name, s.web.Name, faultRate/1000, s.slow.Name, s.slow.HostName)
}

// trace runs hopscope in the foreground. It gets one interrupt, ours: the
// terminal's would be a second one, which ends it without a summary. The capture
// goes to dir.
func trace(ctx context.Context, dir, hopscope, container string, duration time.Duration) error {
	hopscope, err := filepath.Abs(hopscope)
	if err != nil {
		return err
	}
	args := []string{"trace", "--container", container, "--duration", duration.String()}
	fmt.Printf("$ hopscope %s %s %s %s %s\n", args[0], args[1], args[2], args[3], args[4])
	cmd := exec.CommandContext(ctx, hopscope, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = os.Stdout, os.Stderr, dir
	// Pdeathsig counts the death of the thread that forks (prctl(2)): keep it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	err = cmd.Run()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // hopscope ended as it was asked to
	}
	return err
}
