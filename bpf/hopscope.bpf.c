//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 */
/* The programs: one for each trace point, thin over slot.h and parents.h. */
#include "device.h"
#include "drops.h"
#include "parents.h"
#include "retransmits.h"

char __license[] SEC("license") = "GPL";

/* The enums are compiled away; these keep them in BTF for bpf2go. */
const enum hs_point *hs_abi_point __attribute__((unused));
const enum hs_stop_flag *hs_abi_stop_flag __attribute__((unused));
const enum hs_ending *hs_abi_ending __attribute__((unused));
const enum hs_journey_flag *hs_abi_journey_flag __attribute__((unused));
const enum hs_counter *hs_abi_counter __attribute__((unused));
const enum hs_prog *hs_abi_prog __attribute__((unused));
const enum hs_drop_by *hs_abi_drop_by __attribute__((unused));
const enum hs_retransmit *hs_abi_retransmit __attribute__((unused));
const enum hs_filter_kind *hs_abi_filter_kind __attribute__((unused));
const enum hs_filter_addr *hs_abi_filter_addr __attribute__((unused));

inline_ void heartbeat(__u32 prog)
{
	count(HS_C_RUNS + prog);
}

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

/* A device that is stacked on another hands the same skb to a second queue in
 * the same namespace, on the same CPU: a VLAN as it is, a tunnel with a header
 * in front. */
inline_ bool stacked(struct hs_slot *slot, const struct hs_at *at, const struct hs_packet *p)
{
	struct hs_stop *l;

	if (!slot || slot->state != SLOT_LIVE)
		return false;
	l = last_stop(slot);
	if (!l || l->point != HS_P_XMIT || l->ifindex == at->ifindex ||
	    l->cpu != (__u16)bpf_get_smp_processor_id())
		return false;
	if (same_packet(&slot->j.sig, &p->sig, false))
		return true;
	if (l->flags & HS_S_TUNNEL)
		take_outer(slot, p);
	return l->flags & HS_S_TUNNEL;
}

inline_ void pass(struct sk_buff *skb, struct hs_slot *slot, const struct hs_packet *p,
		  const struct hs_at *at)
{
	slot = live_slot(slot, p);
	if (!slot && p->proto != IPPROTO_TCP && split_lately())
		slot = inherit_copied(skb, p);
	if (slot)
		append_stop(slot, at);
	else
		count(HS_C_UNKNOWN);
}

