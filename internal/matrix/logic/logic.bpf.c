//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The logic of bpf/, without the kernel's packets: each program runs one
 * function of it on what a test passes as arguments (BPF_PROG_TEST_RUN). It is
 * compiled by the matrix, for its guests alone.
 */
#include "../../../bpf/birth.h"
#include "../../../bpf/exchanges.h"
#include "../../../bpf/parents.h"

char __license[] SEC("license") = "GPL";

/* The arguments of every program. */
enum {
	ARG_SKB,   /* the address */
	ARG_SIG_A, /* the signature */
	ARG_SIG_B,
	ARG_TCP_FLAGS,
	ARG_PORTS, /* source << 16 | destination */
	ARG_ENDING,
	ARG_SEQ,
};

inline_ void packet(struct hs_packet *p, const __u64 *ctx)
{
	__builtin_memset(p, 0, sizeof(*p));
	p->family = 4;
	p->proto = IPPROTO_TCP;
	p->bytes = 100; /* known to be one segment: there is no skb to ask */
	p->sig.a = ctx[ARG_SIG_A];
	p->sig.b = ctx[ARG_SIG_B];
	p->tcp.seq = ctx[ARG_SEQ];
	p->tcp.flags = ctx[ARG_TCP_FLAGS];
	*(__u16 *)(p->tuple.saddr + 10) = 0xffff;
	*(__u16 *)(p->tuple.daddr + 10) = 0xffff;
	p->tuple.sport = ctx[ARG_PORTS] >> 16;
	p->tuple.dport = ctx[ARG_PORTS];
}

SEC("raw_tp/logic_birth")
int logic_birth(__u64 *ctx)
{
	struct hs_at at = { .ifindex = 1, .netns = 2, .point = HS_P_QUEUE };
	const void *skb = (void *)ctx[ARG_SKB];
	struct hs_packet p;

	packet(&p, ctx);
	return birth((void *)skb, live_slot_at(ctx[ARG_SKB]), &p, &at, NULL, 0, 0) != NULL;
}

SEC("raw_tp/logic_stop")
int logic_stop(__u64 *ctx)
{
	struct hs_at at = { .ifindex = 1, .netns = 2, .point = HS_P_XMIT };
	struct hs_slot *slot;
	struct hs_packet p;

	packet(&p, ctx);
	slot = live_slot(live_slot_at(ctx[ARG_SKB]), &p);
	if (!slot)
		return 0;
	append_stop(slot, &at);
	return 1;
}

/* Reached its socket; tcp_probe is due. */
SEC("raw_tp/logic_deliver")
int logic_deliver(__u64 *ctx)
{
	struct hs_slot *slot = dying(live_slot_at(ctx[ARG_SKB]));

	if (!slot)
		return 0;
	append_end(slot, HS_P_DELIVER);
	slot->state = SLOT_PENDING;
	return 1;
}

SEC("raw_tp/logic_end")
int logic_end(__u64 *ctx)
{
	struct hs_slot *slot = dying(live_slot_at(ctx[ARG_SKB]));
	__u8 ending = ctx[ARG_ENDING];

	if (!slot || ending >= HS_E_MAX)
		return 0;
	append_end(slot, HS_P_CONSUME);
	if (ending == HS_E_SEGMENTED)
		keep_split_parent(slot);
	complete(slot, ending);
	return 1;
}

/* Queued on a device that will have it split. */
SEC("raw_tp/logic_queued")
int logic_queued(__u64 *ctx)
{
	const void *skb = (void *)ctx[ARG_SKB];
	struct hs_slot *slot = dying(live_slot_of(skb, HS_R_CONSUME));

	if (!slot)
		return 0;
	keep_queued_parent(skb, slot);
	return 1;
}

SEC("raw_tp/logic_inherit")
int logic_inherit(__u64 *ctx)
{
	struct hs_packet p;

	packet(&p, ctx);
	return inherit_split((void *)ctx[ARG_SKB], &p) != NULL;
}

SEC("raw_tp/logic_lately")
int logic_lately(__u64 *ctx)
{
	return split_lately();
}

struct headers {
	struct hs_headers b;
	struct hs_packet read; /* the answer */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct headers);
} logic_headers SEC(".maps");

