/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contract between the kernel programs and user space: what a record on
 * the ring means, and what every counter counts. Go's types are generated
 * from this file by bpf2go; nothing in it is written down a second time.
 */
#ifndef HOPSCOPE_ABI_H
#define HOPSCOPE_ABI_H

/* Longest journey that is kept whole; a longer one is cut and flagged. */
#define HS_MAX_STOPS 32

/* Where a packet was observed. Netfilter points are HS_P_NF + 2 * hook, plus
 * one for the observation after the hook's own work (conntrack, NAT, filter). */
enum hs_point {
	HS_P_NONE = 0,
	HS_P_QUEUE = 1,	    /* net_dev_queue: handed to a device's qdisc */
	HS_P_XMIT = 2,	    /* net_dev_start_xmit: handed to the driver */
	HS_P_NETIF_RX = 3,  /* netif_rx: put on a CPU's softirq backlog */
	HS_P_RECEIVE = 4,   /* netif_receive_skb: taken up by the stack */
	HS_P_GRO = 5,	    /* napi_gro_receive_entry: polled from a device */
	HS_P_DELIVER = 6,   /* cgroup_skb/ingress: reached its socket */
	HS_P_TCP_PROBE = 7, /* tcp_probe: the socket's TCP processed it */
	HS_P_FREE = 8,	    /* kfree_skb */
	HS_P_CONSUME = 9,   /* consume_skb */
	HS_P_MERGED = 10,   /* napi_gro_receive_exit: merged into another skb */
	HS_P_NF = 16,	    /* first of the ten netfilter points, 16..25 */
};

/* What is known of a stop's device; HS_S_COARSE speaks of its time. */
enum hs_stop_flag {
	HS_S_BRIDGE = 1, /* a bridge's own device */
	HS_S_PORT = 2,	 /* a port of a bridge */
	HS_S_PHYS = 4,	 /* no rtnl_link_ops and no loopback: a NIC */
	HS_S_VETH = 8,
	HS_S_ENCAP = 16,    /* skb->encapsulation: inside a tunnel header */
	HS_S_COARSE = 32,   /* delta counts 1024 ns instead of 1 ns */
	HS_S_BACKWARD = 64, /* the clock ran backwards: delta is 0 and counted */
	HS_S_TUNNEL = 128,  /* a tunnel's device: vxlan, geneve, gre; at xmit only */
};

enum hs_ending {
	HS_E_NONE = 0,
	HS_E_DELIVERED = 1,   /* reached a socket */
	HS_E_DROPPED = 2,     /* kfree_skb, with reason and location */
	HS_E_LEFT = 3,	      /* a NIC (or tun) completed its transmission */
	HS_E_SEGMENTED = 4,   /* split by software GSO or fragmented; children go on */
	HS_E_GRO_MERGED = 5,  /* became part of another skb */
	HS_E_REBUILT = 6,     /* copied into a new skb (XDP); the copy goes on */
	HS_E_CONSUMED = 7,    /* used up by the kernel itself, such as an ICMP echo */
	HS_E_REASSEMBLED = 8, /* a fragment that became part of its datagram, which goes on */
	HS_E_MAX,
};

enum hs_journey_flag {
	HS_J_INHERITED = 1, /* the first stops are those of the parent skb */
	HS_J_TRUNCATED = 2, /* more than HS_MAX_STOPS stops */
	HS_J_RECEIVED = 4,  /* born by reception on a NIC, not by a local socket */
	HS_J_PRIORITY = 8,  /* SYN, RST or DNS: tracked whatever the sample rate */
	HS_J_INFERRED = 16, /* the ending was not seen, but nothing else is possible */
	HS_J_FRAGMENT = 32, /* an IP fragment, the first one included */
	HS_J_OUTER = 64,    /* at its end known by the header of its tunnel */
};

/* Counters, one value a CPU. tracked = sum(endings) + in flight + the losses
 * from HS_C_EVICTED to HS_C_MAP_FULL; sum(endings) = emitted + suppressed +
 * filtered. */
