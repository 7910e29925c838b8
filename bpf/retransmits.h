/* SPDX-License-Identifier: GPL-2.0 */
/* Retransmitted segments by socket's owner, peer, service and kind, counted as
 * the kernel counts them (TcpRetransSegs). */
#ifndef HOPSCOPE_RETRANSMITS_H
#define HOPSCOPE_RETRANSMITS_H

#include "slot.h"

#define EBUSY 16

/* include/uapi/linux/tcp.h: enum tcp_ca_state */
#define TCP_CA_RECOVERY 3
#define TCP_CA_LOSS 4
/* include/net/inet_connection_sock.h */
#define ICSK_TIME_LOSS_PROBE 5
#define TCP_SYN_SENT 2
#define AF_INET 2

struct in6_addr {
	__u8 b[16];
} CORE;

struct sock_common___addr {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	possible_net_t skc_net;
	struct {
	} skc_v6_daddr;
	struct {
	} skc_v6_rcv_saddr;
} CORE;

struct inet_connection_sock {
	__u8 icsk_ca_state : 5;
	__u8 icsk_pending;
} CORE;

struct tcp_sock {
	__u32 srtt_us; /* smoothed round trip time << 3, in us */
} CORE;

struct tcp_skb_cb {
	__u16 tcp_gso_segs;
} CORE;

struct sk_buff___cb {
	char cb[48];
} CORE;

struct hs_retransmits {
	__u64 segments[HS_X_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct hs_flow_key);
	__type(value, struct hs_retransmits);
} hs_retransmits SEC(".maps");

inline_ __u32 srtt_us(struct sock *sk)
{
	__u32 v = 0;

	bpf_core_read(&v, sizeof(v), &((struct tcp_sock *)sk)->srtt_us);
	return v >> 3;
}

inline_ void flow_of(struct hs_flow_key *key, const void *common)
{
	const struct sock_common___addr *c = common;
	__u16 remote = bpf_ntohs(BPF_CORE_READ(c, skc_dport));
	__u16 local = BPF_CORE_READ(c, skc_num);

	__builtin_memset(key, 0, sizeof(*key));
	key->netns = BPF_CORE_READ(c, skc_net.net, ns.inum);
	key->port = local < remote ? local : remote;
	key->server = local < remote;
	if (BPF_CORE_READ(c, skc_family) == AF_INET) {
		__be32 l = BPF_CORE_READ(c, skc_rcv_saddr), r = BPF_CORE_READ(c, skc_daddr);

		*(__u16 *)(key->local + 10) = *(__u16 *)(key->remote + 10) = 0xffff;
		__builtin_memcpy(key->local + 12, &l, 4);
		__builtin_memcpy(key->remote + 12, &r, 4);
	} else {
		bpf_probe_read_kernel(key->local, 16,
				      __builtin_preserve_access_index(&c->skc_v6_rcv_saddr));
		bpf_probe_read_kernel(key->remote, 16,
				      __builtin_preserve_access_index(&c->skc_v6_daddr));
	}
}

inline_ void add_retransmits(const struct hs_flow_key *key, __u32 kind, __u64 n)
{
	static const struct hs_retransmits none = {};
	struct hs_retransmits *r = bpf_map_lookup_elem(&hs_retransmits, key);

	if (!r) {
		bpf_map_update_elem(&hs_retransmits, key, &none, BPF_NOEXIST);
		r = bpf_map_lookup_elem(&hs_retransmits, key);
	}
	if (r && kind < HS_X_MAX)
		__sync_fetch_and_add(&r->segments[kind], n);
	else
		count(HS_C_RETRANSMITS_OTHER);
}

inline_ __u32 retransmit_kind(struct sock *sk)
{
	struct inet_connection_sock *icsk = (void *)sk;
	__u8 ca = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state);

	if (sk->__sk_common.skc_state == TCP_SYN_SENT)
		return HS_X_SYN;
	if (ca == TCP_CA_LOSS)
		return HS_X_RTO;
	if (ca == TCP_CA_RECOVERY)
		return HS_X_FAST;
	return BPF_CORE_READ(icsk, icsk_pending) == ICSK_TIME_LOSS_PROBE ? HS_X_TLP : HS_X_OTHER;
}

inline_ void count_retransmit(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff___cb *with_cb = (void *)skb;
	struct hs_flow_key key;
	__u16 segs = 0;

	bpf_core_read(&segs, sizeof(segs), &((struct tcp_skb_cb *)&with_cb->cb)->tcp_gso_segs);
	flow_of(&key, &sk->__sk_common);
	key.cgroup = cgroup_id(sk);
	add_retransmits(&key, retransmit_kind(sk), segs ? segs : 1);
}

/* A request socket carries the addresses, its listener the owner. */
inline_ void count_synack(struct sock *listener, const void *req)
{
	struct hs_flow_key key;

	flow_of(&key, req);
	key.server = 1;
	key.cgroup = cgroup_id(listener);
	add_retransmits(&key, HS_X_SYNACK, 1);
}

#endif
