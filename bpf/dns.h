/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DNS over UDP as the socket sees it that asks: one small record for each query
 * that it sends and each answer that reaches it, whatever the sample rate. Of
 * the message's 12-byte header (RFC 1035, 4.1.1) the id and the flags are read,
 * and nothing after it. User space pairs queries with answers.
 */
#ifndef HOPSCOPE_DNS_H
#define HOPSCOPE_DNS_H

#include "filter.h"
#include "flows.h"
#include "owner.h"
#include "packet.h"

const volatile bool hs_read_dns = false;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18); /* 2,700 messages; it is read every 10 ms */
} hs_dns SEC(".maps");

#define UDP_HEADER 8
#define DNS_HEADER 12
#define DNS_ANSWER 0x8000 /* QR, the first bit of the flags */

/* The whole of what is read of a message. */
struct dns_header {
	__be16 id;
	__be16 flags;
};

struct sock___protocol {
	__u16 sk_protocol;
} CORE;

struct sk_buff___transport {
	__u16 transport_header;
} CORE;

inline_ bool is_udp(struct sock *sk)
{
	return sk && ((struct sock___protocol *)sk)->sk_protocol == IPPROTO_UDP;
}

inline_ __u16 transport_header(struct sk_buff *skb)
{
	return ((struct sk_buff___transport *)skb)->transport_header;
}

/* Docker's own name server inside of a container (libnetwork, resolver.go). */
inline_ bool embedded_dns(const __u8 *addr)
{
	return *(__u32 *)(addr + 12) == bpf_htonl(0x7f00000b) &&
	       *(__u32 *)(addr + 8) == bpf_htonl(0xffff);
}

/* Rules inside of a container may lead port 53 to another one, before the
 * first point at which a query is seen: Docker's name server has such rules. A
 * connected socket still knows what was asked for, and of one that is not the
 * address tells. */
inline_ bool asks(struct sock *sk, const struct hs_packet *p)
{
	const struct sock_common___addr *c = (void *)&sk->__sk_common;

	return p->tuple.dport == PORT_DNS || embedded_dns(p->tuple.daddr) ||
	       BPF_CORE_READ(c, skc_dport) == bpf_htons(PORT_DNS);
}

inline_ bool wants_dns(const struct hs_dns_message *m)
{
	return !hs_filtering || selected_end(m->netns, m->cgroup, m->local) ||
	       filter_addr(m->remote) == HS_A_SELECTED;
}

/* The addresses in the IP header, for the socket at hand. */
inline_ bool read_ends(struct hs_dns_message *m, struct sk_buff *skb)
{
	const __u8 *head = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	bool query = m->kind == HS_D_QUERY;
	struct hs_tuple t;
	__u32 ip[10];

	if (bpf_probe_read_kernel(ip, sizeof(ip), head))
		return false;
	if (*(__u8 *)ip >> 4 == 4)
		tuple4(&t, (__u8 *)ip);
	else
		tuple6(&t, (__u8 *)ip);
	copy_addr(m->local, query ? t.saddr : t.daddr);
	copy_addr(m->remote, query ? t.daddr : t.saddr);
	return true;
}

/* skb and sk are addresses, words the two of the header; unread: they are not
 * in reach. */
alone_ int hs_tell_dns(__u64 skb, __u64 sk, __u32 kind, __u32 words, __u32 unread)
{
	struct hs_dns_message m = { .kind = kind, .unread = unread, .socket = sk };
	const struct sock_common___addr *c = (void *)&((struct sock *)sk)->__sk_common;

	if (!read_ends(&m, (void *)skb))
		return 0;
	m.cgroup = full_socket_cgroup((void *)sk);
	m.netns = BPF_CORE_READ(c, skc_net.net, ns.inum);
	m.port = BPF_CORE_READ(c, skc_num);
	m.id = bpf_ntohs(words);
	m.flags = bpf_ntohs(words >> 16);
	if (!wants_dns(&m))
		return 0;
	m.at_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&hs_dns, &m, sizeof(m), BPF_RB_NO_WAKEUP)) {
		count(HS_C_DNS_RING_FULL);
		return 0;
	}
	if (kind == HS_D_QUERY)
		count(HS_C_DNS_QUERIES);
	else
		count(HS_C_DNS_ANSWERS);
	if (unread)
		count(HS_C_DNS_UNREAD);
	return 0;
}

inline_ void emit_dns(struct sk_buff *skb, struct sock *sk, __u32 kind, const struct dns_header *h,
		      bool unread)
{
	hs_tell_dns(address_of(skb), address_of(sk), kind, h->id | (__u32)h->flags << 16, unread);
}

/* What the sender's stack wrote lies in one piece, unless the message was given
 * to it in pages. */
inline_ bool read_linear(struct sk_buff *skb, struct dns_header *h)
{
	const __u8 *at = skb->head + transport_header(skb) + UDP_HEADER;
	__u32 linear = skb->len - skb->data_len;

	return (__u64)(at + sizeof(*h)) <= (__u64)(skb->data + linear) &&
	       !bpf_probe_read_kernel(h, sizeof(*h), at);
}

/* At the birth of a packet: births are taken, and p was read. A function of its
 * own: what the verifier learns of p in it would make it look at all that
 * follows once for each way out of it, and that was a third of all its work. */
static __noinline __attribute__((unused)) void dns_query(struct sk_buff *skb,
							 const struct hs_packet *p)
{
	struct dns_header h = {};
	struct sock *sk = skb->sk;
	bool unread;

	if (p->proto != IPPROTO_UDP || !hs_read_dns)
		return;
	if (!hs_births || p->headless || !is_udp(sk) || !asks(sk, p))
		return;
	if (p->sig.a >> 32 < UDP_HEADER + DNS_HEADER)
		return;
	unread = !read_linear(skb, &h);
	if (!(h.flags & bpf_htons(DNS_ANSWER)))
		emit_dns(skb, sk, HS_D_QUERY, &h, unread);
}

/* Where a packet reaches its socket. ctx is NULL where the program is no cgroup
 * program, which alone can read what lies in pages; there skb->data is at the
 * IP header while it runs (__cgroup_bpf_run_filter_skb). */
inline_ void dns_answer(struct __sk_buff *ctx, struct sk_buff *skb, struct sock *sk)
{
	struct dns_header h = {};
	__be16 udp[3]; /* source, destination, length */
	bool unread;

	if (!hs_read_dns || !is_udp(sk))
		return;
	if (bpf_probe_read_kernel(udp, sizeof(udp), skb->head + transport_header(skb)) ||
	    udp[0] != bpf_htons(PORT_DNS) || bpf_ntohs(udp[2]) < UDP_HEADER + DNS_HEADER)
		return;
	unread = !read_linear(skb, &h);
	if (unread && ctx)
		unread = bpf_skb_load_bytes(
				 ctx, transport_header(skb) - skb->network_header + UDP_HEADER, &h,
				 sizeof(h)) != 0;
	if (unread || h.flags & bpf_htons(DNS_ANSWER))
		emit_dns(skb, sk, HS_D_ANSWER, &h, unread);
}

#endif
