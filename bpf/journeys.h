/* SPDX-License-Identifier: GPL-2.0 */
/* What to do with the journey of a packet that passes by. */
#ifndef HOPSCOPE_JOURNEYS_H
#define HOPSCOPE_JOURNEYS_H

#include "parents.h"

/* A device that is stacked on another hands the same skb to a second queue in
 * the same namespace, on the same CPU: a VLAN as it is, a tunnel with a header
 * in front. */
inline_ bool stacked(struct hs_slot *slot, const struct hs_at *at, const struct hs_packet *p)
{
	struct hs_stop *l;

	if (!slot || slot->state != SLOT_LIVE)
		return false;
	l = last_stop(slot);
	if (!l || l->point != HS_P_XMIT || l->ifindex == at->ifindex ||
	    l->cpu != (__u16)bpf_get_smp_processor_id())
		return false;
	if (same_packet(&slot->j.sig, &p->sig, false))
		return true;
	if (l->flags & HS_S_TUNNEL)
		take_outer(slot, p);
	return l->flags & HS_S_TUNNEL;
}

inline_ struct hs_slot *pass(struct sk_buff *skb, struct hs_slot *slot, const struct hs_packet *p,
			     const struct hs_at *at)
{
	slot = live_slot(slot, p);
	if (!slot && p->proto != IPPROTO_TCP)
		slot = inherit_copied(skb, p);
	if (slot)
		append_stop(slot, at);
	else
		count(HS_C_UNKNOWN);
	return slot;
}

#endif
