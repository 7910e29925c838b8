package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/hopscope/hopscope/pkg/hostfacts"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// manyProxies is from where docker-proxy's processes are worth a finding.
const manyProxies = 100

// judgeProxies finds them too many.
func judgeProxies(processes int, memory uint64) []hostfacts.Finding {
	if processes < manyProxies {
		return nil
	}
	return []hostfacts.Finding{{Kind: "docker_proxy", Severity: "info",
		Text:     "each published port has a docker-proxy process for each address family, whether it is used or not",
		Evidence: fmt.Sprintf("%d processes, %s of memory", processes, human.Bytes(memory)),
		Mend:     "dockerd --userland-proxy=false publishes by NAT alone"}}
}

// proxyChecks says what docker-proxy costs: one process for each published
// port and address family, idle or not.
func proxyChecks(inv *inventory.Inventory) []check {
	x := check{Name: "docker-proxy", Status: checkOK, Detail: strings.TrimPrefix(proxyLine(inv), "docker-proxy: ")}
	if x.Detail == "" {
		x.Detail = "no process"
	}
	out := []check{x}
	if proxiesShareCgroup(inv) {
		out = append(out, check{Name: "docker-proxy's cgroup", Status: checkInfo,
			Detail: "it is the root's, as of other processes of the host: one that connects to a container's published port by the container's address is told from docker-proxy by its connect(2) alone, and taken for it where that was before the trace",
			Mend:   "run dockerd as a service, in a cgroup of its own"})
	}
	return out
}

// proxiesShareCgroup says whether docker-proxy is in the cgroup in which all
// processes are that nobody put into another.
func proxiesShareCgroup(inv *inventory.Inventory) bool {
	for _, p := range inv.View().Proxies() {
		if p.Gone.IsZero() && p.CgroupID != 0 {
			return p.CgroupID == inv.RootCgroup()
		}
	}
	return false
}

// overlayCheck says what this kernel has for overlay networks. Functions are in
// kallsyms whether they are built in or of a loaded module; a module that could
// be loaded is found by its file.
func overlayCheck() check { return judgeOverlay("/proc/kallsyms", modulesFile()) }

// judgeOverlay takes the file of the kernel's symbols, and the text of modules.dep.
func judgeOverlay(kallsyms, modules string) check {
	const vxlan, ipvs = "vxlan_xmit", "ip_vs_conn_new"
	x := check{Name: "overlay networks", Status: checkOK, Detail: "vxlan, IPVS"}
	found, err := kernelHas(kallsyms, vxlan, ipvs)
	if err != nil {
		x.Status, x.Detail = checkInfo, "unknown: "+err.Error()
		return x
	}
	switch {
	case !found[vxlan] && !strings.Contains(modules, "/vxlan.ko"):
		x.Status, x.Detail, x.Mend = checkInfo, "this kernel has no vxlan: Docker cannot make them", "a kernel with CONFIG_VXLAN"
	case !found[ipvs] && !strings.Contains(modules, "/ip_vs.ko"):
		x.Status, x.Mend = checkInfo, "a kernel with CONFIG_IP_VS"
		x.Detail = "vxlan is there, IPVS is not: containers can be attached, services need --endpoint-mode dnsrr and have no ingress"
	}
	return x
}

// kernelHas looks for functions by name.
func kernelHas(kallsyms string, names ...string) (map[string]bool, error) {
	f, err := os.Open(kallsyms)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found := make(map[string]bool)
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 3 {
			continue
		}
		for _, n := range names {
			if fields[2] == n {
				found[n] = true
			}
		}
	}
	return found, sc.Err()
}

// modulesFile lists the modules of the running kernel, "" where it has none
// (modules.dep(5)).
func modulesFile() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	list, _ := os.ReadFile(fmt.Sprintf("/lib/modules/%s/modules.dep", strings.TrimSpace(string(release))))
	return string(list)
}
