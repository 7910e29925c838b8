package main

import (
	"fmt"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model/human"
)

// proxyLine says what docker-proxy takes, "" when there is none.
func proxyLine(inv *inventory.Inventory) string {
	processes, bytes := inv.ProxyMemory()
	if processes == 0 {
		return ""
	}
	ports := make(map[string]bool)
	for _, p := range inv.View().Proxies() {
		if p.Gone.IsZero() {
			ports[fmt.Sprint(p.Proto, p.HostPort, p.ContainerIP)] = true
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
