package hostfacts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// NIC is a network device with hardware, or what a hypervisor gives for it,
// below.
type NIC struct {
	Name     string
	MTU      int
	Up       bool
	RxQueues int
	TxQueues int
	RPS      bool            // receive packet steering on some queue
	XPS      bool            // transmit packet steering on some queue
	Offloads map[string]bool // by the names of ethtool(8): gro, gso, tso; nil: unknown

	RxPackets uint64  // since it came up
	Rate      float64 // packets received a second, -1 when not measured
}

// nics lists the devices of the host's namespace that have a parent on a bus.
func (r Reader) nics() (out []NIC) {
	dirs, _ := filepath.Glob(filepath.Join(r.Sys, "class/net/*/device"))
	for _, dir := range dirs {
		dir = filepath.Dir(dir)
		n := NIC{Name: filepath.Base(dir), Rate: -1}
		mtu, _ := r.number(dir, "mtu")
		n.MTU = int(mtu)
		state, _ := r.text(dir, "operstate")
		n.Up = state == "up" || state == "unknown"
		n.RxPackets, _ = r.number(dir, "statistics/rx_packets")
		n.RxQueues, n.RPS = r.queues(dir, "rx-*", "rps_cpus")
		n.TxQueues, n.XPS = r.queues(dir, "tx-*", "xps_cpus")
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b NIC) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// queues counts the queues, and says whether one of them has a CPU mask that is
// not empty.
func (r Reader) queues(dir, pattern, mask string) (n int, steered bool) {
	all, _ := filepath.Glob(filepath.Join(dir, "queues", pattern))
	for _, q := range all {
		b, err := os.ReadFile(filepath.Join(q, mask))
		if err == nil && strings.Trim(string(b), "0,\n ") != "" {
			steered = true
		}
	}
	return len(all), steered
}

// rates fills in what came in between two readings.
func rates(first, second []NIC, between time.Duration) {
	for i := range first {
		for _, later := range second {
			if later.Name == first[i].Name && later.RxPackets >= first[i].RxPackets {
				first[i].Rate = float64(later.RxPackets-first[i].RxPackets) / between.Seconds()
			}
		}
	}
}
