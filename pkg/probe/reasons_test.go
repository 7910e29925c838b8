package probe

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

// Reasons have the running kernel's names, those of a subsystem its name.
func TestReasonsAreNamed(t *testing.T) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	k := kernelFacts{reasons: readReasons(spec), subsystems: readSubsystems(spec)}
	if k.reasons == nil {
		t.Log("this kernel tells no reasons")
		return
	}
	for _, name := range []string{"NETFILTER_DROP", "NO_SOCKET", "NOT_SPECIFIED"} {
		if n := k.reason(name); n == 0 || k.reasonName(n) != name {
			t.Errorf("reason %d is called %q, want %s", n, k.reasonName(n), name)
		}
	}
	if k.subsystems == nil {
		return // before 6.4
	}
	for n, name := range k.subsystems {
		if name == "OPENVSWITCH" {
			if got := k.reasonName(n<<16 | 4); got != "OPENVSWITCH_4" {
				t.Errorf("a reason of Open vSwitch is called %q", got)
			}
			return
		}
	}
	t.Errorf("no Open vSwitch in %v", k.subsystems)
}
