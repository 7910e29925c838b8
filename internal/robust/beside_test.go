package robust

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab/program"
)

// Two traces at once take neighbouring priorities at netfilter's hooks, and
// each tells the same.
func (p *pair) twoAtOnce(t *testing.T) {
	args := []string{"trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name}
	one, two := program.Start(t, args...), program.Start(t, args...)
	one.Says(t, "tracing "+p.web.Name)
	two.Says(t, "tracing "+p.web.Name)
	time.Sleep(200 * time.Millisecond)
	wantOK(t, p.client.Run("rr", "--count", "500", "--rate", "1000", p.at), 500)
	p.settledSegments(t) // or one of them ends before the last acknowledgement
	var tracked [2]uint64
	for i, s := range []*program.Running{one, two} {
		sum := summaryOf(t, s)
		for _, path := range sum.Paths {
			// What the kernel says by itself, as neighbour discovery does, may fall between the two starts.
			if path.Proto == "tcp" && (path.To.Name == p.web.Name || path.From.Name == p.web.Name) {
				tracked[i] += path.Journeys
			}
		}
	}
	if tracked[0] < 1000 || tracked[0] != tracked[1] {
		t.Errorf("%d and %d journeys of web, want the same and at least 1000", tracked[0], tracked[1])
	}
}

// A packet socket at the same devices takes clones of each packet, which must
// be neither packets of their own nor drops.
func (p *pair) tcpdumpBeside(t *testing.T) {
	dump := exec.Command("tcpdump", "-i", "any", "-w", "/dev/null", "-U")
	if err := dump.Start(); err != nil {
		t.Fatalf("tcpdump (scripts/setup.sh engine installs it): %v", err)
	}
	t.Cleanup(func() {
		_ = dump.Process.Signal(os.Interrupt)
		_ = dump.Wait()
	})
	s := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	s.Tracing(t)
	time.Sleep(300 * time.Millisecond)
	wantOK(t, p.client.Run("rr", "--count", "500", "--rate", "1000", p.at), 500)
	sum := summaryOf(t, s)
	var journeys uint64
	for _, path := range sum.Paths {
		journeys += path.Journeys
	}
	if journeys < 1000 || journeys > 1100 {
		t.Errorf("%d journeys of 500 requests", journeys)
	}
	for cause, n := range sum.Accounting.Lost {
		if n > 0 {
			t.Errorf("%s: %d lost", cause, n)
		}
	}
}

// A terminal that is closed ends the trace as Ctrl-C does: the file is whole, though
// it came to no more than 200 packets a second, for which the ring wakes nobody up.
func (p *pair) hangUp(t *testing.T) {
	s := program.Start(t, "trace", "--output", "x.hop", "--sample", "1", "--container", p.web.Name)
	s.Tracing(t)
	wantOK(t, p.client.Run("rr", "--count", "100", "--rate", "100", p.at), 100)
	if err := s.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.Wait(t).WantDone(t, "saved")
	o := program.Run(t, "report", s.Cmd.Dir+"/x.hop", "--format", "json")
	o.WantDone(t)
	if o.Stderr != "" {
		t.Errorf("the capture is not whole: %s", o.Stderr)
	}
	sum := parse(t, o.Stdout)
	sum.wantWay(t, p.client.Name, p.web.Name, 100)
	sum.wantWay(t, p.web.Name, p.client.Name, 100)
	sum.wantNoLoss(t)
}
