/* SPDX-License-Identifier: GPL-2.0 */
/* TCP connections that are followed, one entry for each socket, found by its address. */
#ifndef HOPSCOPE_CONNS_H
#define HOPSCOPE_CONNS_H

#include "state.h"

enum conn_phase {
	CONN_IDLE = 0,	  /* nothing was said yet */
	CONN_OPENING = 1, /* SYN sent */
	CONN_REQUEST = 2,
	CONN_ANSWER = 3,
};

/* Who speaks. */
struct hs_turn {
	__u32 sent;	/* sequence number behind the last byte sent */
	__u32 received; /* ... and behind the last one received */
	__u32 phase;	/* enum conn_phase */
};

/* What each segment needs comes first, in the cache line of the key. */
struct hs_conn {
	struct hs_turn turn;
	__u32 copied; /* sequence number behind the last byte that was read */
	__u32 filter; /* the generation of the filter that decided `wanted` */
	__u16 bucket; /* of hs_buckets */
	__u8 wanted;
	__u8 crossings; /* exchanges in a row in which both sides spoke at once */
	__u8 spoken;	/* an exchange has begun */
	__u8 watched;	/* counted in its bucket */
	__u8 seat;	/* enum conn_seat */
	__u8 pad;
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

inline_ bool before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

inline_ struct hs_conn *conn_of(const void *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&hs_conns, &key);
}

#endif
