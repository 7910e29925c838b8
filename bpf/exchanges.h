/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests and answers on TCP connections, as each end sees them, without a
 * look at what is said: a request begins with the client's first new byte after
 * an answer, an answer with the server's first new byte after a request.
 *
 * That is a fair account only where the two take turns. They did, if each had
 * received all when it began to speak: the acknowledgement that comes with the
 * first byte says so to the other side, which flags what fails the test.
 */
#ifndef HOPSCOPE_EXCHANGES_H
#define HOPSCOPE_EXCHANGES_H

#include "packet.h"
#include "sockets.h"

/* An answer that pauses longer is over. */
const volatile __u64 hs_idle_ns = 3000000000ULL;

/* So many crossings in a row are no accident. */
#define STREAM_CROSSINGS 3

/* One in `rate` requests by their place in the stream, which both ends know.
 * The mixer is the finalizer of MurmurHash3. */
inline_ bool sampled(__u32 seq, __u32 rate)
{
	seq ^= seq >> 16;
	seq *= 0x85ebca6b;
	seq ^= seq >> 13;
	seq *= 0xc2b2ae35;
	seq ^= seq >> 16;
	return !((__u64)seq * rate >> 32);
}

/* 0: this exchange is not recorded. */
inline_ __u32 exchange_weight(struct hs_conn *c, __u32 seq)
{
	__u32 rate = hs_sample;

	if (!hs_births)
		return 0;
	if (!wanted(c)) {
		count(HS_C_EVENTS_FILTERED);
		return 0;
	}
	if (rate <= 1)
		return 1;
	if (sampled(seq, rate))
		return rate;
	count(HS_C_EVENTS_UNSAMPLED);
	return 0;
}

/* finish emits the exchange under way, if there is one. */
inline_ void finish(struct hs_conn *c, __u8 flags)
{
	if (c->turn.phase < CONN_REQUEST)
		return;
	c->turn.phase = CONN_IDLE;
	c->x.flags |= flags;
	if (c->x.flags & HS_EF_PIPELINED) {
		if (c->crossings < STREAM_CROSSINGS)
			c->crossings++;
	} else if (c->x.weight) {
		c->crossings = 0; /* of others not all was looked at */
	}
	if (c->crossings >= STREAM_CROSSINGS)
		c->x.flags |= HS_EF_STREAM;
	if (c->x.weight)
		emit_event(&c->x, sizeof(c->x));
}

inline_ void begin(struct hs_conn *c, __u8 phase, __u32 seq, __u8 flags)
{
	struct hs_exchange *x = &c->x;

	flags |= x->flags & HS_EF_MIDWAY;
	if (!c->spoken && !(flags & HS_EF_MIDWAY))
		flags |= HS_EF_FIRST;
	c->spoken = 1;
	c->turn.phase = phase;
	x->flags = flags;
	x->weight = exchange_weight(c, seq);
	watch(c, x->weight);
	if (!x->weight)
		return;
	x->kind = HS_EV_EXCHANGE;
	x->request_ns = x->request_end_ns = x->request_read_ns = 0;
	x->answer_ns = x->answer_end_ns = x->answer_read_ns = 0;
	x->request_seq = seq;
	x->answer_seq = 0;
	x->request_bytes = x->answer_bytes = 0;
	x->srtt_us = 0;
}

/* When a thing happened: now may be known already, or not be of interest. */
#define NOW_UNREAD 0
#define NOW_UNSEEN 1 /* it happened before, unseen */

inline_ __u64 clock(__u64 now)
{
	return now == NOW_UNREAD ? bpf_ktime_get_ns() : now;
}

/* The client's new bytes end at `end`. crossed: not all that was sent had been
 * received when the first of them was sent. */
inline_ void on_request(struct hs_conn *c, __u32 from, __u32 end, bool crossed, __u64 now)
{
	struct hs_exchange *x = &c->x;

	if (c->turn.phase != CONN_REQUEST) {
		__u8 flags = crossed ? HS_EF_PIPELINED : 0;

		finish(c, flags);
		begin(c, CONN_REQUEST, from, flags);
	}
	if (!x->weight)
		return;
	x->request_bytes = end - x->request_seq;
	now = clock(now);
	if (now == NOW_UNSEEN)
		return;
	c->last_ns = now;
	if (!x->request_ns)
		x->request_ns = now;
	x->request_end_ns = now;
}

/* What a server says without being asked: a greeting, or an event that it
 * pushes. */
inline_ void unasked(struct hs_conn *c, __u8 flags)
{
	begin(c, CONN_ANSWER, c->x.role == HS_ROLE_CLIENT ? c->turn.sent : c->turn.received, flags);
}

/* The answer to a request that was made before the trace began. */
inline_ void belated(struct hs_conn *c)
{
	c->turn.phase = CONN_ANSWER;
	c->x.weight = 0;
}

