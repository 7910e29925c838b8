//go:build matrix

package probe

import (
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

// Each program is loaded alone, so that one refusal does not hide another, and
// the verifier's effort is recorded as an attribute of the test.
func TestMatrixPrograms(t *testing.T) {
	k, err := readKernel()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := bpf.LoadHopscope()
	if err != nil {
		t.Fatal(err)
	}
	if err := rlimit.RemoveMemlock(); err != nil { // before 5.11
		t.Fatal(err)
	}
	all := len(spec.Programs)
	if err := adapt(spec, Config{}.withDefaults(), k); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d programs apply", len(spec.Programs), all)
	spec.Maps["hs_ring"].MaxEntries = 1 << 20
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		t.Run(name, func(t *testing.T) { loadAlone(t, spec.Copy(), name, k) })
	}
}

func loadAlone(t *testing.T, spec *ebpf.CollectionSpec, name string, k kernelFacts) {
	maps.DeleteFunc(spec.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Cache:    k.types,
		Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats},
	})
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		t.Fatalf("refused:\n%+v", verifier)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer coll.Close()
	m := processed.FindStringSubmatch(coll.Programs[name].VerifierLog)
	if m == nil {
		t.Fatalf("the verifier's log does not say how many instructions it processed: %q", coll.Programs[name].VerifierLog)
	}
	t.Attr("verified_instructions", m[1])
}

// The capability table is recorded as attributes of the test.
func TestMatrixCapabilities(t *testing.T) {
	caps, err := Capabilities()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range caps {
		t.Logf("%-32s %-5v essential %-5v lost: %s", c.Name, c.Available, c.Essential, c.Lost)
		t.Attr(fmt.Sprintf("capability_%02d", i), fmt.Sprintf("%s\t%v", c.Name, c.Available))
		if c.Essential && !c.Available {
			t.Errorf("%s is essential and not there", c.Name)
		}
	}
}
