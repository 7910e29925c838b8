package truth

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/model"
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
	backlog := r.softnet(cpu).Backlog
	if backlog == nil || share(backlog.Packets, 2*(heavy+light)) < 0.99 || len(backlog.Shares) < 2 {
		t.Fatalf("of %d datagrams, each in two backlogs: %+v", heavy+light, backlog)
	}
	for i, want := range []struct {
		name  string
		share float64
	}{{batch.Name, 0.9}, {p.client.Name, 0.1}} {
		if got := backlog.Shares[i]; got.Name != want.name || got.Share < want.share-0.005 || got.Share > want.share+0.005 {
			t.Errorf("%+v, want %.2f of %s", got, want.share, want.name)
		}
	}
	t.Logf("lost %v, missed runs %d", r.Counts.Lost, r.Counts.Notes["missed_runs"])
}

// One CPU's softirq has more to do than it can, nearly all of it for one of two
// containers: what its full backlog dropped is told as the kernel counts it, and whose
// it is.
func TestFullBacklog(t *testing.T) {
	const cpu = 1
	p := sharedPair(t)
	lab.BridgeNF(t, true)
	batch := p.shop.Container(lab.ContainerSpec{Name: "batch", Networks: []*lab.Network{p.net}})
	wantOK(t, batch.Run("udp", "--count", "3", p.at), 3)
	for _, c := range []*lab.Container{batch, p.client} {
		lab.ReceiveOn(t, c.Links[0].HostName, cpu)
	}
	lab.LongChain(t, lab.Chain{Netns: lab.HostNetns, Hook: "forward"}, 4000)
	before := backlogDrops(t, cpu)
	tr := begin(t, pipeline.Options{})
	var loads []*lab.Load
	for range 6 { // what one has under way, its send buffer bounds
		loads = append(loads, batch.Start("udp", "--echo=false", "--count", "20000", p.at))
	}
	p.client.Run("udp", "--echo=false", "--count", "300", "--rate", "300", p.at)
	for _, l := range loads {
		l.Wait()
	}
	r := tr.end()
	want := backlogDrops(t, cpu) - before
	var told, ofBatch uint64
	for _, d := range r.Snapshot.Drops {
		if d.Reason != "CPU_BACKLOG" {
			continue // web does not read as fast either
		}
		told += d.Count
		if text(d.Container) == batch.Name {
			ofBatch += d.Count
		}
		if d.Hop != "backlog" || d.Container == nil {
			t.Errorf("%d dropped in %s @ %s of %s", d.Count, d.Hop, d.Where, text(d.Container))
		}
	}
	counted := r.softnet(cpu)
	t.Logf("the backlog of CPU %d dropped %d, counted %d, told %d, %d of them batch's; %+v", cpu, want, counted.Dropped, told, ofBatch, counted.Backlog)
	if counted.Dropped != want || told != want || want < leastLost || share(ofBatch, told) < 0.9 {
		t.Errorf("softnet_stat tells %d drops, counted %d, told %d, of batch %d", want, counted.Dropped, told, ofBatch)
	}
	r.wantFinding(t, "softirq", fmt.Sprintf("the backlog of CPU %d was full", cpu), "of its packets belong to "+batch.Name)
}

func (r result) softnet(cpu uint32) model.SoftnetStats {
	for _, c := range r.Snapshot.HostStats.Softnet {
		if c.CPU == cpu {
			return c
		}
	}
	return model.SoftnetStats{}
}

// backlogDrops is how many packets found a CPU's backlog full: the second column of
// its line, in base 16 (net/core/net-procfs.c, softnet_seq_show).
func backlogDrops(t *testing.T, cpu int) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.Fields(strings.Split(string(text), "\n")[cpu])[1], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
