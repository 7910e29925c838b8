/* SPDX-License-Identifier: GPL-2.0 */
/* Reads what identifies a packet out of its headers; never its payload. */
#ifndef HOPSCOPE_PACKET_H
#define HOPSCOPE_PACKET_H

#include "state.h"

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define PORT_DNS 53
#define IP_OFFSET 0x1fff
#define IP_MF_OFFSET 0x3fff
#define IP6_OFFSET 0xfff8

struct hs_packet {
	struct hs_sig sig;
	struct hs_tuple tuple;
	__u32 bytes; /* IP header and payload */
	__u32 seq;   /* TCP only */
	__u8 family;
	__u8 proto;
	__u8 tcp_flags;
	__u8 fragment; /* an IP fragment */
	__u8 headless; /* not the first one: without a transport header */
};

/* Which header offset is right depends on the trace point: before the stack
 * has taken a received packet up, only skb->data points at the IP header. */
enum hs_header {
	HEADER_NETWORK, /* skb->head + skb->network_header */
	HEADER_DATA,	/* skb->data */
};

inline_ bool encapsulated(struct sk_buff *skb)
{
	return BPF_CORE_READ_BITFIELD(skb, encapsulation);
}

/* Inside a tunnel header the inner packet is the one that is followed. */
inline_ const __u8 *ip_header(struct sk_buff *skb, enum hs_header where, bool inner)
{
	if (inner)
		return skb->head + skb->inner_network_header;
	return where == HEADER_DATA ? skb->data : skb->head + skb->network_header;
}

inline_ void tuple4(struct hs_tuple *t, const __u8 *ip)
{
	__builtin_memset(t, 0, sizeof(*t));
	*(__u16 *)(t->saddr + 10) = 0xffff;
	*(__u16 *)(t->daddr + 10) = 0xffff;
	*(__u32 *)(t->saddr + 12) = *(__u32 *)(ip + 12);
	*(__u32 *)(t->daddr + 12) = *(__u32 *)(ip + 16);
}

inline_ void tuple6(struct hs_tuple *t, const __u8 *ip)
{
	__builtin_memcpy(t->saddr, ip + 8, 16);
	__builtin_memcpy(t->daddr, ip + 24, 16);
	t->sport = 0;
	t->dport = 0;
}

#define BE16(p) bpf_ntohs(*(__u16 *)(p))
#define BE32(p) bpf_ntohl(*(__u32 *)(p))

/* The TSval of the timestamp option where Linux puts it: behind two NOPs
 * (RFC 7323, appendix A), or, in a SYN, after MSS and SACK-permitted. */
inline_ __u32 tcp_tsval(const __u8 *l4, __u32 doff)
{
	if (doff >= 32 && BE32(l4 + 20) == 0x0101080a)
		return BE32(l4 + 24);
	return 0;
}

inline_ void read_tcp(struct hs_packet *p, const __u8 *l4, __u32 l4_bytes, __u32 id)
{
	__u32 doff = (l4[12] >> 4) * 4;

	p->tuple.sport = BE16(l4);
	p->tuple.dport = BE16(l4 + 2);
	p->seq = BE32(l4 + 4);
	p->tcp_flags = l4[13];
	p->sig.a = (__u64)p->seq << 32 | BE32(l4 + 8);
	p->sig.b = (__u64)tcp_tsval(l4, doff) << 32 | ((l4_bytes - doff) & 0xffff) << 16 |
		   (id & 0xffff);
}

inline_ void read_udp(struct hs_packet *p, const __u8 *l4, __u32 id)
{
	p->tuple.sport = BE16(l4);
	p->tuple.dport = BE16(l4 + 2);
	p->sig.a = (__u64)BE16(l4 + 4) << 32 | id;
	p->sig.b = IPPROTO_UDP;
}

inline_ void read_icmp(struct hs_packet *p, const __u8 *l4, __u32 id)
{
	p->tuple.sport = BE16(l4 + 4);
	p->tuple.dport = l4[0] << 8 | l4[1];
	p->sig.a = (__u64)BE32(l4) << 32 | BE32(l4 + 4);
	p->sig.a ^= (__u64)BE16(l4 + 2) << 32; /* NAT rewrites the checksum */
	p->sig.b = (__u64)id << 32 | p->proto;
}

