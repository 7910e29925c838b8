/* SPDX-License-Identifier: GPL-2.0 */
/* Where packets reach a socket, are dropped, or used up. */
#ifndef HOPSCOPE_END_PROGRAMS_H
#define HOPSCOPE_END_PROGRAMS_H

#include "dns.h"
#include "drops.h"
#include "exchanges.h"
#include "parents.h"
#include "refused.h"

/* A macvlan's or ipvlan's packets are received by the parent alone; here is
 * the first stop that names the container's own device. */
inline_ void append_delivery(struct hs_slot *slot, struct net_device *dev)
{
	struct hs_at at = { .point = HS_P_DELIVER };

	if (!dev) {
		append_end(slot, HS_P_DELIVER);
		return;
	}
	at.ifindex = dev->ifindex;
	at.netns = dev->nd_net.net->ns.inum;
	append_stop(slot, &at);
}

inline_ void deliver(struct sk_buff *skb, struct sock *sk)
{
	struct hs_slot *slot = live_slot_of(skb, HS_R_DELIVER);
	struct hs_packet p;
	__u32 state;
	bool full;

	full = at_listener(skb, sk);
	if (!worth_reading(slot) || !read_packet(skb, HEADER_NETWORK, &p))
		return;
	slot = live_slot(slot, &p);
	if (!slot && p.proto != IPPROTO_TCP)
		slot = inherit_copied(skb, &p);
	if (!slot) {
		count(HS_C_UNKNOWN);
		return;
	}
	slot->j.cgroup_dst = cgroup_id(sk);
	append_delivery(slot, skb->dev);
	state = state_after_delivery(sk, p.proto, full);
	if (state == SLOT_DEAD)
		complete(slot, HS_E_DELIVERED);
	else
		slot->state = state;
}

/* Runs for every packet that reaches a full socket, whatever the protocol
 * (sk_filter_trim_cap); its verdict is always to let the packet pass. */
SEC("cgroup_skb/ingress")
int hs_deliver(struct __sk_buff *ctx)
{
	struct sk_buff *skb;

	if (!bpf_cast_to_kern_ctx)
		return 1;
	skb = bpf_cast_to_kern_ctx(ctx);
	dns_answer(ctx, skb, skb->sk);
	deliver(skb, skb->sk);
	return 1;
}

/* Before 6.2 a cgroup program cannot tell which skb it sees: its caller can. */
SEC("fentry/sk_filter_trim_cap")
int hs_deliver_fentry(__u64 *ctx)
{
	dns_answer(NULL, (void *)ctx[1], (void *)ctx[0]);
	deliver((void *)ctx[1], (void *)ctx[0]);
	return 0;
}

inline_ __u32 srtt_us(struct sock *sk)
{
	struct tcp_sock *tp = tcp_of(sk);

	return tp ? tp->srtt_us >> 3 : 0;
}

SEC("tp_btf/tcp_probe")
int hs_tcp_probe(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[1];
	struct hs_slot *slot = dying(live_slot_of(skb, HS_R_TCP_PROBE));
	__u64 now = 0;

	if (slot) {
		slot->j.srtt_us = srtt_us((void *)ctx[0]);
		append_end(slot, HS_P_TCP_PROBE);
		now = slot->last_ns;
		complete(slot, HS_E_DELIVERED);
	}
	arrived((void *)ctx[0], skb, now);
	return 0;
}

/* ping(8) with a raw socket gets a copy of the reply; the kernel, which finds
 * no ping socket, frees the original as if nobody had waited for it. */
inline_ bool echo_reply(struct hs_slot *slot, __u32 reason)
{
	__u8 type;

	if (!slot || !hs_no_socket || reason != hs_no_socket)
		return false;
	type = slot->j.last.dport >> 8;
	return (slot->j.proto == IPPROTO_ICMP && type == ICMP_ECHOREPLY) ||
	       (slot->j.proto == IPPROTO_ICMPV6 && type == ICMPV6_ECHO_REPLY);
}

/* What reached its socket may be freed there without a trace, as newer kernels do
 * with what was read (skb_attempt_defer_free), and another packet be dropped at
 * its address: one that was not born yet. */
inline_ struct hs_slot *dropped_slot(struct sk_buff *skb)
{
	struct hs_slot *slot = dying(live_slot_of(skb, HS_R_KFREE));
	struct hs_packet p;

	if (!slot || slot->state != SLOT_PENDING)
		return slot;
	if (read_packet(skb, HEADER_NETWORK, &p))
		return live_slot(slot, &p);
	evict(slot, HS_C_MISMATCHED);
	return NULL;
}

/* lose counts a dropped packet and ends its journey, if it has one. */
inline_ void lose(void *ctx, struct sk_buff *skb, struct hs_slot *slot, __u32 reason,
		  __u64 location, const struct hs_listener *l)
{
	count_drop(ctx, skb, slot, reason, location, l);
	if (!slot)
		return;
	if (slot->state == SLOT_LISTENER)
		undeliver(slot);
	append_end(slot, HS_P_FREE);
	slot->j.drop_location = location;
	slot->j.drop_reason = reason;
	complete(slot, HS_E_DROPPED);
}

SEC("tp_btf/kfree_skb")
int hs_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	__u64 location = ctx[1];
	struct hs_slot *slot;
	struct hs_listener *l;
	__u32 reason = 0;

	if (hs_kfree_has_reason)
		reason = ctx[2];
	slot = dropped_slot(skb);
	l = refused_by(skb, quiet(location));
	if (!l && ((reason == hs_no_reason && quiet(location)) || echo_reply(slot, reason))) {
		if (slot) {
			append_end(slot, HS_P_FREE);
			complete(slot, HS_E_CONSUMED);
		}
		return 0;
	}
	lose(ctx, skb, slot, l ? l->reason : reason, location, l);
	return 0;
}

inline_ __u8 ending_of(struct hs_slot *slot, const struct hs_stop *l)
{
	bool fragment = slot->j.flags & HS_J_FRAGMENT;

	switch (l->point) {
	case HS_P_XMIT:
		return l->flags & HS_S_VETH ? HS_E_REBUILT : HS_E_LEFT;
	case HS_P_QUEUE:
	case HS_P_NF + 2 * NF_INET_POST_ROUTING:
	case HS_P_NF + 2 * NF_INET_POST_ROUTING + 1:
		return HS_E_SEGMENTED;
	}
	return fragment ? HS_E_REASSEMBLED : HS_E_CONSUMED;
}

SEC("tp_btf/consume_skb")
int hs_consume_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct hs_slot *slot = dying(live_slot_of(skb, HS_R_CONSUME));
	struct hs_stop *l;
	__u8 ending;
	struct hs_listener *full;

	if (!slot)
		return 0;
	l = last_stop(slot);
	if (!l)
		return 0;
	full = slot->state == SLOT_LISTENER ? refused_by(skb, 0) : NULL;
	if (full) {
		lose(ctx, skb, slot, full->reason, hs_consume_has_location ? ctx[1] : 0, full);
		return 0;
	}
	if (slot->state == SLOT_PENDING || slot->state == SLOT_LISTENER) {
		evict(slot, HS_C_EVICTED);
		return 0;
	}
	ending = ending_of(slot, l);
	append_end(slot, HS_P_CONSUME);
	if (ending == HS_E_SEGMENTED)
		keep_split_parent(slot);
	else if (ending == HS_E_REBUILT || ending == HS_E_REASSEMBLED)
		keep_copied_parent(slot);
	complete(slot, ending);
	return 0;
}

#endif
