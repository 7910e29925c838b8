/* SPDX-License-Identifier: GPL-2.0 */
/* A journey from its birth to its one record. */
#ifndef HOPSCOPE_SLOT_H
#define HOPSCOPE_SLOT_H

#include "packet.h"

inline_ struct hs_slot *slot_of(const void *skb)
{
	__u64 key = (__u64)skb;

	return bpf_map_lookup_elem(&hs_slots, &key);
}

/* ---- filter ---- */

inline_ bool filter_has(__u32 kind, __u64 id)
{
	struct hs_filter_key key = { .id = id, .kind = kind };

	return bpf_map_lookup_elem(&hs_filter, &key) != NULL;
}

inline_ __u8 filter_addr(const __u8 *addr)
{
	struct hs_addr key;
	__u8 *v;

	__builtin_memcpy(&key, addr, sizeof(key));
	v = bpf_map_lookup_elem(&hs_filter_addrs, &key);
	return v ? *v : 0;
}

inline_ bool selected_end(__u32 netns, __u64 cgroup, const __u8 *addr)
{
	return filter_has(HS_F_NETNS, netns) || (cgroup && filter_has(HS_F_CGROUP, cgroup)) ||
	       filter_addr(addr) == HS_A_SELECTED;
}

/* ---- stops ---- */

/* The clock of two CPUs may differ by a hair: a step back counts as no time. */
inline_ void set_delta(struct hs_stop *s, __u64 from, __u64 to)
{
	__u64 delta = to - from;

	if (to < from) {
		delta = 0;
		s->flags |= HS_S_BACKWARD;
		count(HS_C_BACKWARD);
	}
	if (delta >> 32) {
		delta >>= 10;
		s->flags |= HS_S_COARSE;
	}
	s->delta = delta >> 32 ? 0xffffffff : delta;
}

/* Past HS_MAX_STOPS the last stop is overwritten, so that the journey's total
 * stays right while its inner hops do not. */
inline_ void append_stop_at(struct hs_slot *slot, const struct hs_at *at, __u64 now)
{
	__u32 n = slot->j.stops;
	struct hs_stop *s;

	if (n >= HS_MAX_STOPS) {
		if (!(slot->j.flags & HS_J_TRUNCATED))
			count(HS_C_TRUNCATED);
		slot->j.flags |= HS_J_TRUNCATED;
		n = HS_MAX_STOPS - 1;
	} else {
		slot->prev_ns = slot->last_ns;
		slot->j.stops = n + 1;
	}
	barrier_var(n);
	if (n >= HS_MAX_STOPS)
		return;
	s = &slot->stops[n];
	s->ifindex = at->ifindex;
	s->netns = at->netns;
	s->point = at->point;
	s->flags = at->flags;
	s->cpu = bpf_get_smp_processor_id();
	set_delta(s, slot->prev_ns, now);
	slot->last_ns = s->flags & HS_S_BACKWARD ? slot->prev_ns : now;
}

inline_ void append_stop(struct hs_slot *slot, const struct hs_at *at)
{
	append_stop_at(slot, at, bpf_ktime_get_ns());
}

/* begin_stops makes `at` the first stop, at time 0 of the journey. */
inline_ void begin_stops(struct hs_slot *slot, const struct hs_at *at, __u64 now)
{
	slot->j.stops = 0;
	slot->j.start_ns = slot->last_ns = slot->prev_ns = now;
	append_stop_at(slot, at, now);
}

inline_ struct hs_stop *last_stop(struct hs_slot *slot)
{
	__u32 n = slot->j.stops - 1;

	barrier_var(n);
	return n < HS_MAX_STOPS ? &slot->stops[n] : NULL;
}

/* An ending has no place of its own: skb->dev is not to be trusted there. */
inline_ void append_end(struct hs_slot *slot, __u8 point)
{
	struct hs_stop *l = last_stop(slot);
	struct hs_at at = { .point = point };

	if (l) {
		at.ifindex = l->ifindex;
		at.netns = l->netns;
		at.flags = l->flags & ~(HS_S_COARSE | HS_S_BACKWARD);
	}
	append_stop(slot, &at);
}

inline_ __u8 last_point(struct hs_slot *slot)
{
	struct hs_stop *l = last_stop(slot);

	return l ? l->point : HS_P_NONE;
}

/* ---- record ---- */

