/* SPDX-License-Identifier: GPL-2.0 */
/* Before and after each of netfilter's hooks. */
#ifndef HOPSCOPE_NETFILTER_PROGRAMS_H
#define HOPSCOPE_NETFILTER_PROGRAMS_H

#include "birth.h"
#include "dns.h"
#include "journeys.h"
#include "parents.h"

/* Both ends of a hook's work, in the host's namespace. */
inline_ void netfilter(const struct nf_hook_state *state, struct sk_buff *skb, __u8 after)
{
	__u8 hook = state->hook;
	struct net_device *dev = hook <= NF_INET_FORWARD ? state->in : state->out;
	struct hs_at at = { .point = HS_P_NF + 2 * hook + after, .netns = hs_host_netns };
	struct hs_slot *slot = live_slot_of(skb, HS_R_NF);
	struct hs_packet p;
	bool born;

	at.flags = encapsulated(skb) * HS_S_ENCAP;
	born = !after && hook == NF_INET_LOCAL_OUT && !at.flags && !skb->skb_iif;
	if ((!born && !worth_reading(slot)) || !read_packet(skb, HEADER_NETWORK, &p))
		return;
	if (dev)
		at.ifindex = dev->ifindex;
	if (born && !stacked(slot, &at, &p)) {
		dns_query(skb, &p);
		birth(skb, slot, &p, &at, skb->sk, 0, 0);
	} else {
		pass(skb, slot, &p, &at);
	}
}

SEC("netfilter")
int hs_nf_before(struct bpf_nf_ctx *ctx)
{
	netfilter(ctx->state, ctx->skb, 0);
	return NF_ACCEPT;
}

SEC("netfilter")
int hs_nf_after(struct bpf_nf_ctx *ctx)
{
	netfilter(ctx->state, ctx->skb, 1);
	return NF_ACCEPT;
}

/* Before 6.4 there are no netfilter links: the function that runs a hook's
 * list stands in, for all namespaces, and only where the list is not empty. */
inline_ bool of_host(const struct nf_hook_state *state)
{
	return (state->pf == NFPROTO_IPV4 || state->pf == NFPROTO_IPV6) &&
	       state->hook <= NF_INET_POST_ROUTING && state->net->ns.inum == hs_host_netns;
}

SEC("fentry/nf_hook_slow")
int hs_nf_fentry(__u64 *ctx)
{
	struct nf_hook_state *state = (void *)ctx[1];

	if (of_host(state))
		netfilter(state, (void *)ctx[0], 0);
	return 0;
}

#define NF_HOOK_SLOW_PASS 1 /* the caller goes on with the skb */

SEC("fexit/nf_hook_slow")
int hs_nf_fexit(__u64 *ctx)
{
	struct nf_hook_state *state = (void *)ctx[1];

	if ((int)ctx[4] == NF_HOOK_SLOW_PASS && of_host(state))
		netfilter(state, (void *)ctx[0], 1);
	return 0;
}

#endif
