/* SPDX-License-Identifier: GPL-2.0 */
/* What user space wants to see: containers, by namespace, cgroup and address. */
#ifndef HOPSCOPE_FILTER_H
#define HOPSCOPE_FILTER_H

#include "state.h"

inline_ bool filter_has(__u32 kind, __u64 id)
{
	struct hs_filter_key key = { .id = id, .kind = kind };

	return bpf_map_lookup_elem(&hs_filter, &key) != NULL;
}

/* One half of an address; it lies at a multiple of 4. */
inline_ __u64 half(const __u8 *addr, __u32 which)
{
	const __u32 *words = (const __u32 *)addr + 2 * which;

	return (__u64)words[1] << 32 | words[0];
}

alone_ int hs_look_addr(__u64 first, __u64 second)
{
	__u64 key[2] = { first, second };
	__u8 *v = bpf_map_lookup_elem(&hs_filter_addrs, key);

	return v ? *v : 0;
}

alone_ int hs_selected_end(__u64 netns, __u64 cgroup, __u64 first, __u64 second)
{
	return filter_has(HS_F_NETNS, netns) || (cgroup && filter_has(HS_F_CGROUP, cgroup)) ||
	       hs_look_addr(first, second) == HS_A_SELECTED;
}

/* enum hs_filter_addr, 0 for an address of no container. */
inline_ int filter_addr(const __u8 *addr)
{
	return hs_look_addr(half(addr, 0), half(addr, 1));
}

inline_ bool selected_end(__u32 netns, __u64 cgroup, const __u8 *addr)
{
	return hs_selected_end(netns, cgroup, half(addr, 0), half(addr, 1));
}

#endif
