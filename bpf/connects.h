/* SPDX-License-Identifier: GPL-2.0 */
/* A TCP connection from its beginning to its end, and what resets it. */
#ifndef HOPSCOPE_CONNECTS_H
#define HOPSCOPE_CONNECTS_H

#include "exchanges.h"

#define ECANCELED 125

/* connect(2): the task at hand is the one that wants the connection. */
inline_ void opening(struct sock *sk)
{
	struct hs_conn *c;

	if (!hs_births)
		return;
	c = conn_of(sk);
	if (c && c->turn.phase == CONN_OPENING)
		return; /* told already */
	c = new_conn(sk);
	if (!c)
		return;
	set_task(c);
	c->turn.phase = CONN_OPENING;
	c->x.role = HS_ROLE_CLIENT;
	c->last_ns = bpf_ktime_get_ns();
}

/* Whether accept(2) is seen. */
const volatile bool hs_sees_accept = false;

/* tell emits an event of a connection that has begun: none is left out by
 * sampling. */
inline_ void tell(struct hs_conn *c, __u8 kind, __u64 since, __u16 error)
{
	struct hs_connect e = {
		.kind = kind,
		.family = c->x.family,
		.error = error,
		.weight = 1,
		.start_ns = since,
	};

	if (!wanted(c)) {
		count(HS_C_EVENTS_FILTERED);
		return;
	}
	e.end_ns = bpf_ktime_get_ns();
	__builtin_memcpy(&e.sock, &c->x.sock, sizeof(e.sock));
	emit_event(&e, sizeof(e));
}

inline_ void opened(struct hs_conn *c, __u16 error)
{
	c->turn.phase = CONN_IDLE;
	tell(c, HS_EV_CONNECT, c->last_ns, error);
}

/* accept(2) has taken the connection out of its listener's queue. */
inline_ void accepted(struct sock *sk)
{
	struct hs_conn *c = conn_of(sk);
	__u64 since;

	if (!c || !c->queued_ns)
		return;
	since = c->queued_ns;
	c->queued_ns = 0;
	set_task(c);
	tell(c, HS_EV_ACCEPT, since, 0);
}

/* The handshake is through: both sides have said nothing yet. */
inline_ void established(struct sock *sk, int was)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct hs_conn *c = NULL;
	__u32 in_syn = 0;
	__u64 since;

	if (!tp)
		return;
	if (was == TCP_SYN_RECV) {
		c = new_conn(sk);
		if (!c)
			return;
		c->x.role = HS_ROLE_SERVER;
		learn_service(IPPROTO_TCP, c->x.sock.lport);
		if (hs_sees_accept)
			c->queued_ns = bpf_ktime_get_ns();
	} else if (was == TCP_SYN_SENT) {
		c = conn_of(sk);
		if (!c || c->turn.phase != CONN_OPENING)
			return;
		/* Its port was not chosen yet at the first SYN. */
		identify(c, sk);
		in_syn = c->turn.sent;
		since = c->last_ns;
		opened(c, 0);
	}
	if (!c)
		return;
	c->turn.sent = tp->snd_nxt;
	c->turn.received = c->copied = tp->copied_seq;
	c->bucket = bucket_of(sk);
	watch(c, true);
	if (in_syn && before(in_syn, c->turn.sent))
		on_request(c, in_syn, c->turn.sent, false, since);
}

/* The kernel gives no reason to a socket that its own application closes. */
inline_ void refused(struct sock *sk, struct hs_conn *c)
{
	int error = sk->sk_err;

	c->x.sock.lport = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	opened(c, error ? error : ECANCELED);
}

inline_ void closed(struct sock *sk)
{
	struct hs_conn *c = conn_of(sk);

	if (!c)
		return;
	if (c->turn.phase == CONN_OPENING)
		refused(sk, c);
	else
		finish(c, HS_EF_CLOSED);
	forget_conn(sk, c);
}

inline_ __u16 listened(struct sock *sk)
{
	const struct sock_common___addr *common = (void *)&sk->__sk_common;

	return BPF_CORE_READ(common, skc_num);
}

/* Told the same twice, it does nothing the second time. */
inline_ void state_changes(struct sock *sk, int before, int after)
{
	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	if (after == TCP_LISTEN)
		learn_service(IPPROTO_TCP, listened(sk));
	else if (after == TCP_SYN_SENT)
		opening(sk);
	else if (after == TCP_ESTABLISHED)
		established(sk, before);
	else if (after == TCP_CLOSE)
		closed(sk);
}

#endif
