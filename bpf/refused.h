/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a socket refuses although cgroup_skb/ingress, which sees it before, has
 * taken it for delivered: a packet of a handshake that finds the listener's
 * queues full, and a datagram that finds the receive buffer full. Where that may
 * be, the journey waits for its real end.
 *
 * A SYN that is refused ends in consume_skb as if it were accepted, the ACK that
 * completes a handshake in kfree_skb, before 6.15 without a reason
 * (tcp_conn_request, tcp_v4_syn_recv_sock, tcp_check_req). Both count on the
 * listener (tcp_listendrop), between cgroup_skb and that end, which follow each
 * other on one CPU: so its sk_drops tells them from what is accepted.
 */
#ifndef HOPSCOPE_REFUSED_H
#define HOPSCOPE_REFUSED_H

#include "drops.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hs_listener);
} hs_listeners SEC(".maps");

inline_ struct hs_listener *listener(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&hs_listeners, &zero);
}

/* refusal is why a listener may drop what reaches it now, 0 when it has room:
 * sk_acceptq_is_full, and inet_csk_reqsk_queue_is_full, which matters to
 * requests where there are no SYN cookies. */
inline_ __u32 refusal(struct sock *sk)
{
	struct inet_connection_sock___queue *icsk = (void *)sk;
	__u32 most = BPF_CORE_READ(sk, sk_max_ack_backlog);

	if (BPF_CORE_READ(sk, sk_ack_backlog) > most)
		return hs_listen_overflow;
	return BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter) >= most ? hs_listen_drop : 0;
}

/* __udp_enqueue_schedule_skb refuses beyond sk_rcvbuf; half of it leaves room
 * for what other CPUs put there meanwhile. */
inline_ bool buffer_nearly_full(struct sock *sk)
{
	return sk->sk_backlog.rmem_alloc.counter > sk->sk_rcvbuf >> 1;
}

alone_ int hs_at_listener(__u64 skb, __u64 listening)
{
	struct sock *sk = (void *)listening;
	struct hs_listener *l = listener();
	__u32 reason = refusal(sk);

	if (!reason || !l)
		return false;
	l->skb = skb;
	l->sk = listening;
	l->cgroup = full_socket_cgroup(sk);
	l->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	l->at_ns = bpf_ktime_get_ns();
	l->reason = reason;
	l->drops = BPF_CORE_READ(sk, sk_drops.counter);
	return true;
}

/* at_listener notes a packet that may be refused, tracked or not. */
inline_ bool at_listener(struct sk_buff *skb, struct sock *sk)
{
	if (!sk || sk->__sk_common.skc_state != TCP_LISTEN)
		return false;
	return hs_at_listener(address_of(skb), address_of(sk));
}

/* state_after_delivery is that of the slot of a packet which reached sk. */
inline_ __u32 state_after_delivery(struct sock *sk, __u8 proto, bool full)
{
	if (full)
		return SLOT_LISTENER;
	if (!sk)
		return SLOT_DEAD;
	if (proto == IPPROTO_UDP && buffer_nearly_full(sk))
		return SLOT_PENDING;
	if (proto == IPPROTO_TCP && sk->__sk_common.skc_state == TCP_ESTABLISHED &&
	    hs_has_tcp_probe)
		return SLOT_PENDING;
	return SLOT_DEAD;
}

/* A handshake that is taken after all ends without a trace; then the address may
 * be another packet's by the time of its next end. From cgroup_skb to the end of
 * a refused one it takes some microseconds. */
#define REFUSED_WITHIN_NS 1000000

/* refused_by gives, once, the listener that dropped a packet which ends now; NULL
 * when none did. What tcp_v4_rcv itself frees counts once for any reason
 * (discard_and_relse), and once more for this one. */
inline_ struct hs_listener *refused_by(const struct sk_buff *skb, __u32 otherwise)
{
	struct hs_listener *l = listener();
	struct sock *sk;
	__u32 drops = 0;

	if (!l || l->skb != (__u64)skb)
		return NULL;
	l->skb = 0;
	if (bpf_ktime_get_ns() - l->at_ns > REFUSED_WITHIN_NS)
		return NULL;
	sk = (void *)l->sk;
	bpf_core_read(&drops, sizeof(drops), &sk->sk_drops.counter);
	return drops - l->drops > otherwise ? l : NULL;
}

/* undeliver takes the stop at the socket back. */
inline_ void undeliver(struct hs_slot *slot)
{
	if (last_point(slot) != HS_P_DELIVER || slot->j.stops < 2)
		return;
	slot->j.stops--;
	slot->last_ns = slot->prev_ns;
}

#endif
