package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// The recording is small: few requests, each traced. The shop is well at first, then
// its device becomes slow, and in the end its database loses requests.
const (
	recordedFor   = 18 * time.Second
	recordedRate  = "4" // requests a second of each customer
	recordedFault = 120_000
	slowAfter     = 6 * time.Second
	lossAfter     = 6 * time.Second // of being slow
	losses        = "ip protocol tcp tcp dport 5432 tcp flags & psh != 0 numgen inc mod 5 == 3"

	recordedHost = "dock-1"
)

// record traces the shop while it goes wrong, and keeps the capture without what
// names this machine: the screens' tests replay it.
func record(ctx context.Context, t lab.TB, hopscope, path string) {
	hopscope, err := filepath.Abs(hopscope)
	if err != nil {
		t.Fatalf("%v", err)
	}
	raw := filepath.Join(t.TempDir(), "raw.hop")
	s := open(t, recordedRate)
	if s.web.Name != "web" {
		t.Fatalf("somebody else has a container or network of one of the shop's names")
	}
	job := s.house.Container(lab.ContainerSpec{Name: "job", Networks: []*lab.Network{s.front}})
	job.Start("rr", "--rate", "2", "--count", "1000000", "--duration", "5m", "web:8000")
	job.Start("resolve", "--rate", "1", "--count", "1000000", "--duration", "5m", "web")

	args := []string{"trace", "--sample", "1", "--duration", recordedFor.String(), "--quiet", "--output", raw}
	for _, name := range recordedNames() {
		args = append(args, "--container", name)
	}
	trace := exec.CommandContext(ctx, hopscope, args...)
	trace.Stderr = os.Stderr
	if err := trace.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = trace.Process.Kill() })
	lab.Eventually(t, "it records", func() bool { _, err := os.Stat(raw); return err == nil })
	time.Sleep(slowAfter)
	job.Remove()
	s.fail(t, recordedFault)
	s.client.Start("udp", "--echo=false", "--rate", "3", "--count", "100000", "--duration", "5m", s.web.Name+":"+nobody)
	time.Sleep(lossAfter)
	lab.DropRule(t, s.db.Netns, "ip", "input", losses)
	if err := trace.Wait(); err != nil {
		t.Fatalf("hopscope: %v", err)
	}
	if err := scrub(raw, path); err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("%s", path)
}

// recordedNames are the containers of the recording; nothing else of the host is in it.
func recordedNames() []string { return []string{"client", "web", "api", "db", "job"} }

// scrub copies a capture and leaves out what names the machine it was made on:
// capture.Redact would take the names of the shop, too.
func scrub(from, to string) error {
	r, err := capture.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	head := r.Head()
	head.Host, head.ToolVersion = recordedHost, "test"
	head.Kernel = regexp.MustCompile(`^\d+\.\d+(\.\d+)?`).FindString(head.Kernel) // without who built it
	head.Command = []string{"hopscope", "trace"}
	w, err := capture.Create(to, capture.Options{Head: head, Symbols: r.Symbols(), Overwrite: true})
	if err != nil {
		return err
	}
	if err := copyRecords(w, r); err != nil {
		return errors.Join(err, w.Abandon())
	}
	return os.Chmod(to, 0o644)
}

// copyRecords closes w.
func copyRecords(w *capture.Writer, r *capture.Reader) error {
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the capture was cut short: %s", r.Damage())
		case err != nil:
			return err
		case rec.Journey != nil:
			err = w.Journey(rec.Journey, nil)
		case rec.Drops != nil:
			err = w.Drops(rec.Drops.DropCount)
		case rec.Retransmits != nil:
			err = w.Retransmits(rec.Retransmits.RetransmitCount)
		case rec.Counters != nil:
			err = w.Counters(rec.Counters.Counts)
		case rec.Sockets != nil:
			err = w.Sockets(rec.Sockets.SocketEvent)
		case rec.DNS != nil:
			err = w.DNS(rec.DNS.Lookup)
		case rec.Inventory != nil:
			err = w.Inventory(rec.Inventory.At, ofTheShop(rec.Inventory.Facts))
		case rec.Status != nil:
			err = w.Status(*rec.Status)
		case rec.Servers != nil:
			err = w.Servers(rec.Servers)
		case rec.Findings != nil:
			err = w.Findings(rec.Findings)
		case rec.End != nil:
			return w.Close(*rec.End)
		}
		if err != nil {
			return err
		}
	}
}

// ofTheShop is what exists of the shop, and of the host what leads to it.
func ofTheShop(f inventory.Facts) inventory.Facts {
	f.Containers = slices.DeleteFunc(f.Containers, func(c inventory.Container) bool { return !slices.Contains(recordedNames(), c.Name) })
	networks := map[string]bool{}
	for i := range f.Containers {
		f.Containers[i].Sandbox = "" // opens something on this machine alone
		for _, n := range f.Containers[i].Networks {
			networks[n.NetworkID] = true
		}
	}
	f.Networks = slices.DeleteFunc(f.Networks, func(n inventory.Network) bool { return !networks[n.ID] })
	f.Namespaces = namespacesOf(f)
	f.Devices = devicesOf(f, f.Devices)
	f.Former = devicesOf(f, f.Former)
	f.Proxies = slices.DeleteFunc(f.Proxies, func(p inventory.Proxy) bool {
		return !slices.ContainsFunc(f.Containers, func(c inventory.Container) bool { return c.ID == p.ContainerID })
	})
	return f
}

// outside is what the customer's namespace is called.
const outside = "outside"

// namespacesOf are the containers' namespaces, the customer's, and the host's.
func namespacesOf(f inventory.Facts) (out []inventory.Namespace) {
	for _, n := range f.Namespaces {
		if strings.HasPrefix(n.Name, "hopscope-") { // as the lab calls it
			n.Name = outside
		}
		if n.Name == outside || n.Inode == f.Host || slices.ContainsFunc(f.Containers, func(c inventory.Container) bool { return c.Netns == n.Inode }) {
			n.Path = ""
			out = append(out, n)
		}
	}
	return out
}

// devicesOf are those in the shop's namespaces, and of the host's what leads there.
func devicesOf(f inventory.Facts, all []inventory.Device) (out []inventory.Device) {
	ours := func(netns uint32) bool {
		return netns != f.Host && (slices.ContainsFunc(f.Namespaces, func(n inventory.Namespace) bool { return n.Inode == netns }) ||
			slices.ContainsFunc(f.Containers, func(c inventory.Container) bool { return c.Netns == netns })) // also of those that are gone
	}
	for _, d := range all {
		bridge := d.Netns == f.Host && slices.ContainsFunc(f.Networks, func(n inventory.Network) bool { return n.Bridge == d.Name })
		if bridge || ours(d.Netns) || d.Netns == f.Host && ours(d.PeerNetns) {
			out = append(out, d)
		}
	}
	return out
}