inline_ void on_answer(struct hs_conn *c, __u32 from, __u32 end, bool crossed, __u64 now)
{
	struct hs_exchange *x = &c->x;

	if (c->turn.phase < CONN_REQUEST) {
		if (x->flags & HS_EF_MIDWAY && !c->spoken)
			belated(c);
		else
			unasked(c, HS_EF_SERVER_FIRST);
	} else if (c->turn.phase == CONN_REQUEST) {
		c->turn.phase = CONN_ANSWER;
		if (crossed)
			x->flags |= HS_EF_PIPELINED;
	} else if (x->weight) {
		now = clock(now);
		/* Nothing is known of a pause before the first bytes that were seen. */
		if (x->answer_ns && now != NOW_UNSEEN && now > c->last_ns &&
		    now - c->last_ns > hs_idle_ns) {
			finish(c, 0);
			unasked(c, HS_EF_STREAM);
		}
	}
	if (!x->weight)
		return;
	if (!x->answer_bytes)
		x->answer_seq = from;
	x->answer_bytes = end - x->answer_seq;
	now = clock(now);
	if (now == NOW_UNSEEN)
		return;
	c->last_ns = now;
	if (!x->answer_ns)
		x->answer_ns = now;
	x->answer_end_ns = now;
}

inline_ void on_sent(struct hs_conn *c, __u32 end, bool crossed, __u64 now)
{
	__u32 from = c->turn.sent;

	c->turn.sent = end;
	if (c->x.role == HS_ROLE_CLIENT)
		on_request(c, from, end, crossed, now);
	else
		on_answer(c, from, end, crossed, now);
}

inline_ void on_received(struct hs_conn *c, __u32 end, bool crossed, __u64 now)
{
	__u32 from = c->turn.received;

	c->turn.received = end;
	if (c->x.role == HS_ROLE_CLIENT)
		on_answer(c, from, end, crossed, now);
	else
		on_request(c, from, end, crossed, now);
}

/* Whether the handshake's end was seen: not where the connection is older than the
 * trace, or the kernel has left the programs out then. */
inline_ bool begun(const struct hs_conn *c)
{
	return c && c->turn.phase != CONN_OPENING;
}

/* A connection of which the beginning was not seen: whose port is a service's is the
 * server, else who is seen to speak second. */
inline_ struct hs_conn *met(struct sock *sk, __u32 sent, __u8 role)
{
	struct tcp_sock *tp = (void *)sk;
	struct hs_conn *c = new_conn(sk);

	if (!c)
		return NULL;
	if (c->x.sock.lport != c->x.sock.rport)
		role = serves(IPPROTO_TCP, c->x.sock.lport, c->x.sock.rport) ? HS_ROLE_SERVER
									     : HS_ROLE_CLIENT;
	c->x.role = role;
	c->x.flags = HS_EF_MIDWAY;
	c->turn.sent = sent;
	c->turn.received = BPF_CORE_READ(tp, rcv_nxt);
	c->copied = BPF_CORE_READ(tp, copied_seq);
	c->bucket = bucket_of(sk);
	return c;
}

/* The full TCP socket that a packet leaves at this queue, if it does: later
 * queues see the packet again. */
inline_ struct sock *sender(struct sk_buff *skb, const struct hs_at *at)
{
	struct sock *sk = skb->sk;

	if (!sk || skb->skb_iif || at->flags & (HS_S_PORT | HS_S_ENCAP) || !full(sk) ||
	    sk->sk_protocol != IPPROTO_TCP || sk->__sk_common.skc_net.net->ns.inum != at->netns)
		return NULL;
	return sk;
}

/* Whether the peer's FIN has come, which moves the sequence on by one that no
 * segment's payload tells of. */
inline_ bool fin_came(struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING ||
	       state == TCP_CLOSE;
}

/* Nobody watches, and a request that begins now is not recorded either: no more is
 * kept than what the next one needs. What has been received, the acknowledgement
 * tells. False where it is recorded: a server notices that only where the kernel has
 * missed the request's arrival (missed_runs). */
inline_ bool passed_over(struct hs_turn *turn, bool client, __u32 ack, __u32 end)
{
	if (before(turn->received, ack)) {
		if (client)
			turn->phase = CONN_ANSWER;
		else if (sampled(turn->received, hs_sample))
			return false;
		else
			count(HS_C_EVENTS_UNSAMPLED);
		turn->received = ack;
	}
	if (client && turn->phase != CONN_REQUEST) {
		if (sampled(turn->sent, hs_sample))
			return false;
		count(HS_C_EVENTS_UNSAMPLED);
	}
	turn->sent = end;
	turn->phase = client ? CONN_REQUEST : CONN_ANSWER;
	return true;
}

