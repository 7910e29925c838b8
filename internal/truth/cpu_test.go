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

// Two containers send by way of one CPU's softirq, one of them nine times as much as
// the other: its share of that CPU's backlog is its share of the datagrams.
func TestWhoseBacklogItIs(t *testing.T) {
	const heavy, light, cpu = 27_000, 3_000, 1
	p := sharedPair(t)
	lab.BridgeNF(t, false)
	batch := p.shop.Container(lab.ContainerSpec{Name: "batch", Networks: []*lab.Network{p.net}})
	for _, c := range []*lab.Container{batch, p.client, p.web} {
		wantOK(t, batch.Run("udp", "--count", "3", p.at), 3)
		lab.ReceiveOn(t, c.Links[0].HostName, cpu)
	}
	tr := begin(t, pipeline.Options{})
	load := batch.Start("udp", "--echo=false", "--count", strconv.Itoa(heavy), "--rate", "9000", p.at)
	wantOK(t, p.client.Run("udp", "--echo=false", "--count", strconv.Itoa(light), "--rate", "1000", p.at), light)
	wantOK(t, load.Wait(), heavy)
	r := tr.end()
	for _, c := range r.Snapshot.HostStats.Softnet {
		t.Logf("CPU %d: %+v", c.CPU, c.Backlog)
		if c.CPU != cpu {
			continue
		}
		if c.Backlog == nil || share(c.Backlog.Packets, 2*(heavy+light)) < 0.99 || len(c.Backlog.Shares) < 2 {
			t.Fatalf("of %d datagrams, each in two backlogs: %+v", heavy+light, c.Backlog)
		}
		for i, want := range []struct {
			name  string
			share float64
		}{{batch.Name, 0.9}, {p.client.Name, 0.1}} {
			if got := c.Backlog.Shares[i]; got.Name != want.name || got.Share < want.share-0.005 || got.Share > want.share+0.005 {
				t.Errorf("%+v, want %.2f of %s", got, want.share, want.name)
			}
		}
	}
	t.Logf("lost %v, missed runs %d", r.Counts.Lost, r.Counts.Notes["missed_runs"])
}
