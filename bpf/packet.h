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

/* What a TCP header tells. */
struct hs_segment {
	__u32 seq;
	__u32 ack;
	__u32 payload; /* bytes of it */
	__u8 flags;
};

struct hs_packet {
	struct hs_sig sig;
	struct hs_tuple tuple;
	struct hs_segment tcp; /* all 0 of others */
	__u32 bytes;	       /* IP header and payload */
	__u8 family;
	__u8 proto;
	__u8 fragment; /* an IP fragment */
	__u8 headless; /* not the first one: without a transport header */
};

/* Which header offset is right depends on the trace point: before the stack
 * has taken a received packet up, only skb->data points at the IP header. */
enum hs_header {
	HEADER_NETWORK, /* skb->head + skb->network_header */
	HEADER_DATA,	/* skb->data */
};

inline_ __u32 encapsulated(struct sk_buff *skb)
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
 * (RFC 7323, appendix A), or, in a SYN, after MSS and SACK-permitted. A header
 * that has it takes 32 to 60 bytes, all of which have the bit of 32. */
inline_ __u32 tcp_tsval(const __u8 *l4, __u32 doff)
{
	__u32 other = (BE32(l4 + 20) ^ 0x0101080a) | (~doff & 32);

	return BE32(l4 + 24) & (nonzero(other) - 1);
}

inline_ __u32 tcp_header_bytes(const __u8 *l4)
{
	return (l4[12] >> 4) * 4;
}

inline_ struct hs_segment segment_of(const __u8 *l4, __u32 l4_bytes)
{
	return (struct hs_segment){
		.seq = BE32(l4 + 4),
		.ack = BE32(l4 + 8),
		.payload = l4_bytes - tcp_header_bytes(l4),
		.flags = l4[13],
	};
}

inline_ void read_tcp(struct hs_packet *p, const __u8 *l4, __u32 l4_bytes, __u32 id)
{
	p->tuple.sport = BE16(l4);
	p->tuple.dport = BE16(l4 + 2);
	p->tcp = segment_of(l4, l4_bytes);
	p->sig.a = (__u64)p->tcp.seq << 32 | p->tcp.ack;
	p->sig.b = (__u64)tcp_tsval(l4, tcp_header_bytes(l4)) << 32 |
		   (p->tcp.payload & 0xffff) << 16 | (id & 0xffff);
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

/* Both headers, read at once: the transport header lies at the same place
 * whichever comes before it. */
struct hs_headers {
	__u32 ip6[5]; /* the first half of an IPv6 header */
	__u32 ip4[5]; /* the second one, or an IPv4 header */
	__u32 l4[8];
};

/* What is known of the IP header when it has been read. */
struct hs_ip {
	__u32 id;    /* IPv4 id, or IPv6 flow label */
	__u32 bytes; /* of the header, with what stands between it and the transport header */
	__u32 again; /* the transport header is not yet where it should be */
};

inline_ struct hs_ip read_ip4(struct hs_packet *p, const struct hs_headers *b)
{
	const __u8 *h = (__u8 *)b->ip4;
	struct hs_ip ip = { .id = BE16(h + 4), .bytes = (h[0] & 15) * 4 };

	p->proto = h[9];
	p->bytes = BE16(h + 2);
	p->fragment = nonzero(BE16(h + 6) & IP_MF_OFFSET);
	p->headless = nonzero(BE16(h + 6) & IP_OFFSET);
	tuple4(&p->tuple, h);
	ip.again = ip.bytes ^ 20;
	return ip;
}

/* The flow label stays the same from end to end (RFC 6437). A fragment has its
 * id in a header of its own, 8 bytes before the transport header (RFC 8200,
 * 4.5). */
inline_ struct hs_ip read_ip6(struct hs_packet *p, const struct hs_headers *b)
{
	const __u8 *h = (__u8 *)b->ip6, *f = (__u8 *)b->l4;
	__u32 fragment = 1 - nonzero(h[6] ^ IPPROTO_FRAGMENT);
	__u32 headless = fragment & nonzero(BE16(f + 2) & IP6_OFFSET);
	__u32 label = BE32(h) & 0xfffff;
	struct hs_ip ip = { .bytes = 40 + 8 * fragment, .again = fragment };

	ip.id = label ^ ((label ^ BE32(f + 4)) & -headless);
	p->proto = h[6] ^ ((h[6] ^ f[0]) & -fragment);
	p->bytes = BE16(h + 4) + 40;
	p->fragment = fragment;
	p->headless = headless;
	tuple6(&p->tuple, h);
	return ip;
}

inline_ void read_transport(struct hs_packet *p, const __u8 *l4, const struct hs_ip *ip)
{
	p->tcp = (struct hs_segment){};
	if (p->headless || (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP &&
			    p->proto != IPPROTO_ICMP && p->proto != IPPROTO_ICMPV6)) {
		p->sig.a = (__u64)ip->id << 32 | p->bytes;
		p->sig.b = p->proto | (__u64)p->headless << 8;
	} else if (p->proto == IPPROTO_TCP) {
		read_tcp(p, l4, p->bytes - ip->bytes, ip->id);
	} else if (p->proto == IPPROTO_UDP) {
		read_udp(p, l4, ip->id);
	} else {
		read_icmp(p, l4, ip->id);
	}
}

inline_ __u8 ip_version(const __u8 *head)
{
	__u8 first = 0;

	bpf_probe_read_kernel(&first, sizeof(first), head);
	return first >> 4;
}

/* read_headers fills p; false when there is no readable IP packet at head. skb
 * is NULL where it is known to be a packet of less than 64 kB. */
inline_ bool read_headers(struct sk_buff *skb, const __u8 *head, __u16 protocol,
			  struct hs_packet *p)
{
	struct hs_headers b = {};
	struct hs_ip ip;

	if (protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_probe_read_kernel(b.ip4, sizeof(b.ip4) + sizeof(b.l4), head))
			return false;
		p->family = *(__u8 *)b.ip4 >> 4;
		if (p->family != 4)
			return false;
		ip = read_ip4(p, &b);
	} else if (protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_probe_read_kernel(&b, sizeof(b), head))
			return false;
		p->family = *(__u8 *)b.ip6 >> 4;
		if (p->family != 6)
			return false;
		ip = read_ip6(p, &b);
	} else {
		return false;
	}
	if (p->bytes <= ip.bytes && skb) /* BIG TCP leaves the length field 0 */
		p->bytes = skb->len - (__u32)(head - skb->data);
	if (ip.again && bpf_probe_read_kernel(b.l4, sizeof(b.l4), head + ip.bytes))
		return false;
	read_transport(p, (__u8 *)b.l4, &ip);
	return true;
}

