package drops

import "strings"

// explanation says what a reason of the kernel means (include/net/dropreason-core.h)
// and what to do; empty for one that is not explained here.
func explanation(reason string) (meaning, mend string) {
	switch strings.TrimPrefix(reason, "SKB_DROP_REASON_") {
	case "NO_SOCKET":
		return "nothing listens on that port in the receiver's namespace",
			"see that the process runs and listens on 0.0.0.0 and not only on 127.0.0.1 (ss -lntu in the container)"
	case "NETFILTER_DROP":
		return "a firewall rule dropped it",
			"find the rule by its counter: nft list ruleset, or iptables -nvL; Docker's own are DOCKER-USER and DOCKER-ISOLATION"
	case "QDISC_DROP":
		return "the queueing discipline of the device was full, or shapes the traffic",
			"tc -s qdisc show dev DEVICE: raise its rate or limit, or send less"
	case "SOCKET_RCVBUFF":
		return "the receive buffer of the socket was full: the process reads too slowly",
			"see why it is slow (CPU throttling, one thread); a larger SO_RCVBUF or net.core.rmem_max helps only against bursts"
	case "SOCKET_BACKLOG":
		return "the backlog of a socket that its process was busy with was full",
			"give the process CPU, or a larger receive buffer"
	case "CPU_BACKLOG":
		return "the queue of a CPU's softirq was full",
			"raise net.core.netdev_max_backlog, or spread the load over CPUs (RPS)"
	case "NEIGH_FAILED", "NEIGH_QUEUEFULL", "NEIGH_CREATEFAIL":
		return "no answer from the next hop's link layer (ARP, neighbour discovery)",
			"see that the peer is up and in this network: ip neigh"
	case "IP_RPFILTER":
		return "the reverse path filter: the answer would take another interface",
			"correct the routes, or set net.ipv4.conf.DEVICE.rp_filter to 2"
	case "IP_OUTNOROUTES", "IP_INNOROUTES":
		return "no route to the destination", "ip route get ADDRESS in the sender's namespace"
	case "OTHERHOST":
		return "the frame was for another host's link layer address", "see the forwarding table: bridge fdb"
	case "PKT_TOO_BIG":
		return "larger than the MTU of the way", "make the MTU of Docker's network and of the underlay agree"
	case "TCP_CSUM", "UDP_CSUM", "IP_CSUM", "SKB_CSUM":
		return "the checksum is wrong", "look at the device's offloads: ethtool -k"
	case "TC_INGRESS", "TC_EGRESS":
		return "a tc filter dropped it", "tc filter show dev DEVICE ingress, and egress"
	case "XDP":
		return "an XDP program dropped it", "bpftool net"
	case "BPF_CGROUP_EGRESS", "SOCKET_FILTER":
		return "a BPF program of the cgroup or socket dropped it", "bpftool cgroup tree"
	case "FULL_RING":
		return "the ring of a tun device or veth was full: the other side reads too slowly",
			"give the receiving CPU time, or a longer queue"
	case "LISTEN_OVERFLOW", "TCP_LISTEN_OVERFLOW":
		return "the accept queue of the listening socket was full", "accept faster, or raise the backlog of listen and net.core.somaxconn"
	}
	return "", ""
}
