package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ProtocolCount is a counter of a process's namespace, by the names of
// nstat(8): ("snmp", "Udp", "NoPorts"), ("netstat", "TcpExt", "ListenDrops").
// The file has a line of names before each line of values.
func ProtocolCount(t TB, pid int, file, protocol, name string) uint64 {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
	must(t, err, "read the counters of process %d", pid)
	var names []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if fields[0] != protocol+":" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i := range names {
			if names[i] == name {
				n, err := strconv.ParseUint(fields[i], 10, 64)
				must(t, err, "read %s", name)
				return n
			}
		}
	}
	t.Fatalf("no %s %s in %s of process %d", protocol, name, file, pid)
	return 0
}
