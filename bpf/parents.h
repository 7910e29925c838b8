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

#include "record.h"

struct hs_parent_key {
	__u64 a;
	__u64 b;
};

/* Stops of skbs that were split or copied, for their children. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct hs_parent_key);
	__type(value, struct hs_slot);
} hs_parents SEC(".maps");

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
	if (hs_last_split != hs_second)
		hs_last_split = hs_second;
}

inline_ bool split_lately(void)
{
	return (__s32)(hs_second - hs_last_split) < SPLIT_SECONDS;
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

/* net_gso_ok: whether a device takes large packets of this kind whole. Where it
 * does not, validate_xmit_skb splits them behind the qdisc. */
#define NETIF_F_GSO_SHIFT 16

inline_ bool splits(const struct sk_buff *skb)
{
	struct skb_shared_info *info = (void *)(skb->head + skb->end);
	__u32 type = 0;
	__u64 need;

	bpf_core_read(&type, sizeof(type), &info->gso_type);
	need = (__u64)type << NETIF_F_GSO_SHIFT;
	return (skb->dev->features & need) != need;
}

inline_ void keep_split_parent(struct hs_slot *slot)
{
	struct hs_parent_key key = { .a = flow_hash(&slot->j.last), .b = block_of(&slot->j) };

	note_split();
	bpf_map_update_elem(&hs_parents, &key, slot, BPF_ANY);
}

/* A parent's end has one sign, consume_skb, for which the kernel leaves our
 * program out where it interrupted it on the same CPU. So a parent that is sure
 * to be split is kept when it is queued already. */
inline_ void keep_queued_parent(const void *skb, struct hs_slot *slot)
{
	slot->parent = (__u64)skb;
	keep_split_parent(slot);
}

inline_ void queued(struct sk_buff *skb, struct hs_slot *slot)
{
	if (slot && slot->j.segments > 1 && splits(skb))
		keep_queued_parent(skb, slot);
}

/* The first child proves that its parent was split, if nothing else did. */
alone_ int hs_end_split_parent(__u64 skb, __u64 start_ns)
{
	struct hs_slot *slot = bpf_map_lookup_elem(&hs_slots, &skb);

	if (!slot || slot->state != SLOT_LIVE || slot->j.start_ns != start_ns)
		return 0;
	slot->j.flags |= HS_J_INFERRED;
	complete(slot, HS_E_SEGMENTED);
	return 0;
}

inline_ void keep_copied_parent(struct hs_slot *slot)
{
	struct hs_parent_key key = { .a = slot->j.sig.a, .b = ~slot->j.sig.b };

	note_split();
	bpf_map_update_elem(&hs_parents, &key, slot, BPF_ANY);
}

/* What tells the child of a parent: protocol and ports as one number. */
inline_ __u64 ends_of_packet(const struct hs_packet *p)
{
	return (__u64)p->proto << 32 | (__u32)p->tuple.sport << 16 | p->tuple.dport;
}

/* The stops of the parent become the child's; the child is tracked in its own
 * right and carries the parent's weight. */
inline_ struct hs_slot *inherit(__u64 skb, struct hs_slot *parent, struct hs_sig sig, __u32 bytes)
{
	struct hs_slot *slot;

	if (parent->parent) {
		hs_end_split_parent(parent->parent, parent->j.start_ns);
		parent->parent = 0;
	}
	count(HS_C_TRACKED);
	if (bpf_map_update_elem(&hs_slots, &skb, parent, BPF_ANY)) {
		count(HS_C_MAP_FULL);
		return NULL;
	}
	slot = bpf_map_lookup_elem(&hs_slots, &skb);
	if (!slot) {
		count(HS_C_MAP_FULL);
		return NULL;
	}
	/* The parent's consume_skb is no stop of the child. */
	if (slot->j.stops > 1 && last_point(slot) == HS_P_CONSUME) {
		slot->j.stops--;
		slot->last_ns = slot->prev_ns;
	}
	slot->skb = skb;
	slot->j.sig = sig;
	slot->j.bytes = bytes;
	slot->j.segments = 1;
	slot->j.ending = HS_E_NONE;
	slot->j.flags = (slot->j.flags | HS_J_INHERITED) & ~HS_J_FRAGMENT;
	begin_life(slot, SLOT_LIVE);
	return slot;
}

inline_ bool holds(const struct hs_slot *parent, __u64 ends, __u32 seq)
{
	const struct hs_tuple *t = &parent->j.last;
	__u64 of_parent = (__u64)parent->j.proto << 32 | (__u32)t->sport << 16 | t->dport;
	__u32 offset = seq - (__u32)(parent->j.sig.a >> 32);

	return ends == of_parent && (parent->j.proto != IPPROTO_TCP || offset < parent->j.bytes);
}

inline_ struct hs_slot *inherit_split(const void *skb, const struct hs_packet *p)
{
	__u32 block = p->proto == IPPROTO_TCP ? p->tcp.seq >> BLOCK_SHIFT : 0;
	/* One bound, tested in one place: up to 6.1 a loop is
	 * refused where code falls through to its head instead of jumping back. */
	__u32 i, blocks = p->proto == IPPROTO_TCP ? BLOCKS : 1;
	struct hs_parent_key key = { .a = flow_hash(&p->tuple) };
	struct hs_slot *parent;

	for (i = 0; i < blocks; i++) {
		key.b = (block - i) & (0xffffffff >> BLOCK_SHIFT);
		parent = bpf_map_lookup_elem(&hs_parents, &key);
		if (parent && holds(parent, ends_of_packet(p), p->tcp.seq))
			return inherit(address_of(skb), parent, p->sig, p->bytes);
	}
	if (p->proto == IPPROTO_TCP && p->bytes > 128) /* not a mere ACK */
		count(HS_C_ORPHANED);
	return NULL;
}

/* ends as of ends_of_packet. TCP has its sequence number in sig_a. */
alone_ int hs_inherit_copied(__u64 skb, __u64 sig_a, __u64 sig_b, __u64 ends, __u64 bytes)
{
	struct hs_parent_key key = { .a = sig_a, .b = ~sig_b };
	struct hs_slot *parent = bpf_map_lookup_elem(&hs_parents, &key);
	struct hs_sig sig = { .a = sig_a, .b = sig_b };

	if (!parent || !holds(parent, ends, sig_a >> 32))
		return 0;
	inherit(skb, parent, sig, bytes);
	bpf_map_delete_elem(&hs_parents, &key);
	return 1;
}

inline_ struct hs_slot *inherit_copied(const void *skb, const struct hs_packet *p)
{
	if (!split_lately() ||
	    !hs_inherit_copied(address_of(skb), p->sig.a, p->sig.b, ends_of_packet(p), p->bytes))
		return NULL;
	return slot_of(skb);
}

#endif
