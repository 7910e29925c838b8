/* SPDX-License-Identifier: GPL-2.0 */
/* Counts of TCP sockets by owner, peer and service. */
#ifndef HOPSCOPE_FLOWS_H
#define HOPSCOPE_FLOWS_H

#include "services.h"

#define AF_INET 2

struct in6_addr {
	__u8 b[16];
} CORE;

struct sock_common___addr {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	possible_net_t skc_net;
	struct {
	} skc_v6_daddr;
	struct {
	} skc_v6_rcv_saddr;
} CORE;

#define BY_FLOW(name, counts)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, 8192);                                                         \
		__type(key, struct hs_flow_key);                                                   \
		__type(value, counts);                                                             \
	} name SEC(".maps")

/* What is counted of a flow, from none on; NULL when the table is full. */
inline_ void *of_flow(void *map, const struct hs_flow_key *key, const void *none)
{
	void *counts = bpf_map_lookup_elem(map, key);

	if (counts)
		return counts;
	bpf_map_update_elem(map, key, none, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

/* ends_of reads the addresses of both ends into 16 zeroed bytes each. */
inline_ void ends_of(__u8 *local, __u8 *remote, const void *common)
{
	const struct sock_common___addr *c = common;

	if (BPF_CORE_READ(c, skc_family) == AF_INET) {
		__be32 l = BPF_CORE_READ(c, skc_rcv_saddr), r = BPF_CORE_READ(c, skc_daddr);

		*(__u16 *)(local + 10) = *(__u16 *)(remote + 10) = 0xffff;
		__builtin_memcpy(local + 12, &l, 4);
		__builtin_memcpy(remote + 12, &r, 4);
	} else {
		bpf_probe_read_kernel(local, 16,
				      __builtin_preserve_access_index(&c->skc_v6_rcv_saddr));
		bpf_probe_read_kernel(remote, 16,
				      __builtin_preserve_access_index(&c->skc_v6_daddr));
	}
}

inline_ void set_service(struct hs_flow_key *key, __u16 local, __u16 remote)
{
	key->server = serves(IPPROTO_TCP, local, remote);
	key->port = key->server ? local : remote;
}

inline_ void flow_of(struct hs_flow_key *key, const void *common)
{
	const struct sock_common___addr *c = common;

	__builtin_memset(key, 0, sizeof(*key));
	key->netns = BPF_CORE_READ(c, skc_net.net, ns.inum);
	set_service(key, BPF_CORE_READ(c, skc_num), bpf_ntohs(BPF_CORE_READ(c, skc_dport)));
	ends_of(key->local, key->remote, common);
}

#endif