/* thin_by is 1 while the ring has budget, then grows: of thin_by journeys one
 * is emitted, standing for all of them. */
inline_ __u32 thin_by(void)
{
	__u64 used = bpf_ringbuf_query(&hs_ring, BPF_RB_AVAIL_DATA) * 8 / hs_ring_bytes;

	if (used < 4)
		return 1;
	return used == 4 ? 2 : used == 5 ? 8 : used == 6 ? 32 : 128;
}

inline_ bool matches_filter(struct hs_slot *slot)
{
	struct hs_stop *l;

	if (!hs_filtering || slot->selected)
		return true;
	l = last_stop(slot);
	return selected_end(l ? l->netns : 0, slot->j.cgroup_dst, slot->j.last.daddr);
}

/* complete ends a journey exactly once: each way out counts what became of
 * it, and the slot is dead before anything else can see it. */
inline_ void complete(struct hs_slot *slot, __u8 ending)
{
	__u32 n = slot->j.stops, thin;
	__u64 total = slot->last_ns - slot->j.start_ns;
	bool keep = ending == HS_E_DROPPED || (hs_slow_ns && total >= hs_slow_ns);

	slot->state = SLOT_DEAD;
	slot->j.ending = ending;
	if (!matches_filter(slot)) {
		count(HS_C_ENDING + ending);
		count(HS_C_FILTERED);
		return;
	}
	thin = keep ? 1 : thin_by();
	if (thin > 1) {
		if (bpf_get_prandom_u32() % thin) {
			count(HS_C_ENDING + ending);
			count(HS_C_SUPPRESSED);
			return;
		}
		slot->j.weight *= thin;
	}
	barrier_var(n);
	if (n > HS_MAX_STOPS)
		n = HS_MAX_STOPS;
	/* No wake-up: it would cost five times the record. The reader polls. */
	if (bpf_ringbuf_output(&hs_ring, &slot->j,
			       sizeof(struct hs_journey) + n * sizeof(struct hs_stop),
			       BPF_RB_NO_WAKEUP)) {
		count(HS_C_RING_FULL);
		return;
	}
	count(HS_C_ENDING + ending);
	count(HS_C_EMITTED);
}

/* The packet that lived here is gone without a word, unless it had reached
 * its socket. The last fragment of a datagram becomes the datagram itself
 * (inet_frag_reasm_prepare), the inner ones vanish in it. */
inline_ void evict(struct hs_slot *slot, __u32 why)
{
	if (slot->state == SLOT_UNREAD) {
		slot->state = SLOT_DEAD;
		count(HS_C_UNREAD);
	} else if (slot->state == SLOT_PENDING) {
		slot->j.flags |= HS_J_INFERRED;
		complete(slot, HS_E_DELIVERED);
	} else if (slot->j.flags & HS_J_FRAGMENT) {
		slot->j.flags |= HS_J_INFERRED;
		complete(slot, HS_E_REASSEMBLED);
	} else {
		slot->state = SLOT_DEAD;
		count(why);
	}
}

/* live_slot finds the slot of this very packet. Another packet at the address
 * ends the former one's journey. */
inline_ struct hs_slot *live_slot(struct hs_slot *slot, const struct hs_packet *p)
{
	if (!slot || slot->state == SLOT_DEAD || slot->state == SLOT_UNREAD)
		return NULL;
	if (!same_packet(&slot->j.sig, &p->sig, last_point(slot) == HS_P_GRO)) {
		evict(slot, HS_C_MISMATCHED);
		return NULL;
	}
	slot->j.sig.b = p->sig.b;
	if (slot->j.flags & HS_J_OUTER)
		return slot;
	if (p->fragment)
		slot->j.flags |= HS_J_FRAGMENT;
	__builtin_memcpy(&slot->j.last, &p->tuple, sizeof(p->tuple));
	return slot;
}

/* ending_slot finds the journey that ends with this skb; the address is
 * enough, since it cannot be reused before this. */
inline_ struct hs_slot *ending_slot(const void *skb)
{
	struct hs_slot *slot = slot_of(skb);

	if (!slot || slot->state == SLOT_DEAD)
		return NULL;
	if (slot->state == SLOT_UNREAD) {
		evict(slot, HS_C_UNREAD);
		return NULL;
	}
	return slot;
}

/* ---- birth ---- */

