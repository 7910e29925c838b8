package inventory

import (
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Listening are the TCP sockets that listen now: of containers, each port at each of the
// container's addresses; of the host, at the unspecified one. A namespace that may not be
// looked into is left out.
func (v *View) Listening() (at []netip.AddrPort) {
	for _, port := range listeningOf("self") {
		at = append(at, netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	}
	for _, c := range v.Containers() {
		if !c.Running() || c.Netns == v.HostNetns() {
			continue
		}
		for _, port := range listeningOf(strconv.Itoa(c.PID)) {
			for _, a := range c.Addrs {
				at = append(at, netip.AddrPortFrom(a, port))
			}
		}
	}
	return at
}

// listeningOf gives the ports in the namespace of a process, each once.
func listeningOf(process string) (ports []uint16) {
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/" + process + "/net/" + table)
		if err == nil { // it may have gone
			ports = append(ports, listeningIn(string(text))...)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// listeningIn reads a table of sockets (proc_net_tcp in the kernel's documentation): a
// line of names, then "sl local_address rem_address st", addresses as "0100007F:1F90".
func listeningIn(table string) (ports []uint16) {
	const listen = "0A" // TCP_LISTEN
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != listen {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}
