package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// Shop makes networks and containers that belong together. All are removed
// when the test ends.
type Shop struct {
	Client *client.Client
	t      TB
	image  string
	unique string // starts every name
}

// NewShop needs the [Lock].
func NewShop(t TB) *Shop {
	t.Helper()
	return newShop(t, Engine(t))
}

func newShop(t TB, engine *client.Client) *Shop {
	t.Helper()
	return &Shop{Client: engine, t: t, image: trafficImage(t, engine), unique: prefix + randomHex() + "-"}
}

// Use lets the shop, and the containers that it has, work for another test.
func (s *Shop) Use(t TB) { s.t = t }

// randomHex gives 6 hex digits.
func randomHex() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// Name makes a short name unique: "web" becomes "hopscope-3fa2b1-web".
func (s *Shop) Name(short string) string { return s.unique + short }

// UsePlainNames gives short names as they are, as long as nobody else has one
// of these names; it says whether it does. For what people read, such as the
// demo.
func (s *Shop) UsePlainNames(containers, networks []string) bool {
	s.t.Helper()
	ctx := context.Background()
	for _, name := range containers {
		if _, err := s.Client.ContainerInspect(ctx, name); !cerrdefs.IsNotFound(err) {
			return false
		}
	}
	for _, name := range networks {
		if _, err := s.Client.NetworkInspect(ctx, name, network.InspectOptions{}); !cerrdefs.IsNotFound(err) {
			return false
		}
	}
	s.unique = ""
	return true
}

// NetworkSpec describes a Docker network.
type NetworkSpec struct {
	Name    string // short; see Shop.Name
	Driver  string // "": bridge
	Subnet  string // "": as Docker chooses
	Subnet6 string // "": no IPv6
	Bridge  string // name of the host's device, "": br- and the start of the id
	Options map[string]string

	Attachable bool // overlay: containers that are no tasks of a service may join
}

// Network is a Docker network.
type Network struct {
	Name   string // whole
	ID     string
	Bridge string // the host's device, "" unless the driver is bridge
}

// Network creates a network.
func (s *Shop) Network(spec NetworkSpec) *Network {
	s.t.Helper()
	if spec.Driver == "" {
		spec.Driver = "bridge"
	}
	options := network.CreateOptions{
		Driver:  spec.Driver,
		Labels:  map[string]string{label: "1"},
		Options: map[string]string{},

		Attachable: spec.Attachable,
	}
	for k, v := range spec.Options {
		options.Options[k] = v
	}
	if spec.Bridge != "" {
		options.Options["com.docker.network.bridge.name"] = spec.Bridge
	}
	options.IPAM, options.EnableIPv6 = ipam(spec)

	made, err := s.Client.NetworkCreate(context.Background(), s.Name(spec.Name), options)
	must(s.t, err, "create network %s", spec.Name)
	n := &Network{Name: s.Name(spec.Name), ID: made.ID, Bridge: spec.Bridge}
	if n.Bridge == "" && spec.Driver == "bridge" {
		n.Bridge = "br-" + n.ID[:12]
	}
	s.t.Cleanup(func() {
		if err := removeNetwork(s.t, s.Client, n.ID); err != nil {
			s.t.Errorf("remove network %s: %v", n.Name, err)
		}
	})
	return n
}

// removeNetwork leaves a network that the engine takes for used although no
// container is in it: engines miscount when eight containers come and go at once
// ("Fixing inconsistent endpoint_cnt", they log when they start again). It is in
// nobody's way.
func removeNetwork(t TB, engine *client.Client, id string) error {
	ctx := context.Background()
	err := engine.NetworkRemove(ctx, id)
	if !cerrdefs.IsPermissionDenied(err) {
		return err
	}
	used, inspected := engine.NetworkInspect(ctx, id, network.InspectOptions{})
	if inspected != nil || len(used.Containers) > 0 {
		return errors.Join(err, inspected)
	}
	t.Logf("network %s stays until the engine is started again: it miscounts the endpoints", used.Name)
	return nil
}

func ipam(spec NetworkSpec) (*network.IPAM, *bool) {
	ipam := &network.IPAM{Driver: "default"}
	ipv6 := spec.Subnet6 != ""
	for _, subnet := range []string{spec.Subnet, spec.Subnet6} {
		if subnet == "" {
			continue
		}
		// Docker's older engines give IPv6 networks no gateway of their own.
		gateway := netip.MustParsePrefix(subnet).Masked().Addr().Next()
		ipam.Config = append(ipam.Config, network.IPAMConfig{Subnet: subnet, Gateway: gateway.String()})
	}
	return ipam, &ipv6
}
