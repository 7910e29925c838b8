package probe

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/hopscope/hopscope/bpf"
)

// Counts is the kernel side's accounting, summed over CPUs:
// Tracked = Completed() + InFlight + sum(Lost), and
// Completed() = Emitted + Suppressed + Filtered.
type Counts struct {
	Tracked    uint64
	Endings    map[string]uint64 // delivered, dropped, left, segmented, gro_merged, rebuilt, consumed, reassembled
	Emitted    uint64
	Suppressed uint64            // the ring was under pressure
	Filtered   uint64            // not of a selected container
	InFlight   uint64            // by walking the slots
	Lost       map[string]uint64 // evicted, mismatched, timed_out, ring_full, map_full
	Notes      map[string]uint64 // no losses of tracked journeys, but worth knowing
	Runs       map[string]uint64 // heartbeat: how often each program ran
}

// Completed is the sum of all endings.
func (c Counts) Completed() uint64 { return sum(c.Endings) }

// LostTotal is the sum of all losses.
func (c Counts) LostTotal() uint64 { return sum(c.Lost) }

func sum(m map[string]uint64) uint64 {
	var n uint64
	for _, v := range m {
		n += v
	}
	return n
}

type counterName struct {
	name  string
	index bpf.HopscopeHsCounter
}

var lossCounters = []counterName{
	{"evicted", bpf.HopscopeHsCounterHS_C_EVICTED},
	{"mismatched", bpf.HopscopeHsCounterHS_C_MISMATCHED},
	{"timed_out", bpf.HopscopeHsCounterHS_C_TIMED_OUT},
	{"ring_full", bpf.HopscopeHsCounterHS_C_RING_FULL},
	{"map_full", bpf.HopscopeHsCounterHS_C_MAP_FULL},
}

var noteCounters = []counterName{
	{"truncated", bpf.HopscopeHsCounterHS_C_TRUNCATED},
	{"clock_backward", bpf.HopscopeHsCounterHS_C_BACKWARD},
	{"unsampled", bpf.HopscopeHsCounterHS_C_UNSAMPLED},
	{"unknown_stops", bpf.HopscopeHsCounterHS_C_UNKNOWN},
	{"orphaned_segments", bpf.HopscopeHsCounterHS_C_ORPHANED},
	{"unweighted", bpf.HopscopeHsCounterHS_C_UNWEIGHTED},
	{"unread_headers", bpf.HopscopeHsCounterHS_C_UNREAD},
	{"drops", bpf.HopscopeHsCounterHS_C_DROPS},
	{"drops_ungrouped", bpf.HopscopeHsCounterHS_C_DROPS_OTHER},
	{"retransmits_ungrouped", bpf.HopscopeHsCounterHS_C_RETRANSMITS_OTHER},
	{"events", bpf.HopscopeHsCounterHS_C_EVENTS},
	{"events_lost", bpf.HopscopeHsCounterHS_C_EVENTS_LOST},
	{"exchanges_unsampled", bpf.HopscopeHsCounterHS_C_EVENTS_UNSAMPLED},
	{"events_filtered", bpf.HopscopeHsCounterHS_C_EVENTS_FILTERED},
	{"sockets_untracked", bpf.HopscopeHsCounterHS_C_SOCKETS_OTHER},
	{"resets_ungrouped", bpf.HopscopeHsCounterHS_C_RESETS_OTHER},
	{"dns_queries", bpf.HopscopeHsCounterHS_C_DNS_QUERIES},
	{"dns_answers", bpf.HopscopeHsCounterHS_C_DNS_ANSWERS},
	{"dns_unread", bpf.HopscopeHsCounterHS_C_DNS_UNREAD},
	{"dns_ring_full", bpf.HopscopeHsCounterHS_C_DNS_RING_FULL},
}

var endingCounters = []counterName{
	{"delivered", endingCounter(bpf.HopscopeHsEndingHS_E_DELIVERED)},
	{"dropped", endingCounter(bpf.HopscopeHsEndingHS_E_DROPPED)},
	{"left", endingCounter(bpf.HopscopeHsEndingHS_E_LEFT)},
	{"segmented", endingCounter(bpf.HopscopeHsEndingHS_E_SEGMENTED)},
	{"gro_merged", endingCounter(bpf.HopscopeHsEndingHS_E_GRO_MERGED)},
	{"rebuilt", endingCounter(bpf.HopscopeHsEndingHS_E_REBUILT)},
	{"consumed", endingCounter(bpf.HopscopeHsEndingHS_E_CONSUMED)},
	{"reassembled", endingCounter(bpf.HopscopeHsEndingHS_E_REASSEMBLED)},
}

