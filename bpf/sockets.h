/* SPDX-License-Identifier: GPL-2.0 */
/* TCP sockets that are followed, one entry each, found by their address. */
#ifndef HOPSCOPE_SOCKETS_H
#define HOPSCOPE_SOCKETS_H

#include "filter.h"
#include "flows.h"
#include "owner.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} hs_events SEC(".maps");

/* Whether connections are followed. */
const volatile bool hs_follow = true;

enum conn_phase {
	CONN_IDLE = 0,	  /* nothing was said yet */
	CONN_OPENING = 1, /* SYN sent */
	CONN_REQUEST = 2,
	CONN_ANSWER = 3,
};

/* What each segment needs comes first, in the cache line of the key. */
struct hs_conn {
	__u32 sent;	/* sequence number behind the last byte sent */
	__u32 received; /* ... and behind the last one received */
	__u32 copied;	/* ... and behind the last one that was read */
	__u32 filter;	/* the generation of the filter that decided `wanted` */
	__u8 phase;
	__u8 wanted;
	__u8 crossings; /* exchanges in a row in which both sides spoke at once */
	__u8 spoken;	/* an exchange has begun */
	__u8 watched;	/* counted in hs_watched */
	__u8 pad;
	__u16 bucket;	      /* of hs_watched */
	struct hs_exchange x; /* the exchange under way, as it will be emitted */
	__u64 last_ns;	      /* latest event of x; while opening: when that began */
	__u64 queued_ns;      /* in the accept queue since, 0: not there, or not known */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64); /* address of the socket */
	__type(value, struct hs_conn);
} hs_conns SEC(".maps");

static const struct hs_conn hs_empty_conn = {};

/* Raised by user space with each change of the filter. */
__u32 hs_filter_gen = 0;

inline_ bool before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

inline_ struct hs_conn *conn_of(const void *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&hs_conns, &key);
}

/* How many connections are watched, by their sockets' hashes: those of which an
 * exchange is recorded or nothing was said yet. What arrives at the others and is
 * read there is known to be of no interest by it, without a look-up. */
#define WATCH_BUCKETS 4096
__u32 hs_watched[WATCH_BUCKETS] = {};

inline_ __u16 bucket_of(const struct sock *sk)
{
	return sk->__sk_common.skc_hash % WATCH_BUCKETS;
}

inline_ bool glance(const struct sock *sk)
{
	return hs_watched[bucket_of(sk)];
}

inline_ void watch(struct hs_conn *c, bool on)
{
	if (c->watched == on)
		return;
	c->watched = on;
	__sync_fetch_and_add(&hs_watched[c->bucket % WATCH_BUCKETS], on ? 1 : -1);
}

inline_ void forget_conn(const void *sk, struct hs_conn *c)
{
	__u64 key = (__u64)sk;

	watch(c, false);
	bpf_map_delete_elem(&hs_conns, &key);
}

/* Of an skb that is in TCP's hands; elsewhere there is something else. */
inline_ const struct tcp_skb_cb *noted(struct sk_buff *skb)
{
	return (void *)skb->cb;
}

/* NULL at most where a socket may be another than a full one of TCP. The cast costs
 * nothing, and the helper, which older kernels have alone, some 45 ns. */
inline_ struct tcp_sock *tcp_of(struct sock *sk)
{
	if (bpf_rdonly_cast)
		return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
	return bpf_skc_to_tcp_sock(sk);
}

/* Neither a request nor in TIME_WAIT: those are mini-sockets. */
inline_ bool full(struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV;
}

inline_ bool is_mapped(const __u8 *addr)
{
	return !*(__u64 *)addr && *(__u32 *)(addr + 8) == bpf_htonl(0xffff);
}

/* Who a socket is, as far as its state tells. */
inline_ void identify(struct hs_conn *c, struct sock *sk)
{
	const struct sock_common___addr *common = (void *)&sk->__sk_common;

	c->x.sock.cookie = (__u64)sk;
	c->x.sock.cgroup = cgroup_id(sk);
	c->x.sock.netns = sk->__sk_common.skc_net.net->ns.inum;
	c->x.sock.lport = BPF_CORE_READ(common, skc_num);
	c->x.sock.rport = bpf_ntohs(BPF_CORE_READ(common, skc_dport));
	ends_of(c->x.sock.local, c->x.sock.remote, common);
	c->x.family = is_mapped(c->x.sock.remote) ? 4 : 6;
}

/* The task at hand; only where the kernel works for it. */
inline_ void set_task(struct hs_conn *c)
{
	__u64 task = bpf_get_current_pid_tgid();

	c->x.sock.tgid = task >> 32;
	c->x.sock.tid = task;
}

/* new_conn replaces what was left of another socket at the address. */
inline_ struct hs_conn *new_conn(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct hs_conn *c = conn_of(sk);

	if (c)
		watch(c, false);
	bpf_map_update_elem(&hs_conns, &key, &hs_empty_conn, BPF_ANY);
	c = bpf_map_lookup_elem(&hs_conns, &key);
	if (c)
		identify(c, sk);
	else
		count(HS_C_SOCKETS_OTHER);
	return c;
}

/* Whether the filter wants this connection: not if it is surely between two
 * containers that were not selected. */
inline_ bool wanted(struct hs_conn *c)
{
	const struct hs_sock *s = &c->x.sock;

	if (!hs_filtering)
		return true;
	if (c->filter != hs_filter_gen) {
		c->filter = hs_filter_gen;
		c->wanted = selected_end(s->netns, s->cgroup, s->local) ||
			    filter_addr(s->remote) != HS_A_OTHER;
	}
	return c->wanted;
}

inline_ void emit_event(void *event, __u64 bytes)
{
	if (bpf_ringbuf_output(&hs_events, event, bytes, BPF_RB_NO_WAKEUP))
		count(HS_C_EVENTS_LOST);
	else
		count(HS_C_EVENTS);
}

#endif
