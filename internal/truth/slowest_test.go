package truth

import (
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/pipeline"
)

// The server is stopped twice while requests come: these are the two slowest
// exchanges, of the time for which it stood still, at the moment at which it
// did, and by the server's fault.
func TestSlowestExchangesAreThoseOfTheStops(t *testing.T) {
	p := sharedPair(t)
	tr := begin(t, pipeline.Options{})
	load := p.during(t, 20, "rr", "--count", "300", "--rate", "100", p.at)
	type stop struct {
		begin time.Time
		took  time.Duration
	}
	var stops []stop
	for _, d := range []time.Duration{400 * time.Millisecond, 800 * time.Millisecond} {
		s := stop{begin: time.Now()}
		signal(t, p.web.PID, syscall.SIGSTOP)
		time.Sleep(d)
		signal(t, p.web.PID, syscall.SIGCONT)
		s.took = time.Since(s.begin)
		stops = append([]stop{s}, stops...) // the longer one first
		time.Sleep(300 * time.Millisecond)
	}
	run := load.Wait()
	wantOK(t, run, 300)
	x := tr.end().exchangesOf(t, p.client.Name, p.web.Name)
	if len(x.Slowest) != 3 || x.Slowest[0].TotalNs != *x.Total.MaxNs {
		t.Fatalf("the slowest of %v: %+v", time.Duration(*x.Total.MaxNs), x.Slowest)
	}
	if got, want := x.Slowest[0].TotalNs, run.Latency.MaxNs; float64(got) < 0.97*float64(want) || float64(got) > 1.03*float64(want) {
		t.Errorf("the slowest took %v, the client measured %v", time.Duration(got), time.Duration(want))
	}
	for i, s := range stops {
		slow := &x.Slowest[i]
		t.Logf("stopped %s for %v: %s at %s: %s", s.begin.Format(time.StampMilli), s.took,
			time.Duration(slow.TotalNs), slow.At.Local().Format(time.StampMilli), slow.Split())
		const slack = 100 * time.Millisecond // till the next request, and till the server runs again
		if took := time.Duration(slow.TotalNs); took < s.took-slack || took > s.took+slack {
			t.Errorf("number %d took %v, the server was stopped for %v", i, took, s.took)
		}
		if late := slow.At.Sub(s.begin); late < -slack || late > slack {
			t.Errorf("number %d began %v after the stop", i, late)
		}
		var sum, servers int64
		for _, part := range slow.Parts {
			sum += part.Ns
			if part.Where == p.web.Name {
				servers += part.Ns
			}
		}
		if sum != slow.TotalNs || float64(servers) < 0.95*float64(sum) {
			t.Errorf("the parts of number %d sum to %d of %d, the server's to %d: %+v", i, sum, slow.TotalNs, servers, slow.Parts)
		}
	}
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("%v to %d: %v", s, pid, err)
	}
}
