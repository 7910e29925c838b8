/* SPDX-License-Identifier: GPL-2.0 */
/* TCP resets, sent and received, counted by owner, peer and service. */
#ifndef HOPSCOPE_RESETS_H
#define HOPSCOPE_RESETS_H

#include "flows.h"
#include "packet.h"
#include "sockets.h"

struct hs_resets {
	__u64 sent;
	__u64 received;
};

BY_FLOW(hs_resets, struct hs_resets);

inline_ void add_reset(const struct hs_flow_key *key, bool received)
{
	static const struct hs_resets none = {};
	struct hs_resets *r = of_flow(&hs_resets, key, &none);

	if (!r)
		count(HS_C_RESETS_OTHER);
	else if (received)
		__sync_fetch_and_add(&r->received, 1);
	else
		__sync_fetch_and_add(&r->sent, 1);
}

/* The connection ends by the reset. */
inline_ void mark_reset(struct sock *sk)
{
	struct hs_conn *c = conn_of(sk);

	if (c)
		c->x.flags |= HS_EF_RESET;
}

inline_ void count_socket_reset(struct sock *sk, bool received)
{
	struct hs_flow_key key;

	flow_of(&key, &sk->__sk_common);
	key.cgroup = cgroup_id(sk);
	add_reset(&key, received);
	mark_reset(sk);
}

/* The answer to a segment that no connection wants. */
inline_ void count_answer_reset(struct sock *listener, struct sk_buff *skb)
{
	struct net_device *dev = skb->dev;
	struct hs_flow_key key = {};
	struct hs_packet p;

	if (!dev || !read_packet(skb, HEADER_NETWORK, &p))
		return;
	key.netns = dev->nd_net.net->ns.inum;
	if (listener)
		key.cgroup = cgroup_id(listener);
	set_service(&key, p.tuple.dport, p.tuple.sport);
	copy_addr(key.local, p.tuple.daddr);
	copy_addr(key.remote, p.tuple.saddr);
	add_reset(&key, false);
}

inline_ bool connected(struct sock *sk)
{
	return full(sk) && sk->__sk_common.skc_state != TCP_LISTEN;
}

inline_ void count_sent_reset(struct sock *sk, struct sk_buff *skb)
{
	if (sk && connected(sk))
		count_socket_reset(sk, false);
	else if (skb)
		count_answer_reset(sk, skb);
}

#endif