func endingCounter(e bpf.HopscopeHsEnding) bpf.HopscopeHsCounter {
	return bpf.HopscopeHsCounterHS_C_ENDING + bpf.HopscopeHsCounter(e)
}

func runCounter(r bpf.HopscopeHsProg) bpf.HopscopeHsCounter {
	return bpf.HopscopeHsCounterHS_C_RUNS + bpf.HopscopeHsCounter(r)
}

var runCounters = []counterName{
	{"net_dev_queue", runCounter(bpf.HopscopeHsProgHS_R_QUEUE)},
	{"net_dev_start_xmit", runCounter(bpf.HopscopeHsProgHS_R_XMIT)},
	{"netif_rx", runCounter(bpf.HopscopeHsProgHS_R_NETIF_RX)},
	{"netif_receive_skb", runCounter(bpf.HopscopeHsProgHS_R_RECEIVE)},
	{"napi_gro_receive_entry", runCounter(bpf.HopscopeHsProgHS_R_GRO_ENTRY)},
	{"napi_gro_receive_exit", runCounter(bpf.HopscopeHsProgHS_R_GRO_EXIT)},
	{"cgroup_skb/ingress", runCounter(bpf.HopscopeHsProgHS_R_DELIVER)},
	{"tcp_probe", runCounter(bpf.HopscopeHsProgHS_R_TCP_PROBE)},
	{"kfree_skb", runCounter(bpf.HopscopeHsProgHS_R_KFREE)},
	{"consume_skb", runCounter(bpf.HopscopeHsProgHS_R_CONSUME)},
	{"netfilter", runCounter(bpf.HopscopeHsProgHS_R_NF)},
	{"tcp_retransmit", runCounter(bpf.HopscopeHsProgHS_R_RETRANSMIT)},
	{"tcp_rcv_space_adjust", runCounter(bpf.HopscopeHsProgHS_R_SPACE_ADJUST)},
	{"inet_sock_set_state", runCounter(bpf.HopscopeHsProgHS_R_SOCK_STATE)},
	{"tcp_destroy_sock", runCounter(bpf.HopscopeHsProgHS_R_DESTROY_SOCK)},
	{"tcp_send_reset", runCounter(bpf.HopscopeHsProgHS_R_SEND_RESET)},
	{"tcp_receive_reset", runCounter(bpf.HopscopeHsProgHS_R_RECEIVE_RESET)},
}

// Counts reads the accounting. The parts are read one after the other: while
// packets flow, the sums hold up to those that moved meanwhile.
func (p *Probe) Counts() (Counts, error) {
	inFlight, err := p.sweep.inFlight()
	if err != nil {
		return Counts{}, err
	}
	total, err := p.totals()
	if err != nil {
		return Counts{}, err
	}
	pick := func(names []counterName) map[string]uint64 {
		m := make(map[string]uint64, len(names))
		for _, n := range names {
			m[n.name] = total[n.index]
		}
		return m
	}
	c := Counts{
		Tracked:    total[bpf.HopscopeHsCounterHS_C_TRACKED],
		Emitted:    total[bpf.HopscopeHsCounterHS_C_EMITTED],
		Suppressed: total[bpf.HopscopeHsCounterHS_C_SUPPRESSED],
		Filtered:   total[bpf.HopscopeHsCounterHS_C_FILTERED],
		Endings:    pick(endingCounters),
		Lost:       pick(lossCounters),
		Notes:      pick(noteCounters),
		Runs:       pick(runCounters),
		InFlight:   inFlight,
	}
	c.Notes["exchanges_reopened"] = p.conns.reopened.Load()
	c.Notes["exchanges_open"] = p.conns.open.Load()
	c.Notes["missed_runs"] = missedRuns(p.coll.Programs)
	return c, nil
}

// totals sums every counter over the CPUs and the sweeper.
func (p *Probe) totals() ([counterMax]uint64, error) {
	total := p.sweep.counted()
	var perCPU []bpf.HopscopeHsCounters
	if err := p.coll.Maps["hs_count"].Lookup(uint32(0), &perCPU); err != nil {
		return total, fmt.Errorf("read the counters: %w", err)
	}
	for _, c := range perCPU {
		for i, v := range c.N {
			total[i] += v
		}
	}
	return total, nil
}

// missedRuns counts invocations that the kernel left out because the program
// was running on that CPU already (bpf_prog_info.recursion_misses).
func missedRuns(progs map[string]*ebpf.Program) uint64 {
	var n uint64
	for _, prog := range progs {
		if st, err := prog.Stats(); err == nil {
			n += st.RecursionMisses
		}
	}
	return n
}
