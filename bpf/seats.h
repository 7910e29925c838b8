/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Most messages are of exchanges that are not recorded. Of their connections only
 * whose turn it is has to be known, for where the next request begins: that is kept in
 * a table which is reached by the socket's hash, without a look-up. Where two
 * connections meet, the second one is looked up as before.
 */
#ifndef HOPSCOPE_SEATS_H
#define HOPSCOPE_SEATS_H

#include "conns.h"

enum conn_seat {
	SEAT_NONE = 0, /* did not need one yet */
	SEAT_OWN = 1,
	SEAT_TAKEN = 2, /* by another connection */
};

/* By the sockets' hashes. Both parts in one cache line, since a message needs both. */
struct hs_bucket {
	__u64 seated; /* the socket at rest, whose turn is kept here; 0: none */
	struct hs_turn turn;
	__u32 client; /* whether it asks */
	/* How many connections are watched: those of which an exchange is recorded or
	 * nothing was said yet. What arrives at the others and is read there is known
	 * to be of no interest by it, without a look-up. */
	__u32 watched;
	__u32 pad;
};

#define CONN_BUCKETS 4096
struct hs_bucket hs_buckets[CONN_BUCKETS] __attribute__((aligned(64))) = {};

/* Whose seat a bucket is. Other than a compare-and-swap (since 5.12), a hash gives it
 * to one of two that want it at a time on any kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONN_BUCKETS);
	__type(key, __u32);
	__type(value, __u64); /* address of the socket */
} hs_seats SEC(".maps");

inline_ __u16 bucket_of(const struct sock *sk)
{
	return sk->__sk_common.skc_hash % CONN_BUCKETS;
}

inline_ struct hs_bucket *bucket(__u32 number)
{
	return &hs_buckets[number % CONN_BUCKETS];
}

inline_ bool glance(const struct sock *sk)
{
	return bucket(bucket_of(sk))->watched;
}

inline_ void watch(struct hs_conn *c, bool on)
{
	if (c->watched == on)
		return;
	c->watched = on;
	__sync_fetch_and_add(&bucket(c->bucket)->watched, on ? 1 : -1);
}

/* The seat of a connection at rest, else NULL. Nobody else writes to it: the socket's
 * lock is held. */
inline_ struct hs_turn *seat_of(const struct sock *sk, bool *client)
{
	struct hs_bucket *b = bucket(bucket_of(sk));

	if (b->seated != (__u64)sk)
		return NULL;
	*client = b->client;
	return &b->turn;
}

/* The connection is needed as a whole. */
inline_ void resume(struct hs_conn *c)
{
	struct hs_bucket *b = bucket(c->bucket);

	if (c->seat != SEAT_OWN || !b->seated)
		return;
	c->turn = b->turn;
	b->seated = 0;
}

/* Nothing of the connection is recorded for now: its seat is enough. */
inline_ void rest(struct hs_conn *c)
{
	struct hs_bucket *b = bucket(c->bucket);
	__u32 number = c->bucket;

	if (c->watched || c->seat == SEAT_TAKEN)
		return;
	if (c->seat == SEAT_NONE)
		c->seat = bpf_map_update_elem(&hs_seats, &number, &c->x.sock.cookie, BPF_NOEXIST)
				  ? SEAT_TAKEN
				  : SEAT_OWN;
	if (c->seat != SEAT_OWN)
		return;
	b->turn = c->turn;
	b->client = c->x.role == HS_ROLE_CLIENT;
	b->seated = c->x.sock.cookie;
}

/* Nothing is kept of the connection outside its own entry any more. */
inline_ void leave(struct hs_conn *c)
{
	__u32 number = c->bucket;

	watch(c, false);
	if (c->seat != SEAT_OWN)
		return;
	bucket(number)->seated = 0;
	bpf_map_delete_elem(&hs_seats, &number);
	c->seat = SEAT_NONE;
}

#endif
