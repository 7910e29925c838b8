package model

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
)

// The stacks are those of Linux 6.18, those without nft_do_chain of kernels
// before 6.9, where nf_hook_slow frees what a hook drops.
func TestStageOfADrop(t *testing.T) {
	const viaNFT = "sk_skb_reason_drop nft_do_chain nft_do_chain_ipv4 nf_hook_slow "
	for name, c := range map[string]struct {
		last      journey.Point
		track     Track
		stack     string
		conntrack bool // counted drops
		hop       journey.HopKind
		stage     Stage
	}{
		"raw rule":                     {journey.PointPreIn, Untracked, viaNFT + "ip_rcv", true, journey.HopPrerouting, "raw"},
		"raw rule, not tracked":        {0, Untracked, viaNFT + "br_nf_pre_routing br_handle_frame", false, journey.HopPrerouting, "raw"},
		"table full":                   {0, Untracked, "kfree_skb_reason nf_hook_slow ip_rcv", true, journey.HopPrerouting, "conntrack"},
		"raw rule of old":              {0, Untracked, "kfree_skb_reason nf_hook_slow ip_rcv", false, journey.HopPrerouting, "raw"},
		"mangle":                       {journey.PointPreIn, Tracked, viaNFT + "ip_rcv", false, journey.HopPrerouting, "mangle"},
		"nat":                          {journey.PointPreIn, Tracked, "nft_do_chain nft_nat_do_chain nf_nat_inet_fn nf_hook_slow", false, journey.HopPrerouting, "dnat"},
		"bridged, split by a compiler": {0, Tracked, viaNFT + "br_nf_forward_ip.part.0 nf_hook_slow __br_forward br_nf_pre_routing_finish br_nf_pre_routing", false, journey.HopForward, "filter"},
		"input":                        {0, Tracked, viaNFT + "ip_local_deliver+0x10", false, journey.HopInput, "filter"},
		"output":                       {0, Tracked, viaNFT + "__ip_local_out", false, journey.HopOutput, "filter"},
		"snat":                         {journey.PointPostIn, Tracked, "nf_nat_inet_fn nf_hook_slow ip_output", false, journey.HopPostrouting, "snat"},
		"confirm":                      {journey.PointPostOut, Tracked, "nf_hook_slow ip_output", false, journey.HopPostrouting, "conntrack"},
		"no stack":                     {0, Tracked, "", false, journey.HopUnknown, ""},
	} {
		stack := functions(strings.Fields(c.stack))
		hook := hookOf(c.last, stack)
		if stage := stageOf(hook, c.last, c.track, stack, c.conntrack); hook != c.hop || stage != c.stage {
			t.Errorf("%s: %v, %q, want %v, %q", name, hook, stage, c.hop, c.stage)
		}
	}
}

func TestRuleIsInferredOnlyWhenItIsTheOnlyOne(t *testing.T) {
	counter := func(name string, n uint64) (CounterKey, uint64) {
		return CounterKey{Kind: CountRuleDrops, Netns: 1, Rule: name}, n
	}
	c := counters{}
	add := func(k CounterKey, n uint64) { c[k] = n }
	add(counter("one", 500))
	add(counter("two", 30))
	add(counter("idle", 0))
	for n, want := range map[uint64]string{500: "one", 503: "one", 520: "", 30: "two", 0: "", 7: ""} {
		if got := c.ruleFor(1, n).name; got != want {
			t.Errorf("%d drops: %q, want %q", n, got, want)
		}
	}
	if got := c.ruleFor(2, 500); got != (rule{}) {
		t.Errorf("a rule of another namespace: %q", got)
	}
	add(counter("alike", 501))
	if got := c.ruleFor(1, 500); got != (rule{}) {
		t.Errorf("two rules moved alike: %q", got)
	}
}

// Two groups that one rule dropped together are told together.
func TestRuleOfSeveralGroups(t *testing.T) {
	c := counters{
		{Kind: CountRuleDrops, Netns: 1, Rule: "one"}:   500,
		{Kind: CountRuleDrops, Netns: 1, Rule: "other"}: 40,
	}
	a := dropName{reason: netfilterDrop, netns: 1, hop: "forward", port: 1}
	b := dropName{reason: netfilterDrop, netns: 1, hop: "forward", port: 2}
	d := dropName{reason: netfilterDrop, netns: 1, hop: "prerouting"}
	got := inferRules(c, map[dropName]dropSum{a: {n: 300}, b: {n: 200}, d: {n: 40}})
	if got[a].name != "one" || got[b].name != "one" || got[d].name != "other" {
		t.Errorf("%v", got)
	}
	got = inferRules(c, map[dropName]dropSum{a: {n: 500}, d: {n: 500}})
	if got[a].name != "" && got[d].name != "" {
		t.Errorf("one rule for what two hooks dropped: %v", got)
	}
}

