/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Splits, copies and reassembly. Software GSO and IP fragmentation turn one
 * skb into several, native XDP on a veth copies each skb, defragmentation
 * makes one skb of several: the new skbs never pass a point of birth. They
 * take over their parent's stops; a datagram takes those of its first
 * fragment, which carries the same transport header.
 */
#ifndef HOPSCOPE_PARENTS_H
#define HOPSCOPE_PARENTS_H

#include "slot.h"

#define NSEC_PER_SEC 1000000000ULL
#define SPLIT_WINDOW (10 * NSEC_PER_SEC)

/* A GSO skb holds up to 64 kB (the most that software GSO splits), and starts
 * in one of the blocks of 2 kB that lie at or before its segment. Two full
 * segments do not fit a block, so that no two skbs begin in one. */
#define BLOCK_SHIFT 11
#define BLOCKS 33

inline_ __u64 flow_hash(const struct hs_tuple *t)
{
	const __u64 *w = (const __u64 *)t;
	__u64 h = ((__u64)t->sport << 16 | t->dport) * 0x9e3779b97f4a7c15ULL;

	/* The addresses' last halves differ most; two flows that collide are
	 * told apart by the parent's tuple. */
	h ^= w[1] * 0xc2b2ae3d27d4eb4fULL;
	h ^= w[3] * 0x165667b19e3779f9ULL;
	return h;
}

inline_ void note_split(void)
{
	__u64 now = bpf_ktime_get_ns();

	if (now - hs_last_split > NSEC_PER_SEC / 10)
		hs_last_split = now;
}

inline_ bool split_lately(void)
{
	return hs_last_split && bpf_ktime_get_ns() - hs_last_split < SPLIT_WINDOW;
}

/* Headers need be read only where the packet is followed, or may be the child
 * of one that is: what sampling left out costs a look-up a stop. */
inline_ bool worth_reading(const struct hs_slot *slot)
{
	return (slot && slot->state != SLOT_DEAD) || split_lately();
}

inline_ __u64 block_of(const struct hs_journey *j)
{
	/* TCP: by sequence number; else by IPv4 id, which fragments share. */
	return j->proto == IPPROTO_TCP ? j->sig.a >> 32 >> BLOCK_SHIFT : 0;
}

inline_ void keep_split_parent(struct hs_slot *slot)
{
	struct hs_parent_key key = { .a = flow_hash(&slot->j.last), .b = block_of(&slot->j) };

	note_split();
	bpf_map_update_elem(&hs_parents, &key, slot, BPF_ANY);
}

inline_ void keep_copied_parent(struct hs_slot *slot)
{
	struct hs_parent_key key = { .a = slot->j.sig.a, .b = ~slot->j.sig.b };

	note_split();
	bpf_map_update_elem(&hs_parents, &key, slot, BPF_ANY);
}

/* The stops of the parent become the child's; the child is tracked in its own
 * right and carries the parent's weight. */
inline_ struct hs_slot *inherit(const void *skb, struct hs_slot *parent, const struct hs_packet *p)
{
	__u64 key = (__u64)skb;
	struct hs_slot *slot;

	count(HS_C_TRACKED);
	if (bpf_map_update_elem(&hs_slots, &key, parent, BPF_ANY)) {
		count(HS_C_MAP_FULL);
		return NULL;
	}
	slot = bpf_map_lookup_elem(&hs_slots, &key);
	if (!slot) {
		count(HS_C_MAP_FULL);
		return NULL;
	}
	/* The parent's last stop is its consume_skb, which the child never saw. */
	if (slot->j.stops > 1)
		slot->j.stops--;
	slot->last_ns = slot->prev_ns;
	slot->j.sig = p->sig;
	slot->j.bytes = p->bytes;
	slot->j.segments = 1;
	slot->j.ending = HS_E_NONE;
	slot->j.flags = (slot->j.flags | HS_J_INHERITED) & ~HS_J_FRAGMENT;
	slot->state = SLOT_LIVE;
	return slot;
}

inline_ bool holds(const struct hs_slot *parent, const struct hs_packet *p)
{
	__u32 offset = p->seq - (__u32)(parent->j.sig.a >> 32);

	if (parent->j.proto != p->proto || parent->j.last.sport != p->tuple.sport ||
	    parent->j.last.dport != p->tuple.dport)
		return false;
	return p->proto != IPPROTO_TCP || offset < parent->j.bytes;
}

inline_ struct hs_slot *inherit_split(const void *skb, const struct hs_packet *p)
{
	__u32 block = p->proto == IPPROTO_TCP ? p->seq >> BLOCK_SHIFT : 0;
	/* One bound, tested in one place: up to 6.1 a loop is
	 * refused where code falls through to its head instead of jumping back. */
	__u32 i, blocks = p->proto == IPPROTO_TCP ? BLOCKS : 1;
	struct hs_parent_key key = { .a = flow_hash(&p->tuple) };
	struct hs_slot *parent;

	for (i = 0; i < blocks; i++) {
		key.b = (block - i) & (0xffffffff >> BLOCK_SHIFT);
		parent = bpf_map_lookup_elem(&hs_parents, &key);
		if (parent && holds(parent, p))
			return inherit(skb, parent, p);
	}
	if (p->proto == IPPROTO_TCP && p->bytes > 128) /* not a mere ACK */
		count(HS_C_ORPHANED);
	return NULL;
}

inline_ struct hs_slot *inherit_copied(const void *skb, const struct hs_packet *p)
{
	struct hs_parent_key key = { .a = p->sig.a, .b = ~p->sig.b };
	struct hs_slot *parent = bpf_map_lookup_elem(&hs_parents, &key);
	struct hs_slot *slot;

	if (!parent || !holds(parent, p))
		return NULL;
	slot = inherit(skb, parent, p);
	bpf_map_delete_elem(&hs_parents, &key);
	return slot;
}

#endif
