/* SPDX-License-Identifier: GPL-2.0 */
/* The begin of a journey. */
#ifndef HOPSCOPE_BIRTH_H
#define HOPSCOPE_BIRTH_H

#include "owner.h"
#include "record.h"

/* Whether the birth belongs to a packet that cannot be of a selected
 * container; sets slot->selected where it surely is. */
inline_ bool filtered_out(const struct hs_packet *p, __u32 netns, __u64 cgroup, bool *selected)
{
	__u8 to;

	*selected = false;
	if (!hs_filtering)
		return false;
	to = filter_addr(p->tuple.daddr);
	*selected = to == HS_A_SELECTED || selected_end(netns, cgroup, p->tuple.saddr);
	return !*selected && to == HS_A_OTHER;
}

inline_ __u16 segments(struct sk_buff *skb, const struct hs_packet *p)
{
	struct skb_shared_info *info;
	__u16 n = 0;

	if (p->bytes <= 1280 || !skb) /* the least MTU of IPv6: surely one segment */
		return 1;
	info = (void *)(skb->head + skb->end);
	bpf_core_read(&n, sizeof(n), &info->gso_segs);
	return n ? n : 1;
}

inline_ void init_slot(struct hs_slot *slot, struct sk_buff *skb, const struct hs_packet *p,
		       __u64 cgroup, __u32 weight, __u8 flags)
{
	slot->j.cgroup_src = cgroup;
	slot->j.cgroup_dst = 0;
	slot->j.drop_location = 0;
	slot->j.drop_reason = 0;
	slot->j.srtt_us = 0;
	slot->j.sig = p->sig;
	__builtin_memcpy(&slot->j.first, &p->tuple, sizeof(p->tuple));
	__builtin_memcpy(&slot->j.last, &p->tuple, sizeof(p->tuple));
	slot->j.weight = weight;
	slot->j.bytes = p->bytes;
	slot->j.segments = segments(skb, p);
	slot->j.family = p->family;
	slot->j.proto = p->proto;
	slot->j.tcp_flags = p->tcp.flags;
	slot->j.ending = HS_E_NONE;
	slot->j.flags = flags | (p->fragment ? HS_J_FRAGMENT : 0);
}

/* A tunnel puts a header in front of a packet whose checksum it need not fix
 * without saying so in skb->encapsulation (iptunnel_handle_offloads): until it
 * comes off again, the packet is known by that header. */
inline_ void take_outer(struct hs_slot *slot, const struct hs_packet *p)
{
	slot->j.sig = p->sig;
	slot->j.flags |= HS_J_OUTER;
}

/* The header came off. Who is at the ends, the inner packet tells, which is
 * news where a NIC received the outer one. */
inline_ void take_inner(struct hs_slot *slot, const struct hs_packet *p)
{
	slot->j.sig = p->sig;
	if (!(slot->j.flags & HS_J_OUTER)) {
		__builtin_memcpy(&slot->j.first, &p->tuple, sizeof(p->tuple));
		slot->j.proto = p->proto;
		slot->j.family = p->family;
		slot->j.tcp_flags = p->tcp.flags;
	}
	slot->j.flags &= ~(HS_J_OUTER | HS_J_FRAGMENT);
}

/* new_slot returns the address' dead slot, which may be known already, or a new one, which holds
 * `fresh`. While user space removes slots, a dead one is replaced instead of used again: what is
 * removed is then either the dead one, or one in use, which user space counts as lost; a journey
 * never goes on in a slot that is gone. */
inline_ struct hs_slot *new_slot(const void *skb, struct hs_slot *slot, const struct hs_slot *fresh)
{
	__u64 key = (__u64)skb;

	if (!slot)
		slot = bpf_map_lookup_elem(&hs_slots, &key);
	if (slot && !hs_sweeping)
		return slot;
	if (slot)
		key = slot->skb;
	bpf_map_update_elem(&hs_slots, &key, fresh, BPF_ANY);
	slot = bpf_map_lookup_elem(&hs_slots, &key);
	if (slot)
		slot->skb = key;
	return slot;
}

/* Sampling: for how many packets the one that is born now stands, 0: it is left out. */
inline_ __u32 draw(void)
{
	__u32 rate = hs_sample;

	return rate & (nonzero(bpf_get_prandom_u32() % rate) - 1);
}

inline_ void left_out(void)
{
	if (hs_births)
		count(HS_C_UNSAMPLED);
}

/* birth_as begins a journey here that stands for so many packets, if the filter wants
 * it; slot is that of the address. It always ends the journey before it there, also
 * when this one is not tracked. now is 0 for the present: only who is tracked pays a
 * clock. skb is NULL for a packet of one segment that is gone, and whose slot is known. */
inline_ struct hs_slot *birth_as(__u32 weight, struct sk_buff *skb, struct hs_slot *slot,
				 const struct hs_packet *p, const struct hs_at *at, struct sock *sk,
				 __u8 flags, __u64 now)
{
	__u64 cgroup;
	bool selected;

	if (slot && slot->state != SLOT_DEAD)
		evict(slot, HS_C_EVICTED);
	if (!hs_births)
		return NULL;
	if (has_priority(p)) {
		weight = 1;
		flags |= HS_J_PRIORITY;
	} else if (!weight) {
		left_out();
		return NULL;
	}
	cgroup = cgroup_id(sk);
	if (filtered_out(p, at->netns, cgroup, &selected))
		return NULL;
	count(HS_C_TRACKED);
	slot = new_slot(skb, slot, &hs_fresh_slot);
	if (!slot) {
		count(HS_C_MAP_FULL);
		return NULL;
	}
	init_slot(slot, skb, p, cgroup, weight, flags);
	slot->selected = selected;
	slot->flood = 0;
	slot->parent = 0;
	begin_stops(slot, at, now ? now : bpf_ktime_get_ns());
	begin_life(slot, SLOT_LIVE);
	return slot;
}

inline_ struct hs_slot *birth(struct sk_buff *skb, struct hs_slot *slot, const struct hs_packet *p,
			      const struct hs_at *at, struct sock *sk, __u8 flags, __u64 now)
{
	return birth_as(draw(), skb, slot, p, at, sk, flags, now);
}

/* A NIC may leave all but the Ethernet header in a page fragment (virtio does
 * so for packets beyond 128 bytes); GRO pulls the headers to where they can be
 * read, or reads them in the page. Until then only the time and the place of the
 * birth are kept, and what tells the packet from another one in that page. */
#define HEADERS 72 /* IPv6 and TCP with a timestamp */

inline_ bool headers_out_of_reach(struct sk_buff *skb)
{
	return skb->data_len && skb->len - skb->data_len < HEADERS;
}

inline_ void birth_unread(struct sk_buff *skb, struct hs_slot *slot, const struct hs_at *at)
{
	if (slot && slot->state != SLOT_DEAD)
		evict(slot, HS_C_EVICTED);
	if (!hs_births)
		return;
	slot = new_slot(skb, slot, &hs_fresh_unread);
	if (!slot)
		return;
	slot->j.bytes = skb->len;
	slot->protocol = skb->protocol;
	begin_stops(slot, at, bpf_ktime_get_ns());
	begin_life(slot, SLOT_UNREAD);
}

/* The headers are in reach: where and when the packet was born, which is to be
 * made up for in the same slot. */
inline_ __u64 birth_unread_of(struct hs_slot *slot, struct hs_at *born)
{
	const struct hs_stop *first = &slot->stops[0];

	born->ifindex = first->ifindex;
	born->netns = first->netns;
	born->point = first->point;
	born->flags = first->flags;
	end_life(slot);
	return slot->last_ns;
}

#endif
