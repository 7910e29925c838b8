package pipeline

import "github.com/hopscope/hopscope/pkg/probe"

// kernelNames implements model.Symbols from the running kernel. What the
// kernel hides stays unnamed.
type kernelNames struct {
	reasons map[uint32]string
	symbols *probe.Symbols
}

func readKernelNames() *kernelNames {
	k := &kernelNames{symbols: &probe.Symbols{}}
	if r, err := probe.ReadReasons(); err == nil {
		k.reasons = r
	}
	if s, err := probe.ReadSymbols(); err == nil {
		k.symbols = s
	}
	return k
}

func (k *kernelNames) Reason(n uint32) string    { return k.reasons[n] }
func (k *kernelNames) Symbol(addr uint64) string { return k.symbols.Name(addr) }
