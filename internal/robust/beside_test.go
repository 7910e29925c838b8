package robust

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Two traces at once take neighbouring priorities at netfilter's hooks, and
// each tells the same.
func TestTwoAtOnce(t *testing.T) {
	p := newPair(t)
	args := []string{"trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name}
	one, two := begin(t, args...), begin(t, args...)
	one.says(t, "tracing "+p.web.Name)
	two.says(t, "tracing "+p.web.Name)
	time.Sleep(200 * time.Millisecond)
	wantOK(t, p.client.Run("rr", "--count", "500", "--rate", "1000", p.at), 500)
	var tracked [2]uint64
	for i, s := range []*started{one, two} {
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		o := s.wait(t)
		o.wantDone(t)
		sum := parse(t, o.stdout)
		sum.wantBalanced(t)
		for _, path := range sum.Paths {
			if path.To.Name == p.web.Name || path.From.Name == p.web.Name {
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
func TestTcpdumpBeside(t *testing.T) {
	p := newPair(t)
	dump := exec.Command("tcpdump", "-i", "any", "-w", "/dev/null", "-U")
	if err := dump.Start(); err != nil {
		t.Fatalf("tcpdump (scripts/setup.sh engine installs it): %v", err)
	}
	t.Cleanup(func() {
		_ = dump.Process.Signal(os.Interrupt)
		_ = dump.Wait()
	})
	s := begin(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.web.Name)
	s.says(t, "tracing ")
	time.Sleep(300 * time.Millisecond)
	wantOK(t, p.client.Run("rr", "--count", "500", "--rate", "1000", p.at), 500)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	o := s.wait(t)
	o.wantDone(t)
	sum := parse(t, o.stdout)
	sum.wantBalanced(t)
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

// A terminal that is closed ends the trace as Ctrl-C does: the file is whole.
func TestHangUp(t *testing.T) {
	p := newPair(t)
	s := begin(t, "trace", "--output", "x.hop", "--sample", "1", "--container", p.web.Name)
	s.says(t, "tracing ")
	time.Sleep(300 * time.Millisecond)
	wantOK(t, p.client.Run("rr", "--count", "100", p.at), 100)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.wait(t).wantDone(t, "saved")
	o := run(t, "report", s.cmd.Dir+"/x.hop")
	o.wantDone(t)
	if o.stderr != "" {
		t.Errorf("the capture is not whole: %s", o.stderr)
	}
}
