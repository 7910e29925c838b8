/* SPDX-License-Identifier: GPL-2.0 */
/* The slot of a packet, and the stops in it. */
#ifndef HOPSCOPE_SLOT_H
#define HOPSCOPE_SLOT_H

#include "state.h"

inline_ struct hs_slot *slot_of(const void *skb)
{
	__u64 key = (__u64)skb;

	return bpf_map_lookup_elem(&hs_slots, &key);
}

inline_ __u32 *live_at(__u64 skb)
{
	return &hs_live[(skb >> 8) % LIVE_BUCKETS]; /* a sk_buff has some 232 bytes */
}

/* begin_life and end_life go with each change of a slot's state from and to
 * SLOT_DEAD. User space, which removes slots, leaves their count: that costs
 * look-ups, and no more. */
inline_ void begin_life(struct hs_slot *slot, __u32 state)
{
	slot->state = state;
	__sync_fetch_and_add(live_at(slot->skb), 1);
}

inline_ void end_life(struct hs_slot *slot)
{
	slot->state = SLOT_DEAD;
	__sync_fetch_and_add(live_at(slot->skb), -1);
}

/* NULL where surely no live slot is. */
inline_ struct hs_slot *live_slot_at(__u64 skb)
{
	return *live_at(skb) ? bpf_map_lookup_elem(&hs_slots, &skb) : NULL;
}

/* live_slot_of begins a program: it beats, and finds the slot of its packet, if
 * that may be a live one. The verifier gives no number of a typed pointer, but
 * what is read back from a map is one: where the program was interrupted by
 * itself in between, another's, and a stop may be missed. */
inline_ struct hs_slot *live_slot_of(const void *skb, __u32 prog)
{
	struct hs_counters *c = counters();

	if (!c)
		return NULL;
	c->n[HS_C_RUNS + prog]++;
	*(volatile __u64 *)&c->skb[prog] = (__u64)skb;
	return live_slot_at(*(volatile __u64 *)&c->skb[prog]);
}

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

#endif
