/* SPDX-License-Identifier: GPL-2.0 */
/* Where devices hand packets over: births of what a NIC receives. */
#ifndef HOPSCOPE_RECEIVE_PROGRAMS_H
#define HOPSCOPE_RECEIVE_PROGRAMS_H

#include "birth.h"
#include "device.h"
#include "journeys.h"
#include "parents.h"

/* A packet that comes out of a NIC is born there, at the first of these points
 * that the device's driver calls. */
inline_ void received_by_nic(struct sk_buff *skb, struct hs_slot *slot, const struct hs_at *at,
			     bool first)
{
	__u8 *seen = &hs_gro_devices[at->ifindex % NICS];
	struct hs_packet p;
	struct hs_at born;
	__u64 born_ns = 0;

	if (first)
		*seen = 1;
	if (first && headers_out_of_reach(skb)) {
		birth_unread(skb, slot, at);
		return;
	}
	if (!first && *seen && !worth_reading(slot))
		return;
	if (!read_packet(skb, HEADER_DATA, &p))
		return;
	if (first || !*seen)
		born = *at;
	else if (slot && slot->state == SLOT_UNREAD) {
		born_ns = birth_unread_of(slot, &born);
		p.bytes = slot->j.bytes; /* it may have grown in GRO */
	} else {
		pass(skb, slot, &p, at);
		return;
	}
	slot = birth(skb, slot, &p, &born, NULL, HS_J_RECEIVED, born_ns);
	if (slot && born_ns) {
		slot->j.segments = 1;
		append_stop(slot, at);
	}
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

inline_ int received(struct sk_buff *skb, __u32 prog, __u8 point, bool first)
{
	struct hs_slot *slot = live_slot_of(skb, prog);
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
	if (!slot && point != HS_P_NETIF_RX)
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
	return received((void *)ctx[0], HS_R_NETIF_RX, HS_P_NETIF_RX, true);
}

SEC("tp_btf/netif_receive_skb")
int hs_netif_receive_skb(__u64 *ctx)
{
	return received((void *)ctx[0], HS_R_RECEIVE, HS_P_RECEIVE, false);
}

inline_ int gro_entry(struct sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *current_skb = bpf_map_lookup_elem(&hs_gro_current, &zero);

	if (current_skb)
		*current_skb = (__u64)skb;
	return received(skb, HS_R_GRO_ENTRY, HS_P_GRO, true);
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

/* A packet that GRO merged with the one before it is gone before its headers are
 * where the stack looks for them: GRO read them where the NIC left them
 * (skb_gro_reset_offset), and told so in the skb, of which it frees no more than
 * the memory. The length shows that the page still holds this packet. */
inline_ bool read_merged(const struct sk_buff *skb, struct hs_slot *slot, struct hs_packet *p)
{
	const struct napi_gro_cb *cb = (void *)&skb->cb;
	const __u8 *head = NULL;

	if (bpf_core_read(&head, sizeof(head), &cb->frag0))
		return false;
	return read_headers(NULL, head, slot->protocol, p) && p->bytes == slot->j.bytes;
}

static __noinline __attribute__((unused)) struct hs_slot *birth_merged(__u64 skb,
								       struct hs_slot *slot)
{
	struct hs_packet p;
	struct hs_at born;

	if (!read_merged((void *)skb, slot, &p)) {
		evict(slot, HS_C_UNREAD);
		return NULL;
	}
	return birth(NULL, slot, &p, &born, NULL, HS_J_RECEIVED, birth_unread_of(slot, &born));
}

inline_ int gro_exit(int ret)
{
	__u32 zero = 0;
	__u64 *current_skb = bpf_map_lookup_elem(&hs_gro_current, &zero);
	struct hs_slot *slot;

	heartbeat(HS_R_GRO_EXIT);
	if (!current_skb || !*current_skb || (ret != GRO_MERGED && ret != GRO_MERGED_FREE))
		return 0;
	slot = live_slot_at(*current_skb);
	if (slot && slot->state == SLOT_UNREAD)
		slot = birth_merged(*current_skb, slot);
	slot = dying(slot);
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

#endif