SEC("tp_btf/net_dev_queue")
int hs_net_dev_queue(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct hs_slot *slot = slot_of(skb);
	struct hs_packet p;
	struct hs_at at;
	bool born;

	heartbeat(HS_R_QUEUE);
	at_device(&at, HS_P_QUEUE, skb->dev, skb);
	born = born_at_queue(skb, &at);
	if ((!born && !worth_reading(slot)) || !read_packet(skb, HEADER_NETWORK, &p))
		return 0;
	if (born && !stacked(slot, &at, &p))
		birth(skb, slot, &p, &at, cgroup_id(skb->sk), 0, 0);
	else
		pass(skb, slot, &p, &at);
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int hs_net_dev_start_xmit(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct net_device *dev = (void *)ctx[1];
	struct hs_slot *slot = slot_of(skb);
	struct hs_packet p;
	struct hs_at at;

	heartbeat(HS_R_XMIT);
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

/* A packet that comes out of a NIC is born there, at the first of these points
 * that the device's driver calls. */
inline_ void received_by_nic(struct sk_buff *skb, struct hs_slot *slot, const struct hs_at *at,
			     bool first)
{
	__u8 *seen = &hs_gro_devices[at->ifindex & 255];
	struct hs_packet p;

	if (first)
		*seen = 1;
	if (first && headers_out_of_reach(skb)) {
		birth_unread(skb, at);
		return;
	}
	if (!first && *seen && !worth_reading(slot))
		return;
	if (!read_packet(skb, HEADER_DATA, &p))
		return;
	if (first || !*seen)
		birth(skb, slot, &p, at, 0, HS_J_RECEIVED, 0);
	else if (slot && slot->state == SLOT_UNREAD)
		birth_read(skb, slot, &p, at, HS_J_RECEIVED);
	else
		pass(skb, slot, &p, at);
}

/* What a NIC received was followed by its outer header; out of a tunnel's
 * device comes the inner packet. */
inline_ struct hs_slot *decapsulated(struct sk_buff *skb, struct hs_slot *slot,
				     const struct hs_packet *p)
{
	if (slot && slot->state == SLOT_LIVE && slot->j.flags & (HS_J_RECEIVED | HS_J_OUTER) &&
	    !same_packet(&slot->j.sig, &p->sig, false) && is_tunnel(skb->dev))
		take_inner(slot, p);
	return live_slot(slot, p);
}

inline_ int received(struct sk_buff *skb, __u8 point, bool first)
{
	struct hs_slot *slot = slot_of(skb);
	struct hs_packet p;
	struct hs_at at;

	if (!worth_reading(slot) && !physical(skb->dev))
		return 0;
	at_device(&at, point, skb->dev, skb);
	if (at.flags & HS_S_PHYS) {
		received_by_nic(skb, slot, &at, first);
		return 0;
	}
	if (!read_packet(skb, HEADER_DATA, &p))
		return 0;
	slot = decapsulated(skb, slot, &p);
	if (!slot && point != HS_P_NETIF_RX && split_lately())
		slot = inherit_copied(skb, &p);
	if (slot)
		append_stop(slot, &at);
	else
		count(HS_C_UNKNOWN);
	return 0;
}

SEC("tp_btf/netif_rx")
int hs_netif_rx(__u64 *ctx)
{
	heartbeat(HS_R_NETIF_RX);
	return received((void *)ctx[0], HS_P_NETIF_RX, true);
}

SEC("tp_btf/netif_receive_skb")
int hs_netif_receive_skb(__u64 *ctx)
{
	heartbeat(HS_R_RECEIVE);
	return received((void *)ctx[0], HS_P_RECEIVE, false);
}

inline_ int gro_entry(struct sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *current_skb = bpf_map_lookup_elem(&hs_gro_current, &zero);

	heartbeat(HS_R_GRO_ENTRY);
	if (current_skb)
		*current_skb = (__u64)skb;
	return received(skb, HS_P_GRO, true);
}

SEC("tp_btf/napi_gro_receive_entry")
int hs_napi_gro_receive_entry(__u64 *ctx)
{
	return gro_entry((void *)ctx[0]);
}

SEC("tp_btf/napi_gro_frags_entry")
int hs_napi_gro_frags_entry(__u64 *ctx)
{
	return gro_entry((void *)ctx[0]);
}

inline_ int gro_exit(int ret)
{
	__u32 zero = 0;
	__u64 *current_skb = bpf_map_lookup_elem(&hs_gro_current, &zero);
	struct hs_slot *slot;

	heartbeat(HS_R_GRO_EXIT);
	if (!current_skb || !*current_skb || (ret != GRO_MERGED && ret != GRO_MERGED_FREE))
		return 0;
	slot = ending_slot((void *)*current_skb);
	if (slot) {
		append_end(slot, HS_P_MERGED);
		complete(slot, HS_E_GRO_MERGED);
	}
	return 0;
}

SEC("tp_btf/napi_gro_receive_exit")
int hs_napi_gro_receive_exit(__u64 *ctx)
{
	return gro_exit(ctx[0]);
}

SEC("tp_btf/napi_gro_frags_exit")
int hs_napi_gro_frags_exit(__u64 *ctx)
{
	return gro_exit(ctx[0]);
}

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
	struct hs_slot *slot = slot_of(skb);
	struct hs_packet p;

	heartbeat(HS_R_DELIVER);
	if (!worth_reading(slot) || !read_packet(skb, HEADER_NETWORK, &p))
		return;
	slot = live_slot(slot, &p);
	if (!slot && p.proto != IPPROTO_TCP && split_lately())
		slot = inherit_copied(skb, &p);
	if (!slot) {
		count(HS_C_UNKNOWN);
		return;
	}
	slot->j.cgroup_dst = cgroup_id(sk);
	append_delivery(slot, skb->dev);
	if (hs_has_tcp_probe && p.proto == IPPROTO_TCP && sk &&
	    sk->__sk_common.skc_state == TCP_ESTABLISHED)
		slot->state = SLOT_PENDING;
	else
		complete(slot, HS_E_DELIVERED);
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
	deliver(skb, skb->sk);
	return 1;
}

/* Before 6.2 a cgroup program cannot tell which skb it sees: its caller can. */
SEC("fentry/sk_filter_trim_cap")
int hs_deliver_fentry(__u64 *ctx)
{
	deliver((void *)ctx[1], (void *)ctx[0]);
	return 0;
}

SEC("tp_btf/tcp_probe")
int hs_tcp_probe(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[1];
	struct hs_slot *slot = ending_slot(skb);

	heartbeat(HS_R_TCP_PROBE);
	if (!slot)
		return 0;
	slot->j.srtt_us = srtt_us((void *)ctx[0]);
	append_end(slot, HS_P_TCP_PROBE);
	complete(slot, HS_E_DELIVERED);
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

SEC("tp_btf/kfree_skb")
int hs_kfree_skb(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	__u64 location = ctx[1];
	struct hs_slot *slot;
	__u32 reason = 0;

	heartbeat(HS_R_KFREE);
	if (hs_kfree_has_reason)
		reason = ctx[2];
	slot = ending_slot(skb);
	if ((reason == hs_no_reason && quiet(location)) || echo_reply(slot, reason)) {
		if (slot) {
			append_end(slot, HS_P_FREE);
			complete(slot, HS_E_CONSUMED);
		}
		return 0;
	}
	count_drop(ctx, skb, slot, reason, location);
	if (!slot)
		return 0;
	append_end(slot, HS_P_FREE);
	slot->j.drop_location = location;
	slot->j.drop_reason = reason;
	complete(slot, HS_E_DROPPED);
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
	struct hs_slot *slot = ending_slot((void *)ctx[0]);
	struct hs_stop *l;
	__u8 ending;

	heartbeat(HS_R_CONSUME);
	if (!slot)
		return 0;
	l = last_stop(slot);
	if (!l)
		return 0;
	if (slot->state == SLOT_PENDING) {
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

/* Both ends of a hook's work, in the host's namespace. */
inline_ void netfilter(const struct nf_hook_state *state, struct sk_buff *skb, __u8 after)
{
	__u8 hook = state->hook;
	struct net_device *dev = hook <= NF_INET_FORWARD ? state->in : state->out;
	struct hs_at at = { .point = HS_P_NF + 2 * hook + after, .netns = hs_host_netns };
	struct hs_slot *slot = slot_of(skb);
	struct hs_packet p;
	bool born;

	heartbeat(HS_R_NF);
	if (encapsulated(skb))
		at.flags |= HS_S_ENCAP;
	born = hook == NF_INET_LOCAL_OUT && !after && !at.flags && !skb->skb_iif;
	if ((!born && !worth_reading(slot)) || !read_packet(skb, HEADER_NETWORK, &p))
		return;
	if (dev)
		at.ifindex = dev->ifindex;
	if (born && !stacked(slot, &at, &p))
		birth(skb, slot, &p, &at, cgroup_id(skb->sk), 0, 0);
	else
		pass(skb, slot, &p, &at);
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

SEC("tp_btf/tcp_retransmit_skb")
int hs_tcp_retransmit_skb(__u64 *ctx)
{
	int err = 0;

	heartbeat(HS_R_RETRANSMIT);
	if (hs_retransmit_has_err)
		err = ctx[2];
	if (err != -EBUSY)
		count_retransmit((void *)ctx[0], (void *)ctx[1]);
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int hs_tcp_retransmit_synack(__u64 *ctx)
{
	heartbeat(HS_R_RETRANSMIT);
	count_synack((void *)ctx[0], (void *)ctx[1]);
	return 0;
}
