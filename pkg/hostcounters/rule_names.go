package hostcounters

import (
	"fmt"

	"github.com/hopscope/hopscope/pkg/model"
)

const (
	maxRules     = 1024 // how many dropping rules of one namespace one reading has
	maxRuleNames = 4096 // how many are followed as long as a namespace is
)

// ruleID tells a rule from those that stand beside it or come later: its place
// changes whenever a rule is inserted above, as Docker does.
type ruleID struct {
	chain string
	rule  string // handle of nf_tables; of iptables-legacy, which has none, what it says
}

// ruleCount is what a rule dropped.
type ruleCount struct {
	ruleID
	name    string // with its place now
	stage   model.Stage
	packets uint64
}

// ruleNames keeps the name under which each rule of a namespace was seen first,
// so that it has one counter wherever it moves. No two have one name.
type ruleNames struct {
	names map[ruleID]string
	taken map[string]bool
}

func newRuleNames() ruleNames { return ruleNames{map[ruleID]string{}, map[string]bool{}} }

// add puts rules into a reading. Those of a chain that say the same are one.
func (n ruleNames) add(out reading, netns uint32, rules []ruleCount) {
	for _, r := range rules {
		if name, ok := n.name(r); ok {
			out[model.CounterKey{Kind: model.CountRuleDrops, Netns: netns, Rule: name, Stage: r.stage}] += r.packets
		}
	}
}

// name is false for a rule beyond the limit.
func (n ruleNames) name(r ruleCount) (string, bool) {
	if name, ok := n.names[r.ruleID]; ok {
		return name, true
	}
	if len(n.names) >= maxRuleNames {
		return "", false
	}
	name := r.name
	for i := 2; n.taken[name]; i++ { // by one that stood there before
		name = fmt.Sprintf("%s #%d", r.name, i)
	}
	n.names[r.ruleID], n.taken[name] = name, true
	return name, true
}
