package truth

import (
	"fmt"
	"testing"

	"github.com/hopscope/hopscope/pkg/pipeline"
)

// Everything is tracked while two containers make 20,000 requests a second,
// each of two packets that cross three namespaces; not one record is lost, nor
// left out under pressure.
func TestNoLossAtTwentyThousandRequests(t *testing.T) {
	const rate, seconds = 20_000, 3
	p := newPair(t)
	for run := range 3 {
		t.Run(fmt.Sprint(run+1), func(t *testing.T) {
			tr := begin(t, pipeline.Options{})
			load := p.client.Run("rr", "--count", fmt.Sprint(rate*seconds), "--rate", fmt.Sprint(rate),
				"--connections", "16", p.at)
			r := tr.end()
			wantOK(t, load, rate*seconds)
			r.wantSound(t)
			t.Logf("%.0f requests/s, %d tracked, %d suppressed; %v", load.Rate(), r.counts.Tracked, r.counts.Suppressed, r.counts.Notes)
			if r.counts.Suppressed != 0 {
				t.Errorf("%d journeys suppressed", r.counts.Suppressed)
			}
			if load.Rate() < 0.98*rate {
				t.Errorf("the traffic program made %.0f requests/s of %d: this machine is too slow or too busy", load.Rate(), rate)
			}
		})
	}
}
