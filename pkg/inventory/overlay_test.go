package inventory

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOverlayNamespaceIsItsNetworks(t *testing.T) {
	const meshNS = 900
	f := town()
	f.Networks = append(f.Networks, Network{ID: "vwvzo7j5jwexample", Name: "mesh", Driver: "overlay"})
	f.Namespaces = append(f.Namespaces,
		Namespace{Inode: meshNS, Path: "/run/docker/netns/1-vwvzo7j5jw"}, Namespace{Inode: meshNS + 1, Path: "/run/docker/netns/1-other12345"})
	f.Devices = append(f.Devices,
		Device{Netns: meshNS, Ifindex: 3, Name: "veth0", Kind: "veth", PeerNetns: dbNS, PeerIfindex: 30, Seen: at(0)},
		Device{Netns: meshNS, Ifindex: 4, Name: "vxlan0", Kind: "vxlan", Seen: at(0)})
	v := NewView(f)
	for index, want := range map[uint32]string{0: "network mesh", 3: "veth of ccdb (mesh)", 4: "vxlan0 of network mesh"} {
		if got, _ := v.Where(meshNS, index); got != want {
			t.Errorf("device %d is %q, want %q", index, got, want)
		}
	}
	if n, ok := v.Network(meshNS, 3); !ok || n.Name != "mesh" {
		t.Errorf("network %+v", n)
	}
	if got, _ := v.Where(meshNS+1, 0); got != "ns 901" {
		t.Errorf("another namespace is %q", got)
	}
}

// An engine may keep its namespaces elsewhere than usual.
func TestNamespacesOfOtherEngines(t *testing.T) {
	dir := t.TempDir()
	usual, other, alias := filepath.Join(dir, "usual"), filepath.Join(dir, "other"), filepath.Join(dir, "alias")
	for _, d := range []string{usual, other} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(usual, alias); err != nil {
		t.Fatal(err)
	}
	inv := &Inventory{dirs: []string{usual}, state: newState(hostNS)}
	for i, d := range []string{usual, alias, other, other} {
		c := Container{ID: id(string(rune('a' + i))), PID: 7, Sandbox: filepath.Join(d, "1234")}
		inv.state.observe(c, at(0))
	}
	if got := inv.namespaceDirs(); !slices.Equal(got, []string{usual, other}) {
		t.Errorf("%q", got)
	}
}
