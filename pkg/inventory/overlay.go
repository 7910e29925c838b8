package inventory

import (
	"path/filepath"
	"slices"
	"strings"
)

// overlaysOf finds the namespaces that the engine keeps for overlay networks,
// with the network's bridge and vxlan in them. Their file is called after the
// network: an epoch, a dash and the first ten digits of its id (moby
// libnetwork/drivers/overlay initSandbox, osl.GenerateKey).
func overlaysOf(f Facts) map[uint32]Network {
	const digits = 10
	out := make(map[uint32]Network)
	for _, ns := range f.Namespaces {
		_, short, ok := strings.Cut(filepath.Base(ns.Path), "-")
		if !ok || len(short) != digits {
			continue
		}
		for _, n := range f.Networks {
			if n.Driver == "overlay" && strings.HasPrefix(n.ID, short) {
				out[ns.Inode] = n
			}
		}
	}
	return out
}

// overlayPlace names a device in an overlay network's namespace.
func (v *View) overlayPlace(n Network, d Device) string {
	if d.Kind == "veth" {
		if owners := v.behind(d); owners != "" {
			return "veth of " + owners + " (" + n.Name + ")"
		}
	}
	return d.Name + " of network " + n.Name
}

// namespaceDirs are where namespaces are mounted: also those of an engine that
// keeps its files elsewhere (--exec-root), as its containers' show.
func (inv *Inventory) namespaceDirs() []string {
	dirs := slices.Clone(inv.dirs)
	for _, c := range inv.state.containers {
		if dir := filepath.Dir(c.Sandbox); c.Running() && c.Sandbox != "" && !slices.Contains(dirs, dir) && !linked(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// linked says whether a directory is another name of one in the list, as
// /var/run is of /run.
func linked(dirs []string, dir string) bool {
	real, err := filepath.EvalSymlinks(dir)
	return err == nil && slices.Contains(dirs, real)
}
