package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// The parts of an Inventory that look at the host rather than ask the engine.

// locate adds namespace and cgroup to what the engine says.
func (inv *Inventory) locate(c *Container) {
	pid := c.PID
	locate(c, inv.proc, inv.cgroup)
	switch {
	case pid == 0:
	case c.PID != 0:
		inv.note("elsewhere", "")
		inv.noteCgroup(c)
	default:
		if _, err := os.Stat(inv.proc.path(pid, "cgroup")); err == nil {
			inv.note("elsewhere", "the engine's process ids are not those of this host: its containers run elsewhere")
		}
	}
	if c.Netns == 0 && c.Sandbox != "" { // its process is not there yet, or not any more
		if ino, err := readNetns(c.Sandbox); err == nil {
			c.Netns = ino
		}
	}
}

func (inv *Inventory) noteCgroup(c *Container) {
	if c.CgroupID == 0 && inv.cgroup.mount != "" {
		inv.note("cgroup", "containers are in no cgroup v2: one in the host's network namespace cannot be told from the host")
	}
}

// listWithoutEngine finds containers by their processes. It ends lives that
// have no process any more, but does not call a container removed: only the
// engine knows.
func (inv *Inventory) listWithoutEngine() {
	list, err := fallback(inv.proc, inv.cgroup)
	if err != nil {
		inv.setSource(Source{Name: "procfs", Detail: Clean(err.Error())})
		return
	}
	now := inv.clock.Now()
	alive := make(map[string]bool, len(list))
	for _, c := range list {
		alive[c.ID] = true
		if inv.lives(c.ID) {
			continue // with the process that the engine named
		}
		if c.Netns == inv.host.Inode {
			c.NetworkMode = "host"
		}
		inv.state.observe(c, now)
	}
	for id, c := range inv.state.containers {
		born := c.PID == 0 && c.Stopped.IsZero() // known by its cgroup alone
		if (c.Running() || born) && !alive[id] {
			c.PID, c.State = 0, "exited"
			inv.state.observe(c, now)
		}
	}
}

// lives says whether the process of a known container is still there.
func (inv *Inventory) lives(id string) bool {
	c := inv.state.containers[id]
	if c.Running() {
		locate(&c, inv.proc, inv.cgroup)
	}
	return c.Running()
}

// look finds all namespaces, reads all devices, and finds cgroups that
// containers made.
func (inv *Inventory) look() {
	all, refused, err := inv.proc.namespaces(inv.namespaceDirs())
	if err != nil {
		inv.setSource(Source{Name: "procfs", Detail: Clean(err.Error())})
		return
	}
	inv.noteRefused(refused)
	inv.setSource(Source{Name: "procfs", OK: true, Detail: fmt.Sprintf("%s, %d network namespaces", inv.proc.root, len(all))})
	inv.state.setNamespaces(all, inv.clock.Now())
	for id, c := range inv.state.containers {
		if c.Running() {
			fresh := c
			if locate(&fresh, inv.proc, inv.cgroup); fresh.PID != 0 {
				c.SubCgroups = union(c.SubCgroups, fresh.SubCgroups)
				inv.state.containers[id] = c
			}
		}
	}
	clear(inv.unread)
	inv.readNamespaces(all...)
}

// noteRefused says what is not seen without CAP_SYS_PTRACE. How many processes that
// are is a detail, which changes all the time.
func (inv *Inventory) noteRefused(processes int) {
	text := ""
	if processes > 0 {
		text = fmt.Sprintf("the network namespaces of other users' processes cannot be seen without CAP_SYS_PTRACE: devices of containers have numbers in place of names (processes: %d)", processes)
	}
	inv.note("ptrace", text)
}

// readNamespaces reads the devices of some namespaces. What it says of others, which
// could not be read before, stays.
func (inv *Inventory) readNamespaces(list ...Namespace) {
	scans := inv.devices.Devices(inv.host.Inode, list)
	inv.state.setDevices(scans, inv.clock.Now())
	for _, s := range scans {
		if s.Err != nil && !errors.Is(s.Err, fs.ErrNotExist) {
			inv.unread[s.Netns] = s.Err
		} else {
			delete(inv.unread, s.Netns)
		}
	}
	inv.noteUnread()
}

func (inv *Inventory) noteUnread() {
	if len(inv.unread) == 0 {
		inv.setSource(Source{Name: "netlink", OK: true})
		inv.note("netlink", "")
		return
	}
	first := slices.Min(slices.Collect(maps.Keys(inv.unread))) // one cause of several, always the same
	why := Clean(inv.unread[first].Error())
	inv.setSource(Source{Name: "netlink", Detail: why})
	inv.note("netlink", fmt.Sprintf("the devices of network namespaces cannot be read (%s; namespaces: %d)", why, len(inv.unread)))
}

// namespaceOf is a namespace with a path that opens it now: through a running
// container that is in it, or the path that it was found by.
func (inv *Inventory) namespaceOf(ino uint32) Namespace {
	ns := inv.state.namespaces[ino]
	ns.Inode = ino
	for _, c := range inv.state.containers {
		switch {
		case c.Netns != ino:
		case c.Running():
			ns.Path = filepath.Join(inv.proc.root, strconv.Itoa(c.PID), "ns/net")
			return ns
		case c.Sandbox != "" && ns.Path == "":
			ns.Path = c.Sandbox
		}
	}
	return ns // without a path it counts as gone
}