enum hs_counter {
	HS_C_TRACKED = 0,
	HS_C_ENDING = 1, /* + enum hs_ending, up to 8 */
	HS_C_EMITTED = 10,
	HS_C_SUPPRESSED = 11, /* complete, not emitted: the ring was under pressure */
	HS_C_FILTERED = 12,   /* complete, not of a selected container */
	HS_C_EVICTED = 13,    /* a new packet was born at the address */
	HS_C_MISMATCHED = 14, /* another packet was seen at the address */
	HS_C_TIMED_OUT = 15,  /* counted by user space, which walks the slots */
	HS_C_RING_FULL = 16,
	HS_C_MAP_FULL = 17,	     /* no slot for a new journey */
	HS_C_TRUNCATED = 18,	     /* not a loss: more stops than fit */
	HS_C_BACKWARD = 19,	     /* not a loss: the clock ran backwards */
	HS_C_UNSAMPLED = 20,	     /* births that the sample rate left out */
	HS_C_UNKNOWN = 21,	     /* stops of packets without a slot */
	HS_C_ORPHANED = 22,	     /* TCP segments after a split whose parent was not found */
	HS_C_UNREAD = 23,	     /* received, gone before their headers were in reach */
	HS_C_DROPS = 24,	     /* dropped IP packets, tracked or not */
	HS_C_DROPS_OTHER = 25,	     /* of those, beyond the table of groups */
	HS_C_RETRANSMITS_OTHER = 26, /* retransmissions beyond the table of flows */
	HS_C_EVENTS = 27,	     /* exchanges and connects put on hs_events */
	HS_C_EVENTS_LOST = 28,	     /* ... that did not fit: nobody read in time */
	HS_C_EVENTS_UNSAMPLED = 29,  /* exchanges that the sample rate left out */
	HS_C_EVENTS_FILTERED = 30,   /* ... of no selected container */
	HS_C_SOCKETS_OTHER = 31,     /* connections beyond the table of sockets */
	HS_C_RESETS_OTHER = 32,	     /* resets beyond the table of flows */
	HS_C_UNWEIGHTED = 33,	     /* suppressed ones whose stand-in found the ring full */
	HS_C_DNS_QUERIES = 36,	     /* DNS queries sent, as recorded */
	HS_C_DNS_ANSWERS = 37,	     /* DNS answers received, as recorded */
	HS_C_DNS_UNREAD = 38,	     /* of both: the header was not in reach */
	HS_C_DNS_RING_FULL = 39,     /* DNS messages lost: hs_dns was full */
	HS_C_RUNS = 48,		     /* + enum hs_prog: heartbeat of each program */
	HS_C_MAX = 80,
};

enum hs_prog {
	HS_R_QUEUE,
	HS_R_XMIT,
	HS_R_NETIF_RX,
	HS_R_RECEIVE,
	HS_R_GRO_ENTRY,
	HS_R_GRO_EXIT,
	HS_R_DELIVER,
	HS_R_TCP_PROBE,
	HS_R_KFREE,
	HS_R_CONSUME,
	HS_R_NF,
	HS_R_RETRANSMIT,
	HS_R_SPACE_ADJUST, /* tcp_rcv_space_adjust: an application read */
	HS_R_SOCK_STATE,   /* inet_sock_set_state */
	HS_R_SEND_RESET,
	HS_R_RECEIVE_RESET,
	HS_R_DESTROY_SOCK,
	HS_R_MAX,
};

/* 16 bytes. */
struct hs_stop {
	__u32 delta; /* ns since the previous stop; see HS_S_COARSE */
	__u32 ifindex;
	__u32 netns; /* inode number of the network namespace */
	__u8 point;
	__u8 flags;
	__u16 cpu;
};

/* IPv4 addresses stand in the last 4 bytes, the 12 before them are
 * 00..00 ff ff (RFC 4291, 2.5.5.2). Ports are in host order; for ICMP sport is
 * the id and dport type << 8 | code. */
struct hs_tuple {
	__u8 saddr[16];
	__u8 daddr[16];
	__u16 sport;
	__u16 dport;
} __attribute__((aligned(4)));

