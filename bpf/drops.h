/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every dropped packet is counted, tracked or not: by reason, place and owner.
 * The owner is known by the packet's journey, else by its socket, else by the
 * device that it was at, or by connection tracking where an address is translated;
 * who else is left to user space, which has the addresses.
 */
#ifndef HOPSCOPE_DROPS_H
#define HOPSCOPE_DROPS_H

#include "owner.h"
#include "record.h"

struct hs_drop {
	__u64 count; /* skbs */
	__u64 last_ns;
	__s32 stack; /* id in hs_drop_stacks, negative when there is none */
	__u32 bytes; /* of the first packet */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct hs_drop_key);
	__type(value, struct hs_drop);
} hs_drops SEC(".maps");

/* The listener that the packet under way on this CPU found full. */
struct hs_listener {
	__u64 skb;
	__u64 sk;
	__u64 cgroup;
	__u64 at_ns;
	__u32 netns;
	__u32 drops;  /* sk_drops before */
	__u32 reason; /* why it will be refused, if it is */
	__u32 pad;
};

#define STACK_DEPTH 24

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, STACK_DEPTH * sizeof(__u64));
} hs_drop_stacks SEC(".maps");

/* Without a branch, since each would count in everything behind it: a location
 * is inside where it lies neither before the start nor behind the end. */
inline_ bool quiet(__u64 location)
{
	__u64 outside = ~0ULL;
	int i;

	for (i = 0; i < HS_QUIET; i++)
		outside &= (location - hs_quiet[i].start) | (hs_quiet[i].end - 1 - location);
	return !(outside >> 63);
}

inline_ void owner_by_journey(struct hs_drop_key *key, struct hs_slot *slot)
{
	struct hs_stop *l = last_stop(slot);

	key->by = HS_BY_JOURNEY;
	key->cgroup = slot->j.cgroup_dst ? slot->j.cgroup_dst : slot->j.cgroup_src;
	key->born_netns = slot->stops[0].netns;
	if (l) {
		key->point = l->point;
		key->stop = l->flags & HS_S_PORT;
		key->ifindex = l->ifindex;
		key->netns = l->netns;
	}
}

/* skb->dev is no pointer while a socket holds the packet (it shares its place
 * with dev_scratch): reading through it then gives 0, never a fault. */
inline_ void owner_by_place(struct hs_drop_key *key, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	struct net_device *dev = skb->dev;

	if (sk) {
		key->by = HS_BY_SOCKET;
		key->cgroup = cgroup_id(sk);
		key->netns = sk->__sk_common.skc_net.net->ns.inum;
	}
	if (dev) {
		__u32 netns = dev->nd_net.net->ns.inum;

		if (!netns)
			return;
		key->ifindex = dev->ifindex;
		key->netns = netns;
		if (!sk)
			key->by = HS_BY_DEVICE;
	}
}

/* A handshake's packet may have neither device nor socket at its end. */
inline_ void owner_by_listener(struct hs_drop_key *key, const struct hs_listener *l)
{
	key->by = HS_BY_SOCKET;
	key->cgroup = l->cgroup;
	key->netns = l->netns;
}

inline_ __u16 service_port(const struct hs_packet *p)
{
	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP)
		return 0;
	return serves(p->proto, p->tuple.sport, p->tuple.dport) ? p->tuple.sport : p->tuple.dport;
}

#define NFCT_PTRMASK (~7UL) /* the low bits are enum ip_conntrack_info */

/* tracked tells whether netfilter dropped a packet before or after connection
 * tracking had seen it. */
inline_ __u8 tracked(struct sk_buff *skb, __u32 reason)
{
	if (reason != hs_netfilter_drop || !bpf_core_field_exists(struct sk_buff, _nfct))
		return 0;
	return skb->_nfct & NFCT_PTRMASK ? HS_T_TRACKED : HS_T_UNTRACKED;
}

/* Puts the address of an end as connection tracking has it in place of the packet's,
 * where mask has all bits; whether it is another one. An IPv4 address is the first word
 * there, the last one here. Without a branch, as all of this: see quiet. */
