/* SPDX-License-Identifier: GPL-2.0 */
/* TCP sockets: which are followed, and who they are. */
#ifndef HOPSCOPE_SOCKETS_H
#define HOPSCOPE_SOCKETS_H

#include "filter.h"
#include "flows.h"
#include "owner.h"
#include "seats.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} hs_events SEC(".maps");

/* Whether connections are followed. */
const volatile bool hs_follow = true;

/* Raised by user space with each change of the filter. */
__u32 hs_filter_gen = 0;

inline_ void forget_conn(const void *sk, struct hs_conn *c)
{
	__u64 key = (__u64)sk;

	leave(c);
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
		leave(c);
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
