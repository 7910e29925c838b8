/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's types, as far as the programs use them. preserve_access_index
 * makes each access a CO-RE relocation, so the offsets are those of the
 * running kernel. Names and types follow the kernel's own headers.
 */
#ifndef HOPSCOPE_KERNEL_H
#define HOPSCOPE_KERNEL_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

typedef _Bool bool;
#define true 1
#define false 0

#define CORE __attribute__((preserve_access_index))

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define ICMP_ECHOREPLY 0
#define ICMPV6_ECHO_REPLY 129

#define IFF_LOOPBACK 0x8 /* uapi/linux/if.h */

enum netdev_priv_flags {
	IFF_EBRIDGE = 1 << 1,
	IFF_BRIDGE_PORT = 1 << 9,
};

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12,
};

/* include/linux/netdevice.h: enum gro_result */
enum {
	GRO_MERGED = 0,
	GRO_MERGED_FREE = 1,
};

/* uapi/linux/netfilter.h: enum nf_inet_hooks */
enum {
	NF_INET_PRE_ROUTING = 0,
	NF_INET_LOCAL_IN = 1,
	NF_INET_FORWARD = 2,
	NF_INET_LOCAL_OUT = 3,
	NF_INET_POST_ROUTING = 4,
};

#define NF_ACCEPT 1
#define NFPROTO_IPV4 2
#define NFPROTO_IPV6 10

struct ns_common {
	unsigned int inum;
} CORE;

struct nf_hook_entries;

/* include/net/netns/netfilter.h: NULL where nothing is registered in a hook. */
struct netns_nf {
	struct nf_hook_entries *hooks_ipv4[5];
	struct nf_hook_entries *hooks_ipv6[5];
} CORE;

struct net {
	struct ns_common ns;
	struct netns_nf nf;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

struct rtnl_link_ops {
	const char *kind;
} CORE;

struct net_device {
	unsigned long priv_flags : 32;
	unsigned int flags;
	int ifindex;
	__u64 features;
	possible_net_t nd_net;
	const struct rtnl_link_ops *rtnl_link_ops;
} CORE;

struct kernfs_node {
	__u64 id;
} CORE;

struct cgroup {
	struct kernfs_node *kn;
} CORE;

struct sock_cgroup_data {
	struct cgroup *cgroup;
} CORE;

/* Before 5.15 (8520e224f547) a tagged value: bit 0 set means no pointer. */
struct sock_cgroup_data___val {
	__u64 val;
} CORE;

struct sock;

struct sock_common {
	unsigned int skc_hash; /* of its addresses and ports */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct sock *skc_listener; /* of a request socket */
} CORE;

typedef struct {
	int counter;
} CORE atomic_t;

struct sock {
	struct sock_common __sk_common;
	struct sock_cgroup_data sk_cgrp_data;
	__u16 sk_protocol;
	int sk_err;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	int sk_rcvbuf;
	atomic_t sk_drops;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
} CORE;

/* include/net/inet_connection_sock.h, request_sock.h */
struct inet_connection_sock___queue {
	struct {
		atomic_t qlen;
	} icsk_accept_queue;
} CORE;

struct inet_sock {
	__be16 inet_sport;
} CORE;

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 copied_seq; /* read by the application up to here */
	__u32 snd_nxt;
	__u32 srtt_us; /* smoothed round trip time << 3, in us */
} CORE;

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	unsigned int data_len;
	__u8 encapsulation : 1;
	int skb_iif;
	__be16 protocol;
	__u16 transport_header;
	unsigned long _nfct;
	__u16 network_header;
	__u16 inner_network_header;
	char cb[48];
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
} CORE;

/* include/net/netfilter/nf_conntrack_tuple.h, nf_conntrack.h: a connection's first
 * sender is the source in the original direction, who answers it in the reply's. */
union nf_inet_addr {
	__u32 all[4];
} CORE;

struct nf_conntrack_man {
	union nf_inet_addr u3;
} CORE;

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
} CORE;

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
} CORE;

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[2];
} CORE;

/* What TCP notes of a segment for itself. */
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq; /* behind its last byte; SYN and FIN count */
	__u16 tcp_gso_segs;
	__u8 tcp_flags;
	__u32 ack_seq;
} CORE;

/* include/net/gro.h: skb->cb within GRO */
struct napi_gro_cb {
	void *frag0; /* the network header */
} CORE;

struct skb_shared_info {
	unsigned short gso_segs;
	unsigned int gso_type;
} CORE;

struct nf_hook_state {
	__u8 hook;
	__u8 pf;
	struct net_device *in;
	struct net_device *out;
	struct net *net;
} CORE;

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
} CORE;

/* kernel/bpf/helpers.c, since 6.2; weak, so that older kernels load the rest. */
extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

#endif
