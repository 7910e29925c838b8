package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// What Docker can do with overlay networks depends on what the kernel has, built in,
// loaded or to be loaded.
func TestOverlayCheck(t *testing.T) {
	const (
		vxlan = "ffffffff81a00000 t vxlan_xmit\n"
		ipvs  = "ffffffffc0a00000 t ip_vs_conn_new\t[ip_vs]\n"
		rest  = "0000000000000000 T vxlan_xmit_skb\nffffffff81000000 T tcp_v4_rcv\nnonsense\n"
	)
	for _, c := range []struct {
		name, kallsyms, modules string
		status                  string
		says, mend              string
	}{
		{"all", vxlan + ipvs + rest, "", checkOK, "vxlan, IPVS", ""},
		{"none", rest, "", checkInfo, "no vxlan", "CONFIG_VXLAN"},
		{"no IPVS", vxlan + rest, "kernel/drivers/net/veth.ko:", checkInfo, "--endpoint-mode dnsrr", "CONFIG_IP_VS"},
		{"modules", rest, "kernel/drivers/net/vxlan/vxlan.ko.xz:\nkernel/net/netfilter/ipvs/ip_vs.ko.xz: x\n", checkOK, "vxlan, IPVS", ""},
		{"one module", rest, "kernel/net/netfilter/ipvs/ip_vs.ko:\n", checkInfo, "no vxlan", "CONFIG_VXLAN"},
		{"built in and a module", vxlan, "kernel/net/netfilter/ipvs/ip_vs.ko:\n", checkOK, "vxlan, IPVS", ""},
	} {
		file := filepath.Join(t.TempDir(), "kallsyms")
		if err := os.WriteFile(file, []byte(c.kallsyms), 0o600); err != nil {
			t.Fatal(err)
		}
		x := judgeOverlay(file, c.modules)
		if x.Status != c.status || !strings.Contains(x.Detail, c.says) || !strings.Contains(x.Mend, c.mend) || (c.mend == "") != (x.Mend == "") {
			t.Errorf("%s: %+v", c.name, x)
		}
	}
	if x := judgeOverlay(filepath.Join(t.TempDir(), "none"), ""); x.Status != checkInfo || !strings.HasPrefix(x.Detail, "unknown: ") {
		t.Errorf("without kallsyms: %+v", x)
	}
}

// A port counts once that has a process for each address family.
func TestProxyText(t *testing.T) {
	at := func(host, container string, port uint16, of string) inventory.Proxy {
		return inventory.Proxy{Proto: "tcp", HostIP: netip.MustParseAddr(host), HostPort: port,
			ContainerIP: netip.MustParseAddr(container), ContainerPort: 80, ContainerID: of}
	}
	gone := at("0.0.0.0", "172.18.0.9", 99, "c")
	gone.Gone = time.Unix(1, 0)
	dual := []inventory.Proxy{at("0.0.0.0", "172.18.0.2", 8080, "a"), at("::", "2001:db8::2", 8080, "a")}
	for _, c := range []struct {
		proxies []inventory.Proxy
		want    string
	}{
		{nil, ""},
		{dual[:1], "docker-proxy: 1 process for 1 published port, 1.50MB of memory"},
		{append(dual, gone), "docker-proxy: 2 processes for 1 published port, 1.50MB of memory"},
		{append(dual, at("127.0.0.1", "172.18.0.3", 8080, "b")), "docker-proxy: 3 processes for 2 published ports, 1.50MB of memory"},
	} {
		processes := 0
		for _, p := range c.proxies {
			if p.Gone.IsZero() {
				processes++
			}
		}
		if got := proxyText(processes, 1_500_000, c.proxies); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
