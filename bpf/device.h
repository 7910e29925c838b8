/* SPDX-License-Identifier: GPL-2.0 */
/* What a device is, as far as it decides what a packet does there. */
#ifndef HOPSCOPE_DEVICE_H
#define HOPSCOPE_DEVICE_H

#include "packet.h"

inline_ bool physical(struct net_device *dev)
{
	return !dev->rtnl_link_ops && !(dev->flags & IFF_LOOPBACK);
}

inline_ __u8 device_flags(struct net_device *dev)
{
	__u64 priv = BPF_CORE_READ_BITFIELD(dev, priv_flags);
	__u64 bridge = priv & bpf_core_enum_value(enum netdev_priv_flags, IFF_EBRIDGE);
	__u64 port = priv & bpf_core_enum_value(enum netdev_priv_flags, IFF_BRIDGE_PORT);
	__u32 flags = nonzero(bridge) * HS_S_BRIDGE | nonzero(port) * HS_S_PORT;

	if (physical(dev))
		flags |= HS_S_PHYS;
	return flags;
}

/* The first four letters of `ip link`'s type. */
#define KIND(a, b, c, d) ((__u32)(a) | (b) << 8 | (c) << 16 | (d) << 24)

inline_ __u32 device_kind(struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;
	__u32 kind = 0;

	if (ops)
		bpf_probe_read_kernel(&kind, sizeof(kind), ops->kind);
	return kind;
}

/* Most devices are veths: their driver is known by its address once it was seen. */
inline_ bool is_veth(struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;

	if (hs_veth_ops && (__u64)ops == hs_veth_ops)
		return true;
	if (device_kind(dev) != KIND('v', 'e', 't', 'h'))
		return false;
	hs_veth_ops = (__u64)ops;
	return true;
}

inline_ bool is_tunnel(struct net_device *dev)
{
	__u32 kind = device_kind(dev);

	return kind == KIND('v', 'x', 'l', 'a') || kind == KIND('g', 'e', 'n', 'e') ||
	       kind == KIND('g', 'r', 'e', 0) || kind == KIND('g', 'r', 'e', 't');
}

inline_ void at_device(struct hs_at *at, __u8 point, struct net_device *dev, struct sk_buff *skb)
{
	at->point = point;
	at->ifindex = dev->ifindex;
	at->netns = dev->nd_net.net->ns.inum;
	at->flags = device_flags(dev) | encapsulated(skb) * HS_S_ENCAP;
}

#endif
