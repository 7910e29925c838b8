package hostcounters

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/model"
)

// host is a fake /proc with one container's process, 42, in namespace 7.
type host struct {
	t    *testing.T
	root string
}

var containerID = strings.Repeat("ab12", 16)

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t, t.TempDir()}
	for _, pid := range []string{"self", "1", "42"} {
		ns := 4026531840
		if pid == "42" {
			ns = 7
		}
		h.mkdir(pid + "/ns")
		if err := os.Symlink(fmt.Sprintf("net:[%d]", ns), filepath.Join(h.root, pid, "ns/net")); err != nil {
			t.Fatal(err)
		}
		h.netstat(pid, 0, 0)
	}
	h.write("1/mountinfo", "30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"+
		"31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n")
	h.write("42/cgroup", "3:cpu,cpuacct:/docker/"+containerID+"\n0::/docker/"+containerID+"/init.scope\n")
	h.write("1/root/sys/fs/cgroup/cpu/docker/"+containerID+"/cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_time 1500\n")
	h.write("1/root/sys/fs/cgroup/unified/docker/"+containerID+"/cpu.pressure",
		"some avg10=1.00 avg60=0.00 avg300=0.00 total=2000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n")
	h.softnet(10, 1, 2)
	h.write("sys/net/netfilter/nf_conntrack_count", "5\n")
	h.write("sys/net/netfilter/nf_conntrack_max", "100\n")
	h.conntrack(1, 2)
	return h
}