inline_ __u32 untranslate(__u8 *addr, __u64 end, __u32 mask, __u32 ip4)
{
	__u32 real[4] = {}, *seen = (void *)addr, other = 0;
	int i;

	bpf_probe_read_kernel(real, sizeof(real), (void *)end);
	real[3] ^= (real[3] ^ real[0]) & ip4;
	real[2] ^= (real[2] ^ bpf_htonl(0xffff)) & ip4;
	real[1] &= ~ip4;
	real[0] &= ~ip4;
	for (i = 0; i < 4; i++) {
		__u32 differ = (seen[i] ^ real[i]) & mask;

		other |= differ;
		seen[i] ^= differ;
	}
	return nonzero(other);
}

/* A packet between two translations has an address that is no end's own: whether that
 * was so. */
inline_ __u32 ends_by_conntrack(struct hs_drop_key *key, struct sk_buff *skb)
{
	__u64 first, second, swap;
	struct nf_conn *ct;
	__u32 mask, ip4;

	if (!bpf_core_field_exists(struct nf_conn, tuplehash) ||
	    !bpf_core_field_exists(struct sk_buff, _nfct))
		return 0;
	ct = (void *)(skb->_nfct & NFCT_PTRMASK);
	mask = -nonzero((__u64)ct);
	ip4 = nonzero(key->family ^ 4) - 1;
	first = (__u64)&ct->tuplehash[0].tuple.src.u3;
	second = (__u64)&ct->tuplehash[1].tuple.src.u3;
	/* enum ip_conntrack_info: 3 and 4 are of a reply */
	swap = (first ^ second) & -(__u64)(((skb->_nfct & ~NFCT_PTRMASK) + 1) >> 2);
	return untranslate(key->saddr, first ^ swap, mask, ip4) |
	       untranslate(key->daddr, second ^ swap, mask, ip4);
}

/* A dropped packet is always worth its record, until this many are alike: then
 * records are left out as those of others are, for a flood would fill the ring.
 * Each is counted in any case. */
#define FLOOD 4096

inline_ void count_drop(void *ctx, struct sk_buff *skb, struct hs_slot *slot, __u32 reason,
			__u64 location, const struct hs_listener *l)
{
	struct hs_drop_key key = { .location = location, .reason = reason };
	struct hs_drop *seen, new = { .count = 1, .stack = -1 };
	struct hs_packet p;
	__u32 translated;

	if (!read_packet(skb, HEADER_NETWORK, &p) && !read_packet(skb, HEADER_DATA, &p))
		return; /* no IP packet: ARP, a netlink message, a Unix socket's */
	count(HS_C_DROPS);
	key.proto = p.proto;
	key.family = p.family;
	key.port = service_port(&p);
	key.track = tracked(skb, reason);
	key.tcp_flags = p.tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_FIN);
	copy_addr(key.saddr, p.tuple.saddr);
	copy_addr(key.daddr, p.tuple.daddr);
	translated = ends_by_conntrack(&key, skb);
	if (slot)
		owner_by_journey(&key, slot);
	else if (l)
		owner_by_listener(&key, l);
	else
		owner_by_place(&key, skb);
	/* The journey and the socket tell more. */
	translated &= nonzero(key.by ^ HS_BY_JOURNEY) & nonzero(key.by ^ HS_BY_SOCKET);
	key.by ^= (key.by ^ HS_BY_CONNTRACK) & -translated;
	seen = bpf_map_lookup_elem(&hs_drops, &key);
	if (!seen) {
		new.last_ns = bpf_ktime_get_ns();
		new.bytes = p.bytes;
		if (!bpf_map_update_elem(&hs_drops, &key, &new, BPF_NOEXIST)) {
			/* A stack takes far longer than all the rest: once a group. */
			seen = bpf_map_lookup_elem(&hs_drops, &key);
			if (seen)
				seen->stack = bpf_get_stackid(ctx, &hs_drop_stacks, 0);
			return;
		}
		seen = bpf_map_lookup_elem(&hs_drops, &key); /* another CPU was first */
	}
	if (seen) {
		__sync_fetch_and_add(&seen->count, 1);
		if (slot)
			slot->flood = seen->count > FLOOD;
		seen->last_ns = bpf_ktime_get_ns();
	} else {
		count(HS_C_DROPS_OTHER);
	}
}

#endif
