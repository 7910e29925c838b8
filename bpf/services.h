/* SPDX-License-Identifier: GPL-2.0 */
/* Ports at which something answers. */
#ifndef HOPSCOPE_SERVICES_H
#define HOPSCOPE_SERVICES_H

#include "state.h"

/* The ports of clients differ from connection to connection: what is counted is counted
 * by the service's. User space tells those that listen when the trace begins, and what
 * containers publish and expose; a socket that begins to listen, or that accepts, tells
 * its own. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* protocol and port */
	__type(value, __u8);
} hs_services SEC(".maps");

inline_ void learn_service(__u8 proto, __u16 port)
{
	__u32 key = (__u32)proto << 16 | port;
	__u8 yes = 1;

	if (!bpf_map_lookup_elem(&hs_services, &key))
		bpf_map_update_elem(&hs_services, &key, &yes, BPF_ANY);
}

inline_ bool is_service(__u8 proto, __u16 port)
{
	__u32 key = (__u32)proto << 16 | port;

	return bpf_map_lookup_elem(&hs_services, &key);
}

/* serves tells whether `port` is the service's, of the two ports of a packet: the one
 * that is known; the lower one where neither is, or both are. */
inline_ bool serves(__u8 proto, __u16 port, __u16 other)
{
	bool known = is_service(proto, port);

	return known != is_service(proto, other) ? known : port < other;
}

#endif
