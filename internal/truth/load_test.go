package truth

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// Everything is tracked while two containers make 20,000 requests a second,
// each of two packets that cross three namespaces: not one journey is lost, nor
// left out under pressure, in three runs that reach that rate. Under pressure in a
// run of which a hypervisor took some for itself, the cores were not two. Where these
// cores are too slow for the rate, as a shared machine's are on some days, the load is
// all that they make: no less than the share of the untraced rate that tracing leaves.
func TestNoLossAtTwentyThousandRequests(t *testing.T) {
	const runs, tries = 3, 6
	p := sharedPair(t)
	reached := 0
	for try := 1; try <= tries && reached < runs; try++ {
		t.Run(fmt.Sprint(try), func(t *testing.T) {
			if p.manyRequests(t) {
				reached++
			}
		})
	}
	if reached < runs {
		t.Errorf("%d of %d runs reached %d requests/s, or %.0f %% of what goes untraced", reached, tries, requestRate, 100*leftByTracing)
	}
}

const (
	requestRate = 20_000
	// leftByTracing is the least share of the untraced rate at full load: with every packet
	// tracked, docs/performance.md has 0.77, and single runs are far apart.
	leftByTracing = 0.7
)

// manyRequests says whether the client made so many requests a second, and all of
// them were seen.
func (p *pair) manyRequests(t *testing.T) bool {
	t.Helper()
	const paced, seconds, robbed = 20_800, 3, 0.02
	tr := begin(t, pipeline.Options{})
	start, stolen := time.Now(), lab.Stolen(t)
	args := []string{"rr", "--count", fmt.Sprint(paced * seconds), "--rate", fmt.Sprint(paced), "--connections", "16", p.at}
	load := p.client.Run(args...)
	lost := (lab.Stolen(t) - stolen).Seconds() / time.Since(start).Seconds() / float64(runtime.NumCPU())
	r := tr.end()
	wantOK(t, load, paced*seconds)
	r.wantSound(t)
	t.Logf("%.0f requests/s, %d tracked, %d suppressed, %.3f of the CPUs stolen; %v", load.Rate(), r.Counts.Tracked,
		r.Counts.Suppressed, lost, r.Counts.Notes)
	if r.Counts.Suppressed != 0 && lost < robbed {
		t.Errorf("%d journeys suppressed", r.Counts.Suppressed)
	}
	if load.Rate() >= requestRate || r.Counts.Suppressed > 0 {
		return r.Counts.Suppressed == 0
	}
	untraced := p.client.Run(args...)
	t.Logf("%.0f requests/s untraced", untraced.Rate())
	return load.Rate() >= leftByTracing*untraced.Rate()
}