func (h *host) mkdir(name string) {
	if err := os.MkdirAll(filepath.Join(h.root, name), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) write(name, text string) {
	h.t.Helper()
	h.mkdir(filepath.Dir(name))
	if err := os.WriteFile(filepath.Join(h.root, name), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) netstat(pid string, overflows, drops uint64) {
	h.write(pid+"/net/netstat", fmt.Sprintf("TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 3 %d %d\nIpExt: InNoRoutes\nIpExt: 4\n", overflows, drops))
}

func (h *host) softnet(processed, dropped, squeezed uint64) {
	row := fmt.Sprintf("%08x %08x %08x", processed, dropped, squeezed) + strings.Repeat(" 00000000", 9)
	h.write("net/softnet_stat", row+" 00000003 00000000 00000000\n") // CPU 3 alone is online
}

func (h *host) conntrack(dropCPU0, dropCPU1 uint64) {
	h.write("net/stat/nf_conntrack", fmt.Sprintf("entries  insert_failed drop early_drop\n00000005  00000000 %08x 00000000\n00000005  00000000 %08x 00000000\n", dropCPU0, dropCPU1))
}

var everything = Targets{
	Host: 4026531840, Namespaces: []Namespace{{Inode: 7, PID: 42}},
	Containers: []Container{{ID: containerID, PID: 42}},
}

// counted is what the fake host's counters moved by, those of real devices
// and packet filters left out, since netlink has no fake.
func counted(list []model.CounterCount) map[model.CounterKey]uint64 {
	out := map[model.CounterKey]uint64{}
	for _, c := range list {
		if c.Ifindex == 0 && c.Rule == "" && c.Hook == "" {
			out[c.CounterKey] = c.N
		}
	}
	return out
}

func want(t *testing.T, got map[model.CounterKey]uint64, want map[model.CounterKey]uint64) {
	t.Helper()
	for k, n := range want {
		if have, ok := got[k]; !ok || have != n {
			t.Errorf("%+v: %d (%v), want %d", k, have, ok, n)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%+v: %d, want none", k, got[k])
		}
	}
}

func at(kind model.CounterKind, netns, cpu uint32) model.CounterKey {
	return model.CounterKey{Kind: kind, Netns: netns, CPU: cpu}
}

func of(kind model.CounterKind) model.CounterKey {
	return model.CounterKey{Kind: kind, Container: containerID}
}

func TestFirstReadingIsTheStart(t *testing.T) {
	h := newHost(t)
	tr := newTracker(h.root)
	const hostNS = 4026531840
	first := map[model.CounterKey]uint64{
		at(model.CountListenOverflows, hostNS, 0): 0, at(model.CountListenDrops, hostNS, 0): 0,
		at(model.CountListenOverflows, 7, 0): 0, at(model.CountListenDrops, 7, 0): 0,
		at(model.CountSoftnetProcessed, 0, 3): 0, at(model.CountSoftnetDropped, 0, 3): 0, at(model.CountSoftnetSqueezed, 0, 3): 0,
		at(model.CountConntrackEntries, hostNS, 0): 5, at(model.CountConntrackMax, hostNS, 0): 100,
		of(model.CountThrottled): 0, of(model.CountCPUPressure): 0,
	}
	for cpu := range uint32(2) {
		for _, k := range []model.CounterKind{model.CountConntrackDrop, model.CountConntrackInsertFailed, model.CountConntrackEarlyDrop} {
			first[at(k, hostNS, cpu)] = 0
		}
	}
	want(t, counted(tr.Read(everything, true)), first)
	want(t, counted(tr.Known()), first)
	want(t, counted(tr.Read(everything, true)), nil)

	h.netstat("42", 28, 30)
	h.softnet(10, 4, 2)
	h.conntrack(1, 5)
	h.write("sys/net/netfilter/nf_conntrack_count", "99\n")
	h.write("1/root/sys/fs/cgroup/cpu/docker/"+containerID+"/cpu.stat", "throttled_time 2500\n")
	want(t, counted(tr.Read(everything, true)), map[model.CounterKey]uint64{
		at(model.CountListenOverflows, 7, 0): 28, at(model.CountListenDrops, 7, 0): 30,
		at(model.CountSoftnetDropped, 0, 3):     3,
		at(model.CountConntrackDrop, hostNS, 1): 3, at(model.CountConntrackEntries, hostNS, 0): 99,
		of(model.CountThrottled): 1000,
	})
	first[at(model.CountConntrackEntries, hostNS, 0)] = 99
	want(t, counted(tr.Known()), first)
}

func TestCountersThatWrapOrBeginAnew(t *testing.T) {
	h := newHost(t)
	h.softnet(0xfffffff0, 100, 7)
	h.netstat("42", 1<<32, 5)
	tr := newTracker(h.root)
	tr.Read(everything, true)
	h.softnet(0x10, 3, 7) // processed wrapped; dropped is far from its end: another CPU's, or a new one
	h.netstat("42", 2, 6)
	want(t, counted(tr.Read(everything, true)), map[model.CounterKey]uint64{
		at(model.CountSoftnetProcessed, 0, 3): 0x20, at(model.CountSoftnetDropped, 0, 3): 3,
		at(model.CountListenOverflows, 7, 0): 2, at(model.CountListenDrops, 7, 0): 1,
	})
}

// A namespace that came during the trace counts from 0; one that went and whose
// number came again is another one; one that could not be read at the start is
// not known to be new.
func TestNamespacesThatComeAndGo(t *testing.T) {
	h := newHost(t)
	h.netstat("42", 5, 5)
	tr := newTracker(h.root)
	only := Targets{Host: 4026531840}
	tr.Read(only, true)
	overflows := at(model.CountListenOverflows, 7, 0)
	if got := counted(tr.Read(everything, true)); got[overflows] != 5 {
		t.Errorf("a new namespace: %v", got[overflows])
	}
	tr.Read(only, true)
	h.netstat("42", 6, 6)
	if got := counted(tr.Read(everything, true)); got[overflows] != 6 {
		t.Errorf("another one with the number: %v", got[overflows])
	}

	tr = newTracker(h.root)
	if err := os.Rename(filepath.Join(h.root, "42/net"), filepath.Join(h.root, "42/hidden")); err != nil {
		t.Fatal(err)
	}
	tr.Read(everything, true)
	if err := os.Rename(filepath.Join(h.root, "42/hidden"), filepath.Join(h.root, "42/net")); err != nil {
		t.Fatal(err)
	}
	if got, ok := counted(tr.Read(everything, true))[overflows]; got != 0 || !ok {
		t.Errorf("one that could not be read at the start: %d, %v", got, ok)
	}
}

func TestUnknownIsNoCounter(t *testing.T) {
	root := t.TempDir()
	if got := counted(newTracker(root).Read(everything, true)); len(got) != 0 {
		t.Errorf("an empty /proc has counters: %v", got)
	}
	h := newHost(t)
	if err := os.Remove(filepath.Join(h.root, "1/root/sys/fs/cgroup/unified/docker/"+containerID+"/cpu.pressure")); err != nil {
		t.Fatal(err)
	}
	got := counted(newTracker(h.root).Read(everything, true))
	if _, ok := got[of(model.CountCPUPressure)]; ok {
		t.Error("a kernel without PSI has pressure")
	}
	if _, ok := got[of(model.CountThrottled)]; !ok {
		t.Error("throttling is unknown")
	}
}

// The process id of a namespace may be another process's by now.
func TestReusedProcessID(t *testing.T) {
	h := newHost(t)
	tr := newTracker(h.root)
	got := counted(tr.Read(Targets{Host: 4026531840, Namespaces: []Namespace{{Inode: 8, PID: 42}}}, true))
	if _, ok := got[at(model.CountListenOverflows, 8, 0)]; ok {
		t.Error("the counters of namespace 7 are taken for those of 8")
	}
}

// Many containers are read in turns, all of them within a few.
func TestTurns(t *testing.T) {
	h := newHost(t)
	to := Targets{Host: 4026531840}
	const n = 3*perTurn + 5
	for i := range n {
		pid := fmt.Sprint(1000 + i)
		h.mkdir(pid + "/ns")
		if err := os.Symlink(fmt.Sprintf("net:[%d]", 1000+i), filepath.Join(h.root, pid, "ns/net")); err != nil {
			t.Fatal(err)
		}
		h.netstat(pid, 0, 0)
		to.Namespaces = append(to.Namespaces, Namespace{Inode: uint32(1000 + i), PID: 1000 + i})
	}
	tr := newTracker(h.root)
	tr.Read(to, true)
	for i := range n {
		h.netstat(fmt.Sprint(1000+i), 1, 1)
	}
	seen := 0
	for turn := range 4 {
		got := len(counted(tr.Read(to, false))) / 2
		if got > perTurn {
			t.Errorf("turn %d reads %d", turn, got)
		}
		seen += got
	}
	if seen != n {
		t.Errorf("%d of %d namespaces were read in four turns", seen, n)
	}
}