/* read_packet fills p; false when the skb holds no readable IP packet. */
inline_ bool read_packet(struct sk_buff *skb, enum hs_header where, struct hs_packet *p)
{
	bool inner = encapsulated(skb);
	const __u8 *head = ip_header(skb, where, inner);
	__u32 ip[18] = {}, l4w[8] = {};
	const __u8 *h = (__u8 *)ip, *l4 = (__u8 *)l4w;
	__u32 l4_off, id;
	__u16 protocol = skb->protocol;

	if (!inner && protocol != bpf_htons(ETH_P_IP) && protocol != bpf_htons(ETH_P_IPV6))
		return false;
	/* One read for both headers where the first has no options. */
	if (bpf_probe_read_kernel(ip, protocol == bpf_htons(ETH_P_IPV6) ? 72 : 56, head))
		return false;
	p->fragment = 0;
	p->headless = 0;
	p->tcp_flags = 0;
	p->seq = 0;
	p->family = h[0] >> 4;
	if (p->family == 4) {
		p->proto = h[9];
		p->bytes = BE16(h + 2);
		p->fragment = (BE16(h + 6) & IP_MF_OFFSET) != 0;
		p->headless = (BE16(h + 6) & IP_OFFSET) != 0;
		id = BE16(h + 4);
		l4_off = (h[0] & 15) * 4;
		tuple4(&p->tuple, h);
	} else if (p->family == 6) {
		p->proto = h[6];
		p->bytes = BE16(h + 4) + 40;
		id = BE32(h) & 0xfffff; /* flow label: end to end (RFC 6437) */
		l4_off = 40;
		tuple6(&p->tuple, h);
	} else {
		return false;
	}
	if (p->bytes <= l4_off) /* BIG TCP leaves the length field 0 */
		p->bytes = skb->len - (__u32)(head - skb->data);
	if (l4_off == 20)
		l4 = (__u8 *)(ip + 5);
	else if (l4_off == 40 && p->family == 6 && protocol == bpf_htons(ETH_P_IPV6))
		l4 = (__u8 *)(ip + 10);
	else if (bpf_probe_read_kernel(l4w, sizeof(l4w), head + l4_off))
		return false;
	if (p->family == 6 && p->proto == IPPROTO_FRAGMENT) {
		p->proto = l4[0];
		p->fragment = 1;
		p->headless = (BE16(l4 + 2) & IP6_OFFSET) != 0;
		if (p->headless)
			id = BE32(l4 + 4);
		l4_off += 8;
		if (bpf_probe_read_kernel(l4w, sizeof(l4w), head + l4_off))
			return false;
		l4 = (__u8 *)l4w;
	}
	if (p->headless || (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP &&
			    p->proto != IPPROTO_ICMP && p->proto != IPPROTO_ICMPV6)) {
		p->sig.a = (__u64)id << 32 | p->bytes;
		p->sig.b = p->proto | (__u64)p->headless << 8;
	} else if (p->proto == IPPROTO_TCP) {
		read_tcp(p, l4, p->bytes - l4_off, id);
	} else if (p->proto == IPPROTO_UDP) {
		read_udp(p, l4, id);
	} else {
		read_icmp(p, l4, id);
	}
	return true;
}

/* GRO lets the first skb of a flow grow, so its payload length, the only part
 * of the signature that may change on the way, is left out after it. */
#define SIG_WITHOUT_LENGTH 0xffffffff0000ffffULL

inline_ bool same_packet(const struct hs_sig *a, const struct hs_sig *b, bool after_gro)
{
	__u64 differ = a->b ^ b->b;

	if (after_gro)
		differ &= SIG_WITHOUT_LENGTH;
	return a->a == b->a && !differ;
}

/* SYN, RST and DNS are too few and too telling to be sampled. */
inline_ bool has_priority(const struct hs_packet *p)
{
	if (p->proto == IPPROTO_TCP)
		return p->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_RST);
	return p->proto == IPPROTO_UDP &&
	       (p->tuple.dport == PORT_DNS || p->tuple.sport == PORT_DNS);
}

#endif