/* What NAT leaves alone, so that a packet can be told from the next one at
 * the same address. TCP: seq, ack | TSval, payload length, IPv4 id.
 * UDP: length, IPv4 id or IPv6 flow label. ICMP: type, code, id, seq. */
struct hs_sig {
	__u64 a;
	__u64 b;
};

/* The head of a record; `stops` stops follow it. 144 bytes. */
struct hs_journey {
	__u64 start_ns; /* CLOCK_MONOTONIC at the first stop */
	__u64 cgroup_src;
	__u64 cgroup_dst;
	__u64 drop_location;
	struct hs_sig sig;
	struct hs_tuple first; /* as the sender wrote it */
	struct hs_tuple last;  /* as it was at the last stop: after NAT */
	__u32 weight;	       /* how many packets this one stands for */
	__u32 bytes;	       /* IP header and payload, at the first stop */
	__u32 drop_reason;
	__u16 segments; /* gso_segs, at least 1 */
	__u8 family;	/* 4 or 6 */
	__u8 proto;
	__u8 ending;
	__u8 flags;
	__u8 tcp_flags;
	__u8 stops;
	__u32 srtt_us; /* of the receiving TCP socket at tcp_probe, 0: unknown */
};

/* How the owner of a dropped packet is known. */
enum hs_drop_by {
	HS_BY_NOTHING = 0,
	HS_BY_JOURNEY = 1,
	HS_BY_SOCKET = 2,
	HS_BY_DEVICE = 3,
	HS_BY_CONNTRACK = 4, /* which knew the ends behind translated addresses */
};

/* Whether connection tracking knew a packet that netfilter dropped. */
enum hs_track {
	HS_T_UNTRACKED = 1, /* it had not seen the packet, or was told not to */
	HS_T_TRACKED = 2,
};

/* Dropped packets that are counted together. */
struct hs_drop_key {
	__u64 location;
	__u64 cgroup;
	__u8 saddr[16];
	__u8 daddr[16];
	__u32 reason;
	__u32 netns; /* where it was last */
	__u32 ifindex;
	__u32 born_netns; /* of a tracked packet */
	__u16 port;	  /* the lower one */
	__u8 proto;
	__u8 family;
	__u8 by;	/* enum hs_drop_by */
	__u8 point;	/* the last one of a tracked packet */
	__u8 tcp_flags; /* SYN, RST, FIN */
	__u8 track;	/* enum hs_track, 0 unless netfilter dropped it */
	__u8 stop;	/* of the last stop's flags, HS_S_PORT */
	__u8 pad[7];
};

/* TCP sockets of one owner that serve, or use, one service of one peer. */
struct hs_flow_key {
	__u64 cgroup;
	__u8 local[16];
	__u8 remote[16];
	__u32 netns;
	__u16 port;  /* the lower one */
	__u8 server; /* the lower port is the local one */
	__u8 pad;
};

/* Kinds of retransmissions. */
enum hs_retransmit {
	HS_X_RTO = 0,  /* the retransmission timer */
	HS_X_FAST = 1, /* fast recovery: duplicate ACKs, SACK or RACK */
	HS_X_TLP = 2,  /* tail loss probe */
	HS_X_SYN = 3,
	HS_X_SYNACK = 4,
	HS_X_OTHER = 5,
	HS_X_MAX,
};

/* What a record on the ring hs_events is; its first byte says it. */
enum hs_event_kind {
	HS_EV_EXCHANGE = 1,
	HS_EV_CONNECT = 2,
	HS_EV_ACCEPT = 3, /* a struct hs_connect, too */
};

/* Which end of a connection a socket is: clients send the requests. */
enum hs_role {
	HS_ROLE_UNKNOWN = 0,
	HS_ROLE_CLIENT = 1,
	HS_ROLE_SERVER = 2,
};

