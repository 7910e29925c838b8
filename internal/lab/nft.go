package lab

import (
	"cmp"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// testTable is the lab's own table of nf_tables.
const testTable = "hopscope-lab"

// Chain is where a hook of a namespace runs rules.
type Chain struct {
	Netns    string // path
	Family   string // "ip" (if empty), "bridge", ...
	Type     string // "filter" (if empty), "nat"
	Hook     string // "forward", ...
	Priority int    // NF_IP_PRI_..., 0 is that of filter
}

// DropRuleName is how a rule of [DropRuleAt] is named.
func DropRuleName(family string) string { return family + " " + testTable + " losses rule 1 " }

// DropRule is [DropRuleAt] priority 0, in the namespace at path.
func DropRule(t TB, path, family, hook, match string) (dropped func() uint64) {
	t.Helper()
	return DropRuleAt(t, Chain{Netns: path, Family: family, Hook: hook}, match)
}

// DropRuleAt has a rule in a table of the lab's own drop what match says. The
// kernel counts what it drops. It goes when the test ends.
func DropRuleAt(t TB, at Chain, match string) (dropped func() uint64) {
	t.Helper()
	path := at.Netns
	table := cmp.Or(at.Family, "ip") + " " + testTable
	nft(t, path, fmt.Sprintf("table %s {\n chain losses {\n type %s hook %s priority %d; policy accept;\n %s counter drop\n }\n}\n",
		table, cmp.Or(at.Type, "filter"), at.Hook, at.Priority, match))
	t.Cleanup(func() { nft(t, path, "delete table "+table+"\n") })
	return func() uint64 {
		t.Helper()
		rules := nft(t, path, "list table "+table+"\n")
		m := counterPackets.FindStringSubmatch(rules)
		if m == nil {
			t.Fatalf("no counter in %s", rules)
		}
		n, err := strconv.ParseUint(m[1], 10, 64)
		must(t, err, "counter of %s", rules)
		return n
	}
}

// LongChain has a hook run a chain, "long", of rules of which none matches. It goes
// when the test ends.
func LongChain(t TB, at Chain, rules int) {
	t.Helper()
	table := cmp.Or(at.Family, "ip") + " " + testTable
	nft(t, at.Netns, fmt.Sprintf("table %s {\n chain long {\n type %s hook %s priority %d; policy accept;\n%s }\n}\n",
		table, cmp.Or(at.Type, "filter"), at.Hook, at.Priority, strings.Repeat("  ip saddr 198.51.100.255 drop\n", rules)))
	t.Cleanup(func() { nft(t, at.Netns, "delete table "+table+"\n") })
}

var counterPackets = regexp.MustCompile(`counter packets (\d+)`)

// nft runs nft(8) in the namespace at path.
func nft(t TB, path, script string) string {
	t.Helper()
	var out []byte
	err := InNetns(path, func() (err error) {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(script)
		out, err = cmd.CombinedOutput()
		return err
	})
	must(t, err, "nft: %s", out)
	return string(out)
}
