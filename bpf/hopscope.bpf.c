//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 */
/* All programs, by subject: each is thin over the logic in the other headers. */
#include "end_programs.h"
#include "netfilter_programs.h"
#include "receive_programs.h"
#include "send_programs.h"
#include "socket_programs.h"

char __license[] SEC("license") = "GPL";

/* The enums are compiled away; these keep them in BTF for bpf2go. */
const enum hs_point *hs_abi_point __attribute__((unused));
const enum hs_stop_flag *hs_abi_stop_flag __attribute__((unused));
const enum hs_ending *hs_abi_ending __attribute__((unused));
const enum hs_journey_flag *hs_abi_journey_flag __attribute__((unused));
const enum hs_counter *hs_abi_counter __attribute__((unused));
const enum hs_prog *hs_abi_prog __attribute__((unused));
const enum hs_drop_by *hs_abi_drop_by __attribute__((unused));
const enum hs_track *hs_abi_track __attribute__((unused));
const enum hs_retransmit *hs_abi_retransmit __attribute__((unused));
const enum hs_event_kind *hs_abi_event_kind __attribute__((unused));
const enum hs_event_flag *hs_abi_event_flag __attribute__((unused));
const enum hs_role *hs_abi_role __attribute__((unused));
const struct hs_exchange *hs_abi_exchange __attribute__((unused));
const struct hs_connect *hs_abi_connect __attribute__((unused));
const enum hs_filter_kind *hs_abi_filter_kind __attribute__((unused));
const enum hs_filter_addr *hs_abi_filter_addr __attribute__((unused));
const enum hs_dns_kind *hs_abi_dns_kind __attribute__((unused));
const struct hs_dns_message *hs_abi_dns_message __attribute__((unused));
const enum slot_state *hs_abi_slot_state __attribute__((unused));
const enum conn_phase *hs_abi_conn_phase __attribute__((unused));
const enum nf_out *hs_abi_nf_out __attribute__((unused));