enum hs_event_flag {
	HS_EF_FIRST = 1,	/* the first one of a connection seen from its start */
	HS_EF_MIDWAY = 2,	/* the connection is older than the trace */
	HS_EF_PIPELINED = 4,	/* the next request began before this answer was read */
	HS_EF_SERVER_FIRST = 8, /* no request: the server's greeting on a new connection */
	HS_EF_STREAM = 16,	/* no request and answer: they interleave, or the server pushes */
	HS_EF_CLOSED = 32,	/* the connection's close ended it */
	HS_EF_RESET = 64,	/* a reset did */
};

/* One end of a TCP connection. Addresses are written as in hs_tuple, ports in
 * host order. */
struct hs_sock {
	__u64 cookie; /* tells it from other sockets: its address in the kernel */
	__u64 cgroup;
	__u8 local[16];
	__u8 remote[16];
	__u16 lport;
	__u16 rport;
	__u32 netns;
	__u32 tgid; /* process that reads and writes, 0: unknown */
	__u32 tid;  /* thread of the first read (server) or send (client), 0: unknown */
};

/* What one end of a connection saw of a request burst and the answer to it.
 * Times are CLOCK_MONOTONIC in ns, 0: not seen. Sequence numbers are the same
 * at both ends, whatever NAT did: the pair joins the two records. Sampling goes
 * by request_seq, so that both ends keep the same ones. What the server says
 * unasked has neither time nor bytes of a request. answer_bytes is 0 where there
 * was no answer before the connection ended. */
struct hs_exchange {
	__u8 kind;
	__u8 role;
	__u8 flags;
	__u8 family; /* 4 or 6 */
	__u32 weight;
	struct hs_sock sock;
	__u64 request_ns;      /* its first byte: sent (client), or taken in by TCP (server) */
	__u64 request_end_ns;  /* its last byte, likewise */
	__u64 request_read_ns; /* server: the application's last read before it answered */
	__u64 answer_ns;       /* its first byte: sent (server), or taken in by TCP (client) */
	__u64 answer_end_ns;   /* its last byte, likewise */
	__u64 answer_read_ns;  /* client: the application's last read */
	__u32 request_seq;     /* sequence number of its first byte */
	__u32 answer_seq;
	__u32 request_bytes;
	__u32 answer_bytes;
	__u32 srtt_us; /* smoothed round trip time, 0: unknown */
	__u32 pad;
};

/* The outcome of one connect(2), or of its like; or a connection that accept(2)
 * fetched. */
struct hs_connect {
	__u8 kind;
	__u8 family;
	__u16 error; /* 0, or an errno; ECANCELED: the application gave up first */
	__u32 weight;
	struct hs_sock sock;
	__u64 start_ns; /* the first SYN, or the begin in the accept queue */
	__u64 end_ns;
};

/* What a DNS message is, for the socket at hand. */
enum hs_dns_kind {
	HS_D_QUERY = 1,	 /* it left */
	HS_D_ANSWER = 2, /* it arrived */
};

/* One DNS message of a socket that asks. Addresses are as in hs_tuple, and as
 * the socket sees them: those of a query before, those of an answer after NAT. */
struct hs_dns_message {
	__u64 at_ns;  /* CLOCK_MONOTONIC */
	__u64 socket; /* tells sockets apart while they live */
	__u64 cgroup;
	__u8 local[16];
	__u8 remote[16];
	__u32 netns;
	__u16 port;  /* the local one */
	__u16 id;    /* RFC 1035, 4.1.1; 0 when unread */
	__u16 flags; /* the header's second word; 0 when unread */
	__u8 kind;   /* enum hs_dns_kind */
	__u8 unread; /* 1: the header was not in reach */
	__u32 pad;
};

/* A container's share of the kernel's filter: network namespace or cgroup. */
struct hs_filter_key {
	__u64 id;
	__u32 kind; /* enum hs_filter_kind */
	__u32 pad;
};

enum hs_filter_kind {
	HS_F_NETNS = 1,
	HS_F_CGROUP = 2,
};

/* Value of the address filter. */
enum hs_filter_addr {
	HS_A_SELECTED = 1,
	HS_A_OTHER = 2, /* surely of a container that was not selected */
};

#endif