inline_ __u64 cgroup_id(struct sock *sk)
{
	__u8 state;

	if (!sk)
		return 0;
	state = sk->__sk_common.skc_state;
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return 0; /* mini-sockets end before sk_cgrp_data */
	if (bpf_core_field_exists(struct sock_cgroup_data, cgroup))
		return sk->sk_cgrp_data.cgroup->kn->id;
	struct sock_cgroup_data___val *old = (void *)&sk->sk_cgrp_data;
	struct cgroup *cgroup = (void *)BPF_CORE_READ(old, val);

	return (__u64)cgroup & 1 ? 0 : BPF_CORE_READ(cgroup, kn, id);
}

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

	if (p->bytes <= 1280) /* the least MTU of IPv6: surely one segment */
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
	slot->j.tcp_flags = p->tcp_flags;
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
		slot->j.tcp_flags = p->tcp_flags;
	}
	slot->j.flags &= ~(HS_J_OUTER | HS_J_FRAGMENT);
}

/* new_slot returns the address' dead slot, or a new one. */
inline_ struct hs_slot *new_slot(const void *skb, struct hs_slot *slot)
{
	__u64 key = (__u64)skb;

	if (slot)
		return slot;
	bpf_map_update_elem(&hs_slots, &key, &hs_empty_slot, BPF_NOEXIST);
	return bpf_map_lookup_elem(&hs_slots, &key);
}

/* birth begins a journey here, if sampling and filter want it; slot is that of
 * the address. It always ends the journey before it there, also when this one
 * is not tracked. now is 0 for the present: only who is tracked pays a clock. */
inline_ struct hs_slot *birth(struct sk_buff *skb, struct hs_slot *slot, const struct hs_packet *p,
			      const struct hs_at *at, __u64 cgroup, __u8 flags, __u64 now)
{
	__u32 weight = hs_sample;
	bool selected;

	if (slot && slot->state != SLOT_DEAD)
		evict(slot, HS_C_EVICTED);
	if (!hs_births)
		return NULL;
	if (has_priority(p)) {
		weight = 1;
		flags |= HS_J_PRIORITY;
	} else if (weight > 1 && bpf_get_prandom_u32() % weight) {
		count(HS_C_UNSAMPLED);
		return NULL;
	}
	if (filtered_out(p, at->netns, cgroup, &selected))
		return NULL;
	count(HS_C_TRACKED);
	slot = new_slot(skb, slot);
	if (!slot) {
		count(HS_C_MAP_FULL);
		return NULL;
	}
	init_slot(slot, skb, p, cgroup, weight ? weight : 1, flags);
	slot->selected = selected;
	begin_stops(slot, at, now ? now : bpf_ktime_get_ns());
	slot->state = SLOT_LIVE;
	return slot;
}

/* A NIC may leave all but the Ethernet header in a page fragment (virtio does
 * so for packets beyond 128 bytes); GRO pulls the headers to where they can be
 * read. Until then only the time and the place of the birth are kept. */
#define HEADERS 72 /* IPv6 and TCP with a timestamp */

inline_ bool headers_out_of_reach(struct sk_buff *skb)
{
	return skb->data_len && skb->len - skb->data_len < HEADERS;
}

inline_ void birth_unread(struct sk_buff *skb, const struct hs_at *at)
{
	struct hs_slot *slot = slot_of(skb);

	if (slot && slot->state != SLOT_DEAD)
		evict(slot, HS_C_EVICTED);
	if (!hs_births)
		return;
	slot = new_slot(skb, slot);
	if (!slot)
		return;
	begin_stops(slot, at, bpf_ktime_get_ns());
	slot->state = SLOT_UNREAD;
}

/* The headers are in reach: the birth is made up for, at its own time. */
inline_ void birth_read(struct sk_buff *skb, struct hs_slot *unread, const struct hs_packet *p,
			const struct hs_at *at, __u8 flags)
{
	struct hs_stop born = unread->stops[0];
	struct hs_at first = {
		.ifindex = born.ifindex,
		.netns = born.netns,
		.point = born.point,
		.flags = born.flags,
	};
	__u64 born_ns = unread->last_ns;
	struct hs_slot *slot;

	unread->state = SLOT_DEAD;
	slot = birth(skb, unread, p, &first, 0, flags, born_ns);
	if (slot)
		append_stop(slot, at);
}

#endif