/* read_packet fills p; false when the skb holds no readable IP packet. */
static __noinline __attribute__((unused)) bool
read_packet(struct sk_buff *skb, enum hs_header where, struct hs_packet *p)
{
	bool inner = encapsulated(skb);
	const __u8 *head = ip_header(skb, where, inner);
	__u16 protocol = skb->protocol;

	if (inner)
		protocol = ip_version(head) == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	return read_headers(skb, head, protocol, p);
}

/* read_segment reads what a socket sends where TCP's header is the next one after IP's,
 * and nothing but that. What it reads into takes none of its caller's stack, which older
 * kernels bound along with that of all that the caller may call. */
static __noinline __attribute__((unused)) bool read_segment(struct sk_buff *skb,
							    struct hs_segment *s)
{
	__u32 not_ip4 = nonzero(skb->protocol ^ bpf_htons(ETH_P_IP));
	__u32 not_ip6 = nonzero(skb->protocol ^ bpf_htons(ETH_P_IPV6));
	const __u8 *ip = skb->head + skb->network_header;
	const __u8 *l4 = skb->head + skb->transport_header;
	__u32 h[4], failed; /* up to the flags, and the window */
	__u8 carries;

	failed = bpf_probe_read_kernel(&carries, sizeof(carries), ip + 6 + 3 * not_ip6);
	failed |= bpf_probe_read_kernel(h, sizeof(h), l4);
	*s = segment_of((__u8 *)h, skb->len - (__u32)(l4 - skb->data));
	return !nonzero(failed | (carries ^ IPPROTO_TCP) | (not_ip4 & not_ip6));
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
inline_ bool telling(const struct hs_segment *s)
{
	return s->flags & (TCP_FLAG_SYN | TCP_FLAG_RST);
}

inline_ bool has_priority(const struct hs_packet *p)
{
	if (p->proto == IPPROTO_TCP)
		return telling(&p->tcp);
	return p->proto == IPPROTO_UDP &&
	       (p->tuple.dport == PORT_DNS || p->tuple.sport == PORT_DNS);
}

#endif