// Two chains of one stage tell it, two stages do not; what the packet told holds
// where the chains of the hook cannot say more.
func TestStageOfChains(t *testing.T) {
	chain := func(hook string, stage Stage) CounterKey {
		return CounterKey{Kind: CountChains, Netns: 1, Hook: hook, Stage: stage}
	}
	c := counters{
		chain("prerouting", StageRaw): 1, chain("prerouting", StageDNAT): 2,
		chain("forward", StageMangle): 1, chain("forward", StageFilter): 1,
		chain("postrouting", StageSNAT): 1, chain("postrouting", StageFilter): 0, // gone
	}
	byNFT := []string{"sk_skb_reason_drop", "nft_do_chain", "nft_do_chain_ipv4", "nf_hook_slow"}
	for _, x := range []struct {
		netns uint32
		hook  journey.HopKind
		stage Stage
		stack []string
		want  Stage
	}{
		{1, journey.HopPrerouting, StageMangle, byNFT, StageDNAT},
		{1, journey.HopPrerouting, StageRaw, byNFT, StageRaw},
		{1, journey.HopPrerouting, StageConntrack, nil, StageConntrack},
		{1, journey.HopForward, StageFilter, byNFT, ""},
		{1, journey.HopPostrouting, StageMangle, byNFT, StageSNAT},
		{1, journey.HopOutput, StageFilter, byNFT, StageFilter},
		{2, journey.HopPrerouting, StageMangle, byNFT, StageMangle},
		{1, journey.HopPrerouting, StageMangle, []string{"ipt_do_table", "nf_hook_slow"}, StageMangle},
		{1, journey.HopPrerouting, StageMangle, []string{"kfree_skb_reason", "nf_hook_slow"}, StageMangle},
	} {
		if got := c.stageOfChains(x.netns, x.hook, x.stage, x.stack); got != x.want {
			t.Errorf("%+v: %q", x, got)
		}
	}
}

// The stage of a rule that is known is that of its chain, whatever the packet
// told.
func TestStageOfTheRule(t *testing.T) {
	a := New(Limits{})
	a.AddCounters([]CounterCount{{CounterKey{Kind: CountRuleDrops, Netns: hostNS, Rule: "ip nat losses", Stage: StageSNAT}, 7}})
	a.AddDrops(DropCount{
		Reason: 8, Location: 2, Stack: []uint64{2}, Count: 7, Point: journey.PointPostIn, Track: Tracked,
		Place: journey.Place{Netns: hostNS}, Proto: journey.ProtoUDP, Attributed: "journey",
	})
	d := a.Snapshot(shop(), Meta{Symbols: fakeSymbols{}}).Drops[0]
	if d.Stage == nil || *d.Stage != "snat" || d.Rule == nil || *d.Rule != "ip nat losses" {
		t.Errorf("%+v", d)
	}
}

// Rules of a bridge's own family are told from those of IP that br_netfilter has
// run inside of it.
func TestRuleOfABridge(t *testing.T) {
	for stack, want := range map[string]bool{
		"sk_skb_reason_drop nft_do_chain nft_do_chain_bridge nf_hook_slow __br_forward br_handle_frame_finish":                true,
		"sk_skb_reason_drop nft_do_chain nft_do_chain_bridge br_handle_frame __netif_receive_skb_core nf_hook_slow ip_output": true,
		"kfree_skb nf_hook_slow br_forward_finish": true,
		"sk_skb_reason_drop nft_do_chain nft_do_chain_ipv4 nf_hook_slow br_nf_forward_ip nf_hook_slow __br_forward":                     false,
		"kfree_skb nf_hook_slow br_nf_pre_routing nf_hook_slow br_handle_frame":                                                         false,
		"sk_skb_reason_drop nft_do_chain nft_do_chain_ipv4 nf_hook_slow ip_rcv netif_receive_skb br_netif_receive_skb br_pass_frame_up": false,
		"kfree_skb nf_hook_slow": false,
		"":                       false,
	} {
		if got := ofBridge(strings.Fields(stack)); got != want {
			t.Errorf("%s: %v, want %v", stack, got, want)
		}
	}
}

// What frees a packet tells the hop only where it is the innermost function: a
// softirq runs within whatever it interrupted.
func TestFreedIn(t *testing.T) {
	for location, want := range map[string]journey.HopKind{
		"udp_queue_rcv_one_skb+0x120": journey.HopStackRX, "__dev_queue_xmit": journey.HopQdisc,
		"__br_forward.isra.0+4": journey.HopBridge, "ip_rcv_finish_core": journey.HopUnknown, "": journey.HopUnknown, "0xffffffff81000000": journey.HopUnknown,
	} {
		if got := freedIn(location); got != want {
			t.Errorf("%s: %v, want %v", location, got, want)
		}
	}
}
