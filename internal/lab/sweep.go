package lab

import (
	"context"
	"os"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Sweep removes what crashed runs left: containers and networks with the lab's
// label, images of older traffic programs, namespaces and devices with the
// lab's names, and what a private engine or a test's program left running. The caller holds the [Lock], which sweeps already.
func Sweep(t TB) {
	t.Helper()
	sweepPrivate(t)
	SweepPrograms(t)
	sweepHosts(t)
	sweepCgroups()
	engine, err := dial()
	if err != nil {
		return // without an engine there is nothing of its to remove
	}
	defer engine.Close()
	sweepEngine(t, engine)
}

func sweepEngine(t TB, engine *client.Client) {
	t.Helper()
	ctx := context.Background()
	ours := filters.NewArgs(filters.Arg("label", label))

	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	must(t, err, "list left containers")
	for _, c := range containers {
		t.Logf("removing left container %s", c.Names)
		must(t, engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}), "remove %s", c.Names)
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: ours})
	must(t, err, "list left networks")
	for _, n := range networks {
		t.Logf("removing left network %s", n.Name)
		must(t, removeNetwork(t, engine, n.ID), "remove network %s", n.Name)
	}
	current, err := buildOnce()
	must(t, err, "build the traffic program")
	images, err := engine.ImageList(ctx, image.ListOptions{Filters: ours})
	must(t, err, "list left images")
	for _, i := range images {
		if len(i.RepoTags) == 1 && i.RepoTags[0] == imageName+":"+current.hash {
			continue
		}
		_, err := engine.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		must(t, err, "remove image %s", i.RepoTags)
	}
}

// sweepHosts removes what Outside makes.
func sweepHosts(t TB) {
	t.Helper()
	names, err := os.ReadDir(netnsDir)
	if err != nil {
		names = nil // made by the first named namespace
	}
	for _, entry := range names {
		if strings.HasPrefix(entry.Name(), prefix) {
			t.Logf("removing left namespace %s", entry.Name())
			must(t, netns.DeleteNamed(entry.Name()), "remove namespace %s", entry.Name())
		}
	}
	links, err := netlink.LinkList()
	must(t, err, "list devices")
	for _, link := range links {
		if strings.HasPrefix(link.Attrs().Name, hostDevPrefix) {
			// The pair may be going already, with its namespace.
			if err := netlink.LinkDel(link); err == nil {
				t.Logf("removed left device %s", link.Attrs().Name)
			}
		}
	}
}
