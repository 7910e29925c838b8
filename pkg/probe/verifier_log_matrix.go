//go:build matrix

package probe

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/cilium/ebpf"

	"github.com/hopscope/hopscope/bpf"
)

// verifierLog lets the verifier say how much it had to do.
const verifierLog = ebpf.LogLevelStats

// processed is what the verifier says at the end (kernel/bpf/verifier.c,
// print_verification_stats).
var processed = regexp.MustCompile(`processed (\d+) insns`)

// Verified gives the instructions that the verifier processed, by program.
func (p *Probe) Verified() (map[string]int, error) {
	out := make(map[string]int, len(p.coll.Programs))
	for name, program := range p.coll.Programs {
		m := processed.FindStringSubmatch(program.VerifierLog)
		if m == nil {
			return nil, fmt.Errorf("%s: the verifier's log does not say how many instructions it processed: %q", name, program.VerifierLog)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		out[name] = n
	}
	return out, nil
}

// Refusals loads each program alone, so that one refusal does not hide another,
// and gives the verifier's logs whole.
func Refusals(cfg Config) error {
	kernel, err := readKernel()
	if err != nil {
		return err
	}
	spec, err := bpf.LoadHopscope()
	if err != nil {
		return err
	}
	if err := adapt(spec, cfg.withDefaults(), kernel); err != nil {
		return err
	}
	var refused []error
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		alone := spec.Copy()
		maps.DeleteFunc(alone.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
		coll, err := load(alone, kernel)
		if err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", name, err))
			continue
		}
		coll.Close()
	}
	return errors.Join(refused...)
}
