package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// cpuTime is the CPU time that both containers used so far (cpu.stat of their
// cgroups, which the v2 hierarchy has beside a v1 one as well). The kernel
// carries a packet over a bridge in the context of its sender, softirqs and
// kernel programs included, so this holds the whole way of a packet, unless
// the kernel accounts for interrupts apart (CONFIG_IRQ_TIME_ACCOUNTING).
func (p *pair) cpuTime() (time.Duration, error) {
	var sum time.Duration
	for _, dir := range p.cgroups {
		stat, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
		if err != nil {
			return 0, err
		}
		used, err := usage(string(stat))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", dir, err)
		}
		sum += used
	}
	return sum, nil
}

// usage is the first line of cpu.stat: "usage_usec 1234".
func usage(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	value, ok := strings.CutPrefix(line, "usage_usec ")
	if !ok {
		return 0, fmt.Errorf("cpu.stat begins with %q", line)
	}
	us, err := strconv.ParseInt(value, 10, 64)
	return time.Duration(us) * time.Microsecond, err
}

// cgroupOf is the directory of a container's cgroup in the v2 hierarchy.
func cgroupOf(c *lab.Container) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.PID))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return underMount(path)
		}
	}
	return "", fmt.Errorf("%s is in no cgroup of the v2 hierarchy", c.Name)
}

// underMount tries the hierarchy's usual places, alone and beside v1.
func underMount(path string) (string, error) {
	var err error
	for _, mount := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		dir := filepath.Join(mount, path)
		if _, err = os.Stat(filepath.Join(dir, "cpu.stat")); err == nil {
			return dir, nil
		}
	}
	return "", err
}
