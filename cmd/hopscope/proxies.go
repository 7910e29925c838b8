package main

import (
	"fmt"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// proxyLine says what docker-proxy takes, "" when there is none.
func proxyLine(inv *inventory.Inventory) string {
	processes, bytes := inv.ProxyMemory()
	return proxyText(processes, bytes, inv.View().Proxies())
}

// proxyText counts a port once that has a process for each address family.
func proxyText(processes int, bytes uint64, proxies []inventory.Proxy) string {
	if processes == 0 {
		return ""
	}
	ports := make(map[string]bool)
	for _, p := range proxies {
		if p.Gone.IsZero() {
			ports[fmt.Sprint(p.Proto, " ", p.HostPort, " ", p.ContainerPort, " ", p.ContainerID)] = true
		}
	}
	return fmt.Sprintf("docker-proxy: %s for %s, %s of memory", counted(processes, "process", "processes"),
		counted(len(ports), "published port", "published ports"), human.Bytes(bytes))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
