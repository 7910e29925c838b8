package lab

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// userHZ is the unit of /proc/stat (sysconf(_SC_CLK_TCK)).
const userHZ = 100

// Stolen is the time for which the hypervisor has kept this machine's CPUs from
// running since it booted, all together (proc_stat(5), "steal").
func Stolen(t TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	must(t, err, "read the time that was stolen")
	line, _, _ := strings.Cut(string(text), "\n")
	const steal = 8 // behind "cpu", user, nice, system, idle, iowait, irq, softirq
	fields := strings.Fields(line)
	if len(fields) <= steal {
		t.Fatalf("/proc/stat begins with %q", line)
	}
	ticks, err := strconv.ParseInt(fields[steal], 10, 64)
	must(t, err, "read the time that was stolen")
	return time.Duration(ticks) * time.Second / userHZ
}
