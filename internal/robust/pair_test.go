package robust

import (
	"testing"
)

// TestWhileTracing does to two containers, to the program that traces them and to
// the host what is done to them in earnest. After each, the containers go on.
func TestWhileTracing(t *testing.T) {
	p := newPair(t)
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"two at once", p.twoAtOnce},
		{"tcpdump beside", p.tcpdumpBeside},
		{"a second tracer", p.secondTracer},
		{"hang up", p.hangUp},
		{"just enough capabilities", p.justEnoughCapabilities},
		{"just enough memory", p.justEnoughMemory},
		{"budget by estimate", p.budgetByEstimate},
		{"hidden symbols", p.hiddenSymbols},
		{"disk full", p.diskFull},
		{"closed stderr", p.closedStderr},
		{"removed between look-up and attach", p.removedMeanwhile},
		{"stopped", p.stopped},
		{"joins", p.joins},
		{"hostile names", p.hostile},
		{"doctor", p.doctor},
		{"doctor elsewhere", p.doctorElsewhere},
		{"doctor inside", p.doctorInside},
		{"links come and go", p.linkChurn},
		{"renamed", p.renamed},
		{"same index", p.sameIndex},
		{"many interfaces", p.manyInterfaces},
		{"containers come and go", p.churnOfTheEngine},
		{"containers without an engine come and go", p.churnWithoutEngine},
		{"in a container", p.inContainer},
		{"completion", p.completion},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(t)
			wantOK(t, p.client.Run("rr", "--count", "20", p.at), 20)
		})
	}
}
