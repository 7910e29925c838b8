package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/hostfacts"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// qdiscsOfContainers looks for what holds packets back inside of running
// containers, and says into which it could not look.
func qdiscsOfContainers(v *inventory.View) ([]hostfacts.Qdisc, check) {
	var out []hostfacts.Qdisc
	var refused []string
	var why error
	looked, seen := 0, map[uint32]bool{0: true, v.HostNetns(): true}
	var own unix.Stat_t
	if unix.Stat("/proc/self/ns/net", &own) == nil { // its own are known
		seen[uint32(own.Ino)] = true
	}
	for _, c := range v.Containers() {
		if !c.Running() || c.PID == 0 || seen[c.Netns] {
			continue
		}
		seen[c.Netns] = true
		list, err := hostfacts.QdiscsIn(c.PID, c.Netns)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH): // it ended meanwhile
			continue
		case err != nil:
			refused, why = append(refused, ownersOf(v, c.Netns)), err
			continue
		}
		looked++
		for _, q := range list {
			q.Where, q.PID = ownersOf(v, c.Netns), c.PID
			out = append(out, q)
		}
	}
	return out, lookedInto(looked, refused, why)
}

func lookedInto(looked int, refused []string, why error) check {
	x := check{Name: "qdiscs of containers", Status: checkOK, Detail: fmt.Sprintf("looked into %d network namespaces", looked)}
	if len(refused) > 0 {
		x.Status, x.Lost = checkLost, "what holds packets back inside of "+strings.Join(refused, ", ")
		x.Detail += fmt.Sprintf(", not into %d: %v", len(refused), why)
		x.Mend = mendOf("netlink")
	}
	return x
}
