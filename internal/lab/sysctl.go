package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BridgeNF sets whether bridged packets pass through netfilter
// (net.bridge.bridge-nf-call-iptables and -ip6tables) and restores what was
// there when the test ends. It needs the [Lock]: the setting is the host's.
func BridgeNF(t TB, on bool) {
	t.Helper()
	value := "0"
	if on {
		value = "1"
	}
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		path := filepath.Join("/proc/sys/net/bridge", name)
		before, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			if !on {
				continue // without the br_netfilter module they do not pass
			}
			out, modErr := exec.Command("modprobe", "br_netfilter").CombinedOutput()
			if before, err = os.ReadFile(path); err != nil {
				t.Fatalf("no br_netfilter: %v; modprobe: %v %s", err, modErr, out)
			}
		}
		must(t, err, "read %s", name)
		must(t, os.WriteFile(path, []byte(value), 0), "set %s", name)
		t.Cleanup(func() {
			if err := os.WriteFile(path, before, 0); err != nil {
				t.Errorf("restore %s: %v", name, err)
			}
		})
	}
}

// SetOffload turns an offload of a device (ethtool(8) -K: "gro", "gso",
// "tso", "tx") on or off. It is meant for devices that go with the test and
// restores nothing.
func SetOffload(t TB, path, dev, feature string, on bool) {
	t.Helper()
	value := "off"
	if on {
		value = "on"
	}
	err := InNetns(path, func() error {
		out, err := exec.Command("ethtool", "-K", dev, feature, value).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	})
	must(t, err, "ethtool -K %s %s %s", dev, feature, value)
}
