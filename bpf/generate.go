// Package bpf holds the kernel programs, compiled by bpf2go, and the Go types
// of their records.
package bpf

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-19 -strip llvm-strip-19 -go-package bpf -target bpfel -cflags "-O2 -g -Wall -Werror -mcpu=v2 -I/usr/include/x86_64-linux-gnu" -type hs_journey -type hs_stop -type hs_counter -type hs_prog -type hs_point -type hs_ending -type hs_filter_key -type hs_drop_by -type hs_track -type hs_retransmit -type hs_event_kind -type hs_event_flag -type hs_role -type hs_sock -type hs_exchange -type hs_connect -type hs_conn -type hs_filter_kind -type hs_filter_addr -type hs_slot -type hs_stop_flag -type hs_journey_flag -type hs_dns_kind -type hs_dns_message -type slot_state -type conn_phase -type nf_out Hopscope hopscope.bpf.c
