/* SPDX-License-Identifier: GPL-2.0 */
/* The programs at the trace points of TCP sockets. */
#ifndef HOPSCOPE_SOCKET_PROGRAMS_H
#define HOPSCOPE_SOCKET_PROGRAMS_H

#include "connects.h"
#include "resets.h"
#include "retransmits.h"

SEC("tp_btf/tcp_retransmit_skb")
int hs_tcp_retransmit_skb(__u64 *ctx)
{
	int err = 0;

	heartbeat(HS_R_RETRANSMIT);
	if (hs_retransmit_has_err)
		err = ctx[2];
	if (err != -EBUSY)
		count_retransmit((void *)ctx[0], (void *)ctx[1]);
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int hs_tcp_retransmit_synack(__u64 *ctx)
{
	heartbeat(HS_R_RETRANSMIT);
	count_synack((void *)ctx[0], (void *)ctx[1]);
	return 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int hs_tcp_rcv_space_adjust(__u64 *ctx)
{
	heartbeat(HS_R_SPACE_ADJUST);
	read_by_task((void *)ctx[0]);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int hs_inet_sock_set_state(__u64 *ctx)
{
	heartbeat(HS_R_SOCK_STATE);
	state_changes((void *)ctx[0], ctx[1], ctx[2]);
	return 0;
}

/* The kernel leaves a program out where it runs already on the same CPU
 * (bpf_prog.active): where a softirq has interrupted it, or, since tracepoints
 * may be preempted, another task has. A connect would then be missing in the
 * count; so there is a second one, which makes up for it. */
SEC("tp_btf/inet_sock_set_state")
int hs_inet_sock_set_state_again(__u64 *ctx)
{
	state_changes((void *)ctx[0], ctx[1], ctx[2]);
	return 0;
}

/* What inet_csk_accept returns stands behind its parameters, of which there are
 * fewer since 6.10. There is no tracepoint at accept(2). */
const volatile __u32 hs_accept_params = 0;

SEC("fexit/inet_csk_accept")
int hs_accept_fexit(__u64 *ctx)
{
	struct sock *sk = NULL;

	/* The barriers keep the compiler from computing an address in the context,
	 * which the verifier refuses. */
	if (hs_accept_params == 2) {
		sk = (void *)ctx[2];
		barrier_var(sk);
	} else if (hs_accept_params == 4) {
		sk = (void *)ctx[4];
		barrier_var(sk);
	}
	if (sk && hs_births)
		accepted(sk);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int hs_tcp_destroy_sock(__u64 *ctx)
{
	heartbeat(HS_R_DESTROY_SOCK);
	closed((void *)ctx[0]);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int hs_tcp_send_reset(__u64 *ctx)
{
	heartbeat(HS_R_SEND_RESET);
	count_sent_reset((void *)ctx[0], (void *)ctx[1]);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int hs_tcp_receive_reset(__u64 *ctx)
{
	heartbeat(HS_R_RECEIVE_RESET);
	count_socket_reset((void *)ctx[0], true);
	return 0;
}

#endif