/* A segment with new data up to `end`, of a connection that may be watched. */
inline_ void spoken(struct sock *sk, struct hs_conn *c, __u32 ack, __u32 end, __u64 now)
{
	if (!before(c->turn.sent, end))
		return;
	if (!c->watched) {
		if (passed_over(&c->turn, c->x.role == HS_ROLE_CLIENT, ack, end))
			return;
		c->copied = BPF_CORE_READ((struct tcp_sock *)sk, copied_seq);
	}
	if (before(c->turn.received, ack))
		on_received(c, ack, false, NOW_UNSEEN);
	on_sent(c, end, before(c->copied, c->turn.received), now);
}

/* A segment is on its way: with new data, without, or sent again. */
inline_ void sent(struct sock *sk, const struct hs_segment *s, __u64 now)
{
	__u32 end = s->seq + s->payload, ack = s->ack - fin_came(sk);
	bool syn = s->flags & TCP_FLAG_SYN, client;
	struct hs_turn *turn;
	struct hs_conn *c;

	if (!hs_follow || !s->payload)
		return;
	turn = syn ? NULL : seat_of(sk, &client);
	if (turn && (!before(turn->sent, end) || passed_over(turn, client, ack, end)))
		return;
	c = conn_of(sk);
	if (syn) {
		/* Fast Open (RFC 7413): the request begins with the connection. */
		if (c && c->turn.phase == CONN_OPENING)
			c->turn.sent = s->seq + 1;
		return;
	}
	if (!begun(c))
		c = met(sk, s->seq, HS_ROLE_CLIENT);
	if (!c)
		return;
	resume(c);
	spoken(sk, c, ack, end, now);
	rest(c);
}

/* New data up to `end` has come, of a connection that may be watched. */
inline_ void heard(struct hs_conn *c, const struct tcp_sock *tp, const struct tcp_skb_cb *cb,
		   __u32 end, __u64 now)
{
	if (!c->watched) {
		if (c->x.role == HS_ROLE_CLIENT || before(c->turn.received, tp->rcv_nxt))
			return; /* within a turn that is not recorded */
		c->copied = tp->copied_seq;
	}
	if (before(c->turn.received, tp->rcv_nxt))
		on_received(c, tp->rcv_nxt, false, NOW_UNSEEN);
	if (!before(c->turn.received, end))
		return;
	on_received(c, end, before(cb->ack_seq, c->turn.sent), now);
	if (c->x.weight && !c->x.srtt_us)
		c->x.srtt_us = tp->srtt_us >> 3;
}

/* TCP takes a segment in; what it has so far, rcv_nxt, does not count it, and is
 * the request's place if that is its first. It has read the header (tcp_v4_fill_cb)
 * and taken a SYN as such before. */
inline_ void arrived(struct sock *sk, struct sk_buff *skb, __u64 now)
{
	const struct tcp_skb_cb *cb = noted(skb);
	struct tcp_sock *tp;
	struct hs_conn *c;
	__u32 end;

	if (!hs_follow)
		return;
	end = cb->end_seq - (cb->tcp_flags & TCP_FLAG_FIN);
	if (end == cb->seq)
		return;
	tp = tcp_of(sk);
	if (!tp || !before(tp->rcv_nxt, end))
		return;
	if (!glance(sk) && !sampled(tp->rcv_nxt, hs_sample))
		return;
	c = conn_of(sk);
	if (!begun(c))
		c = met(sk, tp->snd_nxt, HS_ROLE_SERVER);
	if (!c)
		return;
	resume(c);
	heard(c, tp, cb, end, now);
	rest(c);
}

/* The application has read. */
inline_ void read_by_task(struct sock *sk)
{
	struct hs_conn *c = glance(sk) ? conn_of(sk) : NULL;
	struct tcp_sock *tp;
	__u32 copied;

	if (!c || !c->watched)
		return;
	tp = tcp_of(sk);
	if (!tp)
		return;
	copied = tp->copied_seq;
	if (fin_came(sk) && copied == c->turn.received + 1)
		copied--;
	if (copied == c->copied)
		return; /* a look ahead */
	c->copied = copied;
	/* Data may come with the handshake's last segment, or after the own FIN:
	 * those do not pass tcp_probe. */
	if (before(c->turn.received, copied))
		on_received(c, copied, false, NOW_UNSEEN);
	if (!c->x.weight)
		return;
	if (c->x.role == HS_ROLE_SERVER && c->turn.phase == CONN_REQUEST) {
		if (!c->x.request_read_ns)
			set_task(c);
		c->x.request_read_ns = c->last_ns = bpf_ktime_get_ns();
	} else if (c->x.role == HS_ROLE_CLIENT && c->turn.phase == CONN_ANSWER) {
		if (!c->x.sock.tgid)
			set_task(c);
		c->x.answer_read_ns = c->last_ns = bpf_ktime_get_ns();
	}
}

#endif
