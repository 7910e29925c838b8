/* SPDX-License-Identifier: GPL-2.0 */
/* The end of a journey, by its one record or as a loss. */
#ifndef HOPSCOPE_RECORD_H
#define HOPSCOPE_RECORD_H

#include "filter.h"
#include "packet.h"
#include "slot.h"

/* thin_by is 1 while the ring has budget, then grows to 2, 8, 32 and 128 with
 * each eighth of it that fills up: of thin_by journeys one is emitted, standing
 * for all of them. */
inline_ __u32 thin_by(void)
{
	__u64 used = bpf_ringbuf_query(&hs_ring, BPF_RB_AVAIL_DATA) * 8 / hs_ring_bytes;

	if (used < 4)
		return 1;
	if (used > 7)
		used = 7;
	return 1 << (2 * used - 7);
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
	bool keep = (ending == HS_E_DROPPED && !slot->flood) || (hs_slow_ns && total >= hs_slow_ns);

	end_life(slot);
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
		/* Adding a constant 0 becomes an atomic or, which came with 5.12. */
		if (thin > 1)
			count_by(HS_C_UNWEIGHTED, thin - 1);
		return;
	}
	count(HS_C_ENDING + ending);
	count(HS_C_EMITTED);
}

/* The packet that lived here is gone without a word, unless it had reached
 * its socket. The last fragment of a datagram becomes the datagram itself
 * (inet_frag_reasm_prepare), the inner ones vanish in it. */
alone_ int hs_evict(__u64 skb, __u32 why)
{
	struct hs_slot *slot = bpf_map_lookup_elem(&hs_slots, &skb);
	bool reached;

	if (!slot)
		return 0;
	reached = slot->state == SLOT_PENDING || slot->state == SLOT_LISTENER;
	if (slot->state == SLOT_UNREAD || (!reached && !(slot->j.flags & HS_J_FRAGMENT))) {
		bool unread = slot->state == SLOT_UNREAD;

		end_life(slot);
		if (unread)
			count(HS_C_UNREAD);
		else if (why == HS_C_MISMATCHED)
			count(HS_C_MISMATCHED);
		else
			count(HS_C_EVICTED);
		return 0;
	}
	slot->j.flags |= HS_J_INFERRED;
	complete(slot, reached ? HS_E_DELIVERED : HS_E_REASSEMBLED);
	return 0;
}

inline_ void evict(struct hs_slot *slot, __u32 why)
{
	hs_evict(slot->skb, why);
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

/* dying gives the journey that ends with this slot's skb; the address is
 * enough, since it cannot be reused before this. */
inline_ struct hs_slot *dying(struct hs_slot *slot)
{
	if (!slot || slot->state == SLOT_DEAD)
		return NULL;
	if (slot->state == SLOT_UNREAD) {
		evict(slot, HS_C_UNREAD);
		return NULL;
	}
	return slot;
}

#endif
