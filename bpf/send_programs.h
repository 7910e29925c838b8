/* SPDX-License-Identifier: GPL-2.0 */
/* Where packets are handed to devices: births of what is sent here. */
#ifndef HOPSCOPE_SEND_PROGRAMS_H
#define HOPSCOPE_SEND_PROGRAMS_H

#include "birth.h"
#include "device.h"
#include "dns.h"
#include "exchanges.h"
#include "journeys.h"
#include "parents.h"

inline_ bool born_at_output(struct net *net, bool ipv6)
{
	__u32 when = hs_nf_out[ipv6];

	if (when != NF_OUT_IF_HOOKED || !bpf_core_field_exists(struct net, nf))
		return when == NF_OUT_ALWAYS;
	return ipv6 ? net->nf.hooks_ipv6[NF_INET_LOCAL_OUT] != NULL
		    : net->nf.hooks_ipv4[NF_INET_LOCAL_OUT] != NULL;
}

/* A packet that no device has received yet, sent in the device's own
 * namespace, is new here: except on a bridge's port, which it reaches through
 * the bridge, and in the host's namespace where OUTPUT has seen it before. */
inline_ bool born_at_queue(struct sk_buff *skb, const struct hs_at *at)
{
	struct sock *sk = skb->sk;

	if (skb->skb_iif || at->flags & (HS_S_PORT | HS_S_ENCAP))
		return false;
	if (sk && sk->__sk_common.skc_net.net->ns.inum != at->netns)
		return false;
	if (at->netns == hs_host_netns &&
	    born_at_output(skb->dev->nd_net.net, skb->protocol == bpf_htons(ETH_P_IPV6)))
		return false;
	return true;
}

/* Most packets are a socket's that sampling leaves out: what is of interest then stands
 * in the TCP header. False where that is not the next one after IP's, as behind a
 * tunnel's device, or where it says that this one is to be followed. */
inline_ bool left_out_at_queue(struct sk_buff *skb, bool born, struct hs_segment *s)
{
	if (!read_segment(skb, s))
		return false;
	if (!born)
		return true;
	if (telling(s))
		return false;
	left_out();
	return true;
}

/* The packet's journey begins here, or goes on. */
inline_ struct hs_slot *at_queue(struct sk_buff *skb, struct hs_slot *slot, struct hs_packet *p,
				 const struct hs_at *at, bool born, __u32 weight)
{
	if (born && !stacked(slot, at, p)) {
		dns_query(skb, p);
		slot = birth_as(weight, skb, slot, p, at, skb->sk, 0, 0);
	} else {
		slot = pass(skb, slot, p, at);
	}
	queued(skb, slot);
	return slot;
}

SEC("tp_btf/net_dev_queue")
int hs_net_dev_queue(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct hs_slot *slot = live_slot_of(skb, HS_R_QUEUE);
	bool known = worth_reading(slot), born;
	__u64 now = NOW_UNREAD;
	struct hs_packet p;
	struct hs_at at;
	struct sock *sk;
	__u32 weight;

	if (!known && skb->skb_iif) /* neither from here nor followed */
		return 0;
	at_device(&at, HS_P_QUEUE, skb->dev, skb);
	born = born_at_queue(skb, &at);
	weight = born ? draw() : 0;
	if (known || weight || !sender(skb, &at) || !left_out_at_queue(skb, born, &p.tcp)) {
		if (!known && !born)
			return 0;
		if (!read_packet(skb, HEADER_NETWORK, &p))
			return 0;
		slot = at_queue(skb, slot, &p, &at, born, weight);
		if (slot)
			now = slot->last_ns;
	}
	sk = sender(skb, &at);
	if (sk)
		sent(sk, &p.tcp, now);
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int hs_net_dev_start_xmit(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct net_device *dev = (void *)ctx[1];
	struct hs_slot *slot = live_slot_of(skb, HS_R_XMIT);
	struct hs_packet p;
	struct hs_at at;

	if (!worth_reading(slot) || !read_packet(skb, HEADER_NETWORK, &p))
		return 0;
	slot = live_slot(slot, &p);
	if (!slot && split_lately())
		slot = inherit_split(skb, &p);
	if (!slot) {
		count(HS_C_UNKNOWN);
		return 0;
	}
	at_device(&at, HS_P_XMIT, dev, skb);
	if (is_veth(dev))
		at.flags |= HS_S_VETH;
	else if (is_tunnel(dev))
		at.flags |= HS_S_TUNNEL;
	append_stop(slot, &at);
	return 0;
}

#endif