/* The signature of a packet, as read_headers reads it. */
SEC("raw_tp/logic_read")
int logic_read(__u64 *ctx)
{
	__u32 zero = 0;
	struct headers *h = bpf_map_lookup_elem(&logic_headers, &zero);
	struct hs_ip ip;

	if (!h)
		return 0;
	ip = *(__u8 *)h->b.ip6 >> 4 == 6 ? read_ip6(&h->read, &h->b) : read_ip4(&h->read, &h->b);
	read_transport(&h->read, (__u8 *)h->b.l4, &ip);
	return !ip.again;
}

/* The arguments of the programs of a connection. */
enum {
	ARG_SOCKET, /* the address */
	ARG_ROLE,
	ARG_END, /* sequence number behind the new bytes */
	ARG_CROSSED,
	ARG_NOW,
};

/* A connection made while the trace runs, with both sequences at ARG_END. */
SEC("raw_tp/logic_connection")
int logic_connection(__u64 *ctx)
{
	__u64 key = ctx[ARG_SOCKET];
	struct hs_conn *c;

	bpf_map_update_elem(&hs_conns, &key, &hs_empty_conn, BPF_ANY);
	c = bpf_map_lookup_elem(&hs_conns, &key);
	if (!c)
		return 0;
	c->x.sock.cookie = key;
	c->x.role = ctx[ARG_ROLE];
	c->turn.sent = c->turn.received = c->copied = ctx[ARG_END];
	return 1;
}

SEC("raw_tp/logic_sent")
int logic_sent(__u64 *ctx)
{
	struct hs_conn *c = conn_of((void *)ctx[ARG_SOCKET]);

	if (!c)
		return 0;
	resume(c);
	on_sent(c, ctx[ARG_END], ctx[ARG_CROSSED], ctx[ARG_NOW]);
	rest(c);
	return 1;
}

SEC("raw_tp/logic_received")
int logic_received(__u64 *ctx)
{
	struct hs_conn *c = conn_of((void *)ctx[ARG_SOCKET]);

	if (!c)
		return 0;
	resume(c);
	on_received(c, ctx[ARG_END], ctx[ARG_CROSSED], ctx[ARG_NOW]);
	rest(c);
	return 1;
}

/* ARG_CROSSED is the acknowledgement. */
SEC("raw_tp/logic_passed_over")
int logic_passed_over(__u64 *ctx)
{
	struct hs_conn *c = conn_of((void *)ctx[ARG_SOCKET]);
	bool client, seated;
	struct hs_bucket *b;

	if (!c)
		return 0;
	b = bucket(c->bucket);
	seated = b->seated == ctx[ARG_SOCKET];
	client = seated ? b->client : c->x.role == HS_ROLE_CLIENT;
	return passed_over(seated ? &b->turn : &c->turn, client, ctx[ARG_CROSSED], ctx[ARG_END]);
}

/* Memory for a socket, of which copied_seq alone is read. */
struct socket {
	__u32 word[1024];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct socket);
} logic_socket SEC(".maps");

/* ARG_CROSSED is the acknowledgement. */
SEC("raw_tp/logic_spoken")
int logic_spoken(__u64 *ctx)
{
	struct hs_conn *c = conn_of((void *)ctx[ARG_SOCKET]);
	__u32 zero = 0;
	struct socket *sk = bpf_map_lookup_elem(&logic_socket, &zero);

	if (!c || !sk)
		return 0;
	resume(c);
	spoken((void *)sk, c, ctx[ARG_CROSSED], ctx[ARG_END], ctx[ARG_NOW]);
	rest(c);
	return 1;
}

SEC("raw_tp/logic_forget")
int logic_forget(__u64 *ctx)
{
	struct hs_conn *c = conn_of((void *)ctx[ARG_SOCKET]);

	if (!c)
		return 0;
	forget_conn((void *)ctx[ARG_SOCKET], c);
	return 1;
}

SEC("raw_tp/logic_finish")
int logic_finish(__u64 *ctx)
{
	struct hs_conn *c = conn_of((void *)ctx[ARG_SOCKET]);

	if (!c)
		return 0;
	finish(c, HS_EF_CLOSED);
	return 1;
}
