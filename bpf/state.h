/* SPDX-License-Identifier: GPL-2.0 */
/* Maps, settings and counters. */
#ifndef HOPSCOPE_STATE_H
#define HOPSCOPE_STATE_H

#include "kernel.h"
#include "abi.h"

#define inline_ static __always_inline

/* A function that the verifier looks at once and on its own, whatever calls it.
 * Before 5.12 it takes numbers only, and it must not be static. */
#define alone_ __noinline

/* A slot is never deleted by the programs: the kernel hands out the same few
 * skb addresses again and again, and reusing the slot in place saves the
 * update and delete of a hash element per packet. User space removes slots
 * that stay dead. */
enum slot_state {
	SLOT_DEAD = 0,
	SLOT_LIVE = 1,
	SLOT_PENDING = 2,  /* delivered; tcp_probe is expected to follow */
	SLOT_UNREAD = 3,   /* received, but its headers are not in reach yet */
	SLOT_LISTENER = 4, /* at a listener whose accept queue is full */
};

struct hs_slot {
	__u64 last_ns; /* time of the latest stop */
	__u64 prev_ns; /* time of the stop before it */
	__u64 skb;     /* its address */
	__u64 parent;  /* of a parent kept before its end: address of its skb */
	__u32 state;
	__u8 selected;
	__u8 flood;	/* dropped as one of very many alike */
	__u16 protocol; /* of SLOT_UNREAD: skb->protocol */
	struct hs_journey j;
	struct hs_stop stops[HS_MAX_STOPS];
};

/* Where a stop happens. */
struct hs_at {
	__u32 ifindex;
	__u32 netns;
	__u8 point;
	__u8 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* address of the skb */
	__type(value, struct hs_slot);
} hs_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} hs_ring SEC(".maps");

struct hs_counters {
	__u64 n[HS_C_MAX];
	__u64 skb[HS_R_MAX]; /* what each program works on, see live_slot_of */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hs_counters);
} hs_count SEC(".maps");

/* The skb between napi_gro_receive_entry and _exit, which does not name it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hs_gro_current SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct hs_filter_key);
	__type(value, __u8);
} hs_filter SEC(".maps");

struct hs_addr {
	__u8 b[16];
} __attribute__((aligned(4)));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct hs_addr);
	__type(value, __u8); /* enum hs_filter_addr */
} hs_filter_addrs SEC(".maps");

/* Fixed at load time. */
const volatile bool hs_kfree_has_reason = false;   /* since 5.17 */
const volatile bool hs_retransmit_has_err = false; /* since 6.15 */
const volatile bool hs_has_tcp_probe = false;
const volatile bool hs_consume_has_location = false; /* since 6.3 */
const volatile __u32 hs_host_netns = 0;
const volatile __u32 hs_ring_bytes = 1 << 24;
const volatile __u64 hs_slow_ns = 0; /* 0: no journey is slow */

/* kfree_skb without a reason inside this code ends a packet that was
 * processed, not lost: TCP frees what a TIME_WAIT socket has dealt with so. */
#define HS_QUIET 4
struct hs_range {
	__u64 start;
	__u64 end;
};
const volatile struct hs_range hs_quiet[HS_QUIET] = {};
/* NOT_SPECIFIED: 1 in 6.1, 2 in 6.12; 0 where there are no reasons. */
const volatile __u32 hs_no_reason = 0;
const volatile __u32 hs_no_socket = 0;	     /* NO_SOCKET; 0 where there are no reasons */
const volatile __u32 hs_netfilter_drop = 0;  /* NETFILTER_DROP, likewise */
const volatile __u32 hs_listen_drop = 0;     /* a number of our own */
const volatile __u32 hs_listen_overflow = 0; /* TCP_LISTEN_OVERFLOW, or a number of our own */

/* Whether the host's own packets are born at OUTPUT. */
enum nf_out {
	NF_OUT_NEVER = 0,
	NF_OUT_ALWAYS = 1,
	NF_OUT_IF_HOOKED = 2, /* nf_hook_slow runs where the list is not empty */
};

/* Changed while running. */
__u32 hs_births = 0; /* 1: births are taken; set when all is attached */
__u32 hs_sample = 1;
__u32 hs_filtering = 0;
__u32 hs_sweeping = 0;	 /* 1: user space removes slots, see new_slot */
__u32 hs_nf_out[2] = {}; /* IPv4, IPv6: enum nf_out */

/* Children of a packet that was split or copied come no later than that many seconds.
 * User space counts the seconds: a clock would have to be read for every packet. Where
 * it is late, or starts or ends, packets are looked at for longer than they need be. */
#define SPLIT_SECONDS 10
__u32 hs_second = SPLIT_SECONDS;

/* Of NICs alone, which are few: their indexes may lie far apart, where containers have
 * come and gone in between. */
#define NICS 4096

/* Set by the programs. */
__u32 hs_last_split = 0;	/* hs_second of the latest split or copy */
__u8 hs_gro_devices[NICS] = {}; /* by ifindex: reception seen before the stack */
__u64 hs_veth_ops = 0;		/* address of the veth driver's rtnl_link_ops, once seen */

/* How many slots are live, by their packets' addresses: most packets that are
 * not followed are known by it, without a look-up. */
#define LIVE_BUCKETS 4096
__u32 hs_live[LIVE_BUCKETS] = {};

/* A new slot, until its journey is written into it: user space, which removes
 * what is dead, must not find it so. */
static const struct hs_slot hs_fresh_slot = { .state = SLOT_LIVE };
static const struct hs_slot hs_fresh_unread = { .state = SLOT_UNREAD };

/* The verifier follows each side of a branch on its own, up to where another
 * path has been in a state alike: what a branch sets and another one tests
 * doubles what it has to look at. A flag that is computed does not. */
inline_ __u32 nonzero(__u64 v)
{
	__u64 minus = -v;

	barrier_var(minus); /* a compiler would see through it, and branch */
	return (v | minus) >> 63;
}

/* The number that a typed pointer is, which the verifier does not give. */
inline_ __u64 address_of(const void *p)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &p);
	return address;
}

/* Addresses lie at multiples of 4 wherever they are; without that being said,
 * a compiler copies bytes. */
inline_ void copy_addr(void *to, const void *from)
{
	__u32 *t = to;
	const __u32 *f = from;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
	t[3] = f[3];
}

inline_ struct hs_counters *counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&hs_count, &zero);
}

/* Atomic although per CPU: a softirq may interrupt the same CPU's task. */
inline_ void count_by(__u32 which, __u64 n)
{
	struct hs_counters *c = counters();

	if (c && which < HS_C_MAX)
		__sync_fetch_and_add(&c->n[which], n);
}

inline_ void count(__u32 which)
{
	count_by(which, 1);
}

/* Shows that a program runs (enum hs_prog). Not atomic: that a beat is lost
 * where the program was interrupted by itself does no harm. */
inline_ void heartbeat(__u32 prog)
{
	struct hs_counters *c = counters();

	if (c)
		c->n[HS_C_RUNS + prog]++;
}

#endif
