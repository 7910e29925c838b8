package hostcounters

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/model"
)

// The names of nft(8) for priorities, by hook ("STANDARD PRIORITY NAMES").
func TestStageOfAPriority(t *testing.T) {
	const pre, in, forward, out, post = unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_IN, unix.NF_INET_FORWARD, unix.NF_INET_LOCAL_OUT, unix.NF_INET_POST_ROUTING
	for _, c := range []struct {
		hook     uint32
		priority int32
		nat      bool
		want     model.Stage
	}{
		{pre, -400, false, model.StageRaw}, {pre, -300, false, model.StageRaw}, {out, -300, false, model.StageRaw},
		{pre, -150, false, model.StageMangle}, {forward, -150, false, model.StageMangle}, {post, -150, false, model.StageMangle},
		{pre, -100, false, model.StageDNAT}, {out, -100, false, model.StageDNAT}, {pre, -1, false, model.StageDNAT},
		{forward, -100, false, model.StageMangle}, {post, -1, false, model.StageMangle},
		{pre, 0, false, model.StageFilter}, {in, 0, false, model.StageFilter}, {forward, 0, false, model.StageFilter}, {post, 50, false, model.StageFilter},
		{post, 100, false, model.StageSNAT}, {in, 100, false, model.StageSNAT}, {forward, 100, false, model.StageFilter},
		{pre, -300, true, model.StageDNAT}, {out, 0, true, model.StageDNAT}, {post, 0, true, model.StageSNAT}, {in, 0, true, model.StageSNAT},
	} {
		if got := stageAt(c.hook, c.priority, c.nat); got != c.want {
			t.Errorf("hook %d, priority %d, nat %v: %s, want %s", c.hook, c.priority, c.nat, got, c.want)
		}
	}
}

// A chain that another one jumps to is of one stage if its table is one of
// iptables'.
func TestStageOfAChainWithoutHook(t *testing.T) {
	r := ruleReader{stage: map[string]model.Stage{"ip filter FORWARD": model.StageFilter, "inet mine losses": model.StageRaw}}
	for _, c := range []struct {
		family       byte
		table, chain string
		want         model.Stage
	}{
		{unix.NFPROTO_IPV4, "filter", "FORWARD", model.StageFilter},
		{unix.NFPROTO_IPV4, "filter", "DOCKER-USER", model.StageFilter},
		{unix.NFPROTO_IPV6, "raw", "DOCKER", model.StageRaw},
		{unix.NFPROTO_IPV4, "nat", "DOCKER", ""},
		{unix.NFPROTO_INET, "filter", "helper", ""},
		{unix.NFPROTO_INET, "mine", "losses", model.StageRaw},
		{unix.NFPROTO_BRIDGE, "filter", "FORWARD", ""},
	} {
		if got := r.stageOf(chainName(c.family, c.table, c.chain), c.family, c.table); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
