package truth

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// A container that its CPU limit holds back is told as such, for as long as the
// engine says; so is the time in which it had to wait for a CPU.
func TestContainerThatLacksCPU(t *testing.T) {
	p := sharedPair(t)
	hungry := p.shop.Container(lab.ContainerSpec{Name: "hungry", Networks: []*lab.Network{p.net}, CPUs: 0.1})
	wantOK(t, hungry.Run("rr", "--count", "5", p.at), 5)
	time.Sleep(quiet)
	throttled, waited := hungry.Throttled(), pressure(t, hungry)
	tr := begin(t, pipeline.Options{})
	hungry.Run("rr", "--count", "1000000", "--connections", "4", "--duration", "4s", p.at)
	r := tr.end()
	throttled, waited = hungry.Throttled()-throttled, pressure(t, hungry)-waited

	for _, c := range r.Snapshot.Containers {
		ns, percent := c.CPU.ThrottledNs, c.CPU.PSISomePercent
		switch {
		case c.Name != hungry.Name && c.Name != p.web.Name && c.Name != p.client.Name:
			// The cgroup of one that is gone is no one's.
		case ns == nil || percent == nil:
			t.Errorf("%s: %+v, this kernel counts both", c.Name, c.CPU)
		case c.Name == hungry.Name:
			wantHungry(t, time.Duration(*ns), throttled, *percent, 100*waited.Seconds()/time.Duration(r.Snapshot.DurationNs).Seconds())
		case *ns != 0:
			t.Errorf("%s has no limit, and was throttled for %v", c.Name, time.Duration(*ns))
		}
	}
	r.wantFinding(t, "cpu_throttled", hungry.Name)
	r.wantFinding(t, "cpu_pressure", hungry.Name)
	r.wantNoFinding(t, "cpu_throttled", p.web.Name)
}

// wantHungry compares with what others say; the pressure, which goes on being
// counted between the readings, within 2 % of the time.
func wantHungry(t *testing.T, got, want time.Duration, percent, wantPercent float64) {
	t.Helper()
	t.Logf("throttled for %v, %v by the engine; waiting in %.1f %% of the time, %.1f %% by cpu.pressure", got, want, percent, wantPercent)
	if got != want || want < 500*time.Millisecond {
		t.Errorf("throttled for %v, the engine says %v", got, want)
	}
	if percent < wantPercent-2 || percent > wantPercent+2 || wantPercent < 40 {
		t.Errorf("waiting in %.1f %% of the time, cpu.pressure says %.1f %%", percent, wantPercent)
	}
}

func (r result) wantNoFinding(t *testing.T, kind, word string) {
	t.Helper()
	for _, f := range r.Snapshot.Findings {
		if f.Kind == kind && strings.Contains(f.Text, word) {
			t.Errorf("finding %+v", f)
		}
	}
}

// pressure is for how long some task of a container waited for a CPU, as the
// file of its cgroup v2 says.
func pressure(t *testing.T, c *lab.Container) time.Duration {
	t.Helper()
	list, err := filepath.Glob("/sys/fs/cgroup/unified/docker/" + c.ID + "/cpu.pressure")
	if len(list) == 0 {
		list, err = filepath.Glob("/sys/fs/cgroup/system.slice/docker-" + c.ID + ".scope/cpu.pressure")
	}
	if err != nil || len(list) != 1 {
		t.Fatalf("no cpu.pressure of %s: %v, %v", c.Name, list, err)
	}
	text, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	some, _, _ := strings.Cut(string(text), "\n")
	us, err := strconv.ParseInt(some[strings.LastIndex(some, "=")+1:], 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return time.Duration(us) * time.Microsecond
}
