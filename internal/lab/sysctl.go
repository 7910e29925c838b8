package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
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
		set(t, path, value, before)
	}
}

// Sysctl sets one of the host's settings, by its path below /proc/sys, and
// restores what was there when the test ends. It needs the [Lock].
func Sysctl(t TB, name, value string) {
	t.Helper()
	path := filepath.Join("/proc/sys", name)
	before, err := os.ReadFile(path)
	must(t, err, "read %s", name)
	set(t, path, value, before)
}

func set(t TB, path, value string, before []byte) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(value), 0), "set %s", path)
	t.Cleanup(func() {
		if err := os.WriteFile(path, before, 0); err != nil {
			t.Errorf("restore %s: %v", path, err)
		}
	})
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

// PollByThread has a veth's device receive by NAPI in a kernel thread of its own
// (Documentation/networking/napi.rst, "Threaded NAPI"), not in a softirq that
// borrows whichever task is running: what a packet sets off there is no longer
// subject to who that is. sender is its peer on the host: a veth polls only for one
// that leaves segmentation to the kernel (veth_skb_is_eligible_for_gro).
func PollByThread(t TB, path, dev, sender string) {
	t.Helper()
	SetOffload(t, HostNetns, sender, "tso", false)
	SetOffload(t, path, dev, "gro", true)
	err := InNetns(path, func() error {
		// The sysfs of a namespace is mounted in it; Docker did so read-only.
		script := fmt.Sprintf("mount -t sysfs none /sys && mount -o remount,rw /sys && echo 1 > /sys/class/net/%s/threaded", dev)
		out, err := exec.Command("unshare", "--mount", "sh", "-c", script).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	})
	must(t, err, "threaded NAPI of %s", dev)
}

// SetMTU sets that of a device that goes with the test.
func SetMTU(t TB, path, dev string, mtu int) {
	t.Helper()
	err := onLink(path, dev, func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetMTU(link, mtu) })
	must(t, err, "set the MTU of %s to %d", dev, mtu)
}

// SetTCP writes a setting of TCP (net.ipv4.tcp_*, ip-sysctl.rst) of a namespace
// that goes with the test.
func SetTCP(t TB, path, name, value string) {
	t.Helper()
	err := InNetns(path, func() error {
		return os.WriteFile("/proc/sys/net/ipv4/tcp_"+name, []byte(value), 0)
	})
	must(t, err, "set tcp_%s", name)
}

// TCP reads what [SetTCP] writes.
func TCP(t TB, path, name string) (value string) {
	t.Helper()
	err := InNetns(path, func() error {
		b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_" + name)
		value = strings.TrimSpace(string(b))
		return err
	})
	must(t, err, "read tcp_%s", name)
	return value
}
