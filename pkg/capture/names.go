package capture

import "github.com/hopscope/hopscope/pkg/model"

// maxNames bounds the table of names: a kernel has some hundred reasons and
// far fewer places that free packets.
const maxNames = 1 << 16

// symbolTable is the stored form of names. Keys are decimal numbers.
type symbolTable struct {
	Reasons map[uint32]string `json:"reasons"`
	Symbols map[uint64]string `json:"symbols"`
}

func newSymbolTable() symbolTable {
	return symbolTable{Reasons: map[uint32]string{}, Symbols: map[uint64]string{}}
}

// names are those of drop reasons and kernel functions that journeys of a
// capture speak of. It implements model.Symbols.
type names struct {
	all   symbolTable
	fresh symbolTable
}

func newNames() *names { return &names{newSymbolTable(), newSymbolTable()} }

// Reason is the name of an enum skb_drop_reason, "" when unknown.
func (n *names) Reason(reason uint32) string { return n.all.Reasons[reason] }

// Symbol is the kernel function around an address, "" when unknown.
func (n *names) Symbol(addr uint64) string { return n.all.Symbols[addr] }

// learn asks for names that are not known yet.
func (n *names) learn(from model.Symbols, reason uint32, addrs ...uint64) {
	if _, known := n.all.Reasons[reason]; !known && len(n.all.Reasons) < maxNames {
		n.all.Reasons[reason] = from.Reason(reason)
		n.fresh.Reasons[reason] = n.all.Reasons[reason]
	}
	for _, addr := range addrs {
		if _, known := n.all.Symbols[addr]; !known && len(n.all.Symbols) < maxNames {
			n.all.Symbols[addr] = from.Symbol(addr)
			n.fresh.Symbols[addr] = n.all.Symbols[addr]
		}
	}
}

// take gives what was learned since it was called last.
func (n *names) take() (fresh symbolTable, any bool) {
	if len(n.fresh.Reasons) == 0 && len(n.fresh.Symbols) == 0 {
		return symbolTable{}, false
	}
	fresh, n.fresh = n.fresh, newSymbolTable()
	return fresh, true
}

// merge takes in a stored table.
func (n *names) merge(t symbolTable) error {
	if len(n.all.Reasons)+len(t.Reasons) > maxNames || len(n.all.Symbols)+len(t.Symbols) > maxNames {
		return errPayload
	}
	for reason, name := range t.Reasons {
		n.all.Reasons[reason] = name
	}
	for addr, name := range t.Symbols {
		n.all.Symbols[addr] = name
	}
	return nil
}
