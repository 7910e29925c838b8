//go:build matrix

package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/hopscope/hopscope/bpf"
)

// processed is what the verifier says at the end (kernel/bpf/verifier.c,
// print_verification_stats).
var processed = regexp.MustCompile(`processed (\d+) insns`)

// What this kernel offers and what its verifier says are recorded as attributes
// of the tests. The kernel is read once: that takes seconds in an emulator.
func TestMatrixKernel(t *testing.T) {
	k, err := readKernel()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("capabilities", func(t *testing.T) { recordCapabilities(t, k.capabilities()) })
	t.Run("programs", func(t *testing.T) { loadPrograms(t, k) })
}

func recordCapabilities(t *testing.T, caps []Capability) {
	for i, c := range caps {
		t.Logf("%-32s %-5v essential %-5v lost: %s", c.Name, c.Available, c.Essential, c.Lost)
		value, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Attr(fmt.Sprintf("capability_%02d", i), string(value))
		if c.Essential && !c.Available {
			t.Errorf("%s is essential and not there", c.Name)
		}
	}
}

func loadPrograms(t *testing.T, k kernelFacts) {
	spec, err := bpf.LoadHopscope()
	if err != nil {
		t.Fatal(err)
	}
	if err := rlimit.RemoveMemlock(); err != nil { // before 5.11
		t.Fatal(err)
	}
	all := len(spec.Programs)
	if err := adapt(spec, Config{RingBytes: 1 << 20, Slots: 64, Sockets: 64}.withDefaults(), k); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d programs apply", len(spec.Programs), all)
	names := slices.Sorted(maps.Keys(spec.Programs))
	coll, err := loadWithStats(spec.Copy(), k)
	if err == nil {
		defer coll.Close()
		for _, name := range names {
			recordInstructions(t, name, coll.Programs[name].VerifierLog)
		}
		return
	}
	// Each alone, so that one refusal does not hide another.
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			alone := spec.Copy()
			maps.DeleteFunc(alone.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
			coll, err := loadWithStats(alone, k)
			if err != nil {
				t.Fatalf("refused:\n%+v", err)
			}
			coll.Close()
		})
	}
	t.Fatalf("the programs cannot be loaded together: %v", err)
}

// loadWithStats gives a verifier's refusal as such, to be printed whole.
func loadWithStats(spec *ebpf.CollectionSpec, k kernelFacts) (*ebpf.Collection, error) {
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Cache:    k.types,
		Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats},
	})
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		return nil, verifier
	}
	return coll, err
}

func recordInstructions(t *testing.T, name, log string) {
	t.Helper()
	m := processed.FindStringSubmatch(log)
	if m == nil {
		t.Fatalf("%s: the verifier's log does not say how many instructions it processed: %q", name, log)
	}
	t.Logf("%-28s %s instructions verified", name, m[1])
	t.Attr("instructions_"+name, m[1])
}
