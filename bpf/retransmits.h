/* SPDX-License-Identifier: GPL-2.0 */
/* Retransmitted segments by socket's owner, peer, service and kind, counted as
 * the kernel counts them (TcpRetransSegs). */
#ifndef HOPSCOPE_RETRANSMITS_H
#define HOPSCOPE_RETRANSMITS_H

#include "sockets.h"

#define EBUSY 16

/* include/uapi/linux/tcp.h: enum tcp_ca_state */
#define TCP_CA_RECOVERY 3
#define TCP_CA_LOSS 4
/* include/net/inet_connection_sock.h */
#define ICSK_TIME_LOSS_PROBE 5

struct inet_connection_sock {
	__u8 icsk_ca_state : 5;
	__u8 icsk_pending;
} CORE;

struct hs_retransmits {
	__u64 segments[HS_X_MAX];
};

BY_FLOW(hs_retransmits, struct hs_retransmits);

inline_ void add_retransmits(const struct hs_flow_key *key, __u32 kind, __u64 n)
{
	static const struct hs_retransmits none = {};
	struct hs_retransmits *r = of_flow(&hs_retransmits, key, &none);

	if (r && kind < HS_X_MAX)
		__sync_fetch_and_add(&r->segments[kind], n);
	else
		count_by(HS_C_RETRANSMITS_OTHER, n);
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
	__u16 segs = noted(skb)->tcp_gso_segs;
	struct hs_flow_key key;

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
