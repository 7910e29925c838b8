/* SPDX-License-Identifier: GPL-2.0 */
/* Whose a socket is. */
#ifndef HOPSCOPE_OWNER_H
#define HOPSCOPE_OWNER_H

#include "kernel.h"
#include "state.h"

inline_ __u64 full_socket_cgroup(const struct sock *sk)
{
	if (bpf_core_field_exists(struct sock_cgroup_data, cgroup))
		return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	struct sock_cgroup_data___val *old = (void *)&sk->sk_cgrp_data;
	struct cgroup *cgroup = (void *)BPF_CORE_READ(old, val);

	return (__u64)cgroup & 1 ? 0 : BPF_CORE_READ(cgroup, kn, id);
}

/* Mini-sockets end before sk_cgrp_data. A request belongs to its listener's
 * cgroup (inet_reqsk_alloc), which a SYN cookie does not know. */
inline_ __u64 cgroup_id(struct sock *sk)
{
	__u8 state;

	if (!sk)
		return 0;
	state = sk->__sk_common.skc_state;
	if (state == TCP_TIME_WAIT)
		return 0;
	if (state == TCP_NEW_SYN_RECV) {
		struct sock *listener = BPF_CORE_READ(sk, __sk_common.skc_listener);

		return listener ? full_socket_cgroup(listener) : 0;
	}
	if (bpf_core_field_exists(struct sock_cgroup_data, cgroup))
		return sk->sk_cgrp_data.cgroup->kn->id;
	return full_socket_cgroup(sk);
}

#endif
