package robust

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/pkg/capture"
)

// nobody is a user without a right to anything.
const nobody = 65534

// asNobody runs the program as a user who is not root, with some capabilities.
func asNobody(caps ...uintptr) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		// A directory of its own would be root's; what is saved is not at issue.
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
			AmbientCaps: caps,
		}
	}
}

// enough is what tracing needs.
var enough = []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}

// Each capability that is missing is named, with exit code 3.
func TestMissingCapability(t *testing.T) {
	needsRoot(t)
	for _, c := range []struct {
		name string
		caps []uintptr
		says string
	}{
		{"all", nil, "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are missing"},
		{"CAP_BPF", []uintptr{unix.CAP_PERFMON, unix.CAP_NET_ADMIN}, "CAP_BPF is missing"},
		{"CAP_PERFMON", []uintptr{unix.CAP_BPF, unix.CAP_NET_ADMIN}, "CAP_PERFMON is missing"},
		{"CAP_NET_ADMIN", []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, "CAP_NET_ADMIN is missing"},
		{"those for the kernel", []uintptr{unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH}, "are missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := runWith(t, asNobody(c.caps...), "trace", "--no-save", "--duration", "1s")
			o.WantError(t, 3, "not permitted", c.says, "hopscope doctor")
		})
	}
}

// Commands that need no privilege do not ask for one.
func TestUnprivilegedCommands(t *testing.T) {
	needsRoot(t)
	path := sample(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir() + "/v1.hop"
	if err := os.WriteFile(copied, content, 0o644); err != nil {
		t.Fatal(err)
	}
	readable(t, copied)
	for _, args := range [][]string{{"version"}, {"--help"}, {"report", copied}, {"diff", copied, copied}, {"completion", "bash"}} {
		o := runWith(t, asNobody(), args...)
		// diff of a capture with itself may find too few samples (exit 1).
		if o.Code == 3 || o.Code == 2 || strings.Contains(o.Stderr, "permi") {
			t.Errorf("%v: exit code %d, %s", args, o.Code, o.Stderr)
		}
	}
}

// readable lets others read a file below the test's directory.
func readable(t *testing.T, path string) {
	t.Helper()
	for dir := path; dir != "/" && dir != os.TempDir() && dir != "."; {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, info.Mode()|0o055); err != nil {
			t.Fatal(err)
		}
		dir = dir[:strings.LastIndex(dir, "/")]
	}
}

// With what tracing needs and no more, containers are traced as by root, with
// their ids for names, which their cgroups have in theirs; what is lost is said.
func (p *pair) justEnoughCapabilities(t *testing.T) {
	const unseen, unread = "without CAP_SYS_PTRACE", "network namespaces cannot be read ("
	for _, c := range []struct {
		name      string
		more      []uintptr
		eth, veth string // how the client's are called, of its short id
		says      []string
	}{
		{"kernel alone", nil, "dev %[2]d in ns %[3]d", "%[4]s of host", []string{unseen}},
		{"and files of others", []uintptr{unix.CAP_DAC_READ_SEARCH}, "dev %[2]d in ns %[3]d", "%[4]s of host", []string{unseen, unread}},
		{"and processes of others", []uintptr{unix.CAP_SYS_PTRACE}, "dev %[2]d of %[1]s", "veth of %[1]s", []string{unread}},
		{"and both", []uintptr{unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH}, "dev %[2]d of %[1]s", "veth of %[1]s", []string{unread}},
		{"and namespaces", []uintptr{unix.CAP_SYS_PTRACE, unix.CAP_SYS_ADMIN}, "eth0 of %[1]s", "veth of %[1]s", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := program.Command(t, "trace", "--no-save", "--format", "json", "--sample", "1")
			asNobody(append(c.more, enough...)...)(r.Cmd)
			r.Start(t)
			r.Says(t, "the Docker engine does not answer")
			wantOK(t, p.client.Run("rr", "--count", "500", "--rate", "500", p.at), 500)
			s := summaryOf(t, r)
			if s.Accounting.Tracked < 1000 {
				t.Errorf("%d packets tracked", s.Accounting.Tracked)
			}
			for cause, n := range s.Accounting.Lost {
				if n > 0 {
					t.Errorf("%s: %d lost", cause, n)
				}
			}
			var there uint64
			for _, path := range s.Paths {
				if path.From.Name == p.client.ID[:12] && path.To.Name == p.web.ID[:12] {
					there += path.Journeys
					p.wantPlaces(t, path.Hops, c.eth, c.veth)
				}
			}
			for _, note := range []string{unseen, unread} {
				if n := strings.Count(r.Stderr.String(), note); slices.Contains(c.says, note) != (n > 0) || n > 1 {
					t.Errorf("%q is said %d times: %s", note, n, r.Stderr.String())
				}
			}
			if there < 500 {
				t.Errorf("%d packets from %s to %s, want 500 at least: %+v", there, p.client.Name, p.web.Name, s.Paths)
			}
		})
	}
}

// wantPlaces checks how the client's interface and its other end are called, where its
// packets begin.
func (p *pair) wantPlaces(t *testing.T, hops []struct{ Hop, Where string }, eth, veth string) {
	t.Helper()
	var ns unix.Stat_t
	if err := unix.Stat(p.client.Netns, &ns); err != nil {
		t.Fatal(err)
	}
	link := p.client.Link(p.net)
	for hop, want := range map[string]string{"xmit": eth, "backlog": veth} {
		want += "%[5]s" // so that all are used
		want = fmt.Sprintf(want, p.client.ID[:12], link.Index, ns.Ino, link.HostName, "")
		at := slices.IndexFunc(hops, func(h struct{ Hop, Where string }) bool { return h.Hop == hop })
		if at < 0 {
			t.Errorf("no hop %s: %v", hop, hops)
		} else if got := hops[at].Where; got != want {
			t.Errorf("%s @ %s, want %s", hop, got, want)
		}
	}
}

// Without the right to ask the kernel what the programs cost, --sample auto keeps
// to its budget all the same, by an estimate, and says so.
func (p *pair) budgetByEstimate(t *testing.T) {
	run := program.Command(t, "trace", "--no-save", "--format", "json", "--max-overhead", "0.1%")
	asNobody(enough...)(run.Cmd)
	run.Start(t)
	run.Says(t, "--sample auto keeps to --max-overhead by an estimate")
	const seconds = 5 // it looks every other second
	r := p.client.Run("rr", "--count", "1000000", "--connections", "4", "--duration", fmt.Sprintf("%ds", seconds), p.at)
	wantOK(t, r, r.OK)
	o := run.Interrupt(t)
	o.WantDone(t)
	var got struct {
		Accounting struct {
			SampleRate float64 `json:"sample_rate"`
		}
		Cost struct {
			NsPerPacket *float64 `json:"bpf_ns_per_packet"`
		}
	}
	if err := json.Unmarshal([]byte(o.Stdout), &got); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f requests/s, 1 of %.0f tracked", float64(r.OK)/seconds, 1/got.Accounting.SampleRate)
	if got.Accounting.SampleRate > 0.5 {
		t.Errorf("a share of %v is tracked in spite of the budget", got.Accounting.SampleRate)
	}
	if got.Cost.NsPerPacket != nil {
		t.Errorf("an estimate is given for a measurement: %v ns a packet", *got.Cost.NsPerPacket)
	}
}

// doctor says which capability is missing, and its exit code is that of a
// trace.
func TestDoctorWithoutCapabilities(t *testing.T) {
	lab.Lock(t)
	for _, c := range []struct {
		caps            []uintptr
		code            int
		works, degraded bool
	}{
		{nil, 3, false, true},
		{enough, 0, true, true},
	} {
		o := runWith(t, asNobody(c.caps...), "doctor", "--json")
		if o.Code != c.code {
			t.Errorf("%v: exit code %d: %s", c.caps, o.Code, o.Stderr)
		}
		var got struct {
			Works, Degraded bool
			Sections        []struct {
				Title  string
				Checks []struct{ Name, Status, Lost string }
			}
		}
		if err := json.Unmarshal([]byte(o.Stdout), &got); err != nil {
			t.Fatal(err)
		}
		if got.Works != c.works || got.Degraded != c.degraded {
			t.Errorf("%v: works %v, degraded %v", c.caps, got.Works, got.Degraded)
		}
		for _, x := range got.Sections[0].Checks {
			if essential := x.Name == "CAP_BPF" || x.Name == "CAP_PERFMON" || x.Name == "CAP_NET_ADMIN"; essential {
				if want := map[bool]string{true: "ok", false: "missing"}[c.works]; x.Status != want {
					t.Errorf("%s: %s, want %s", x.Name, x.Status, want)
				}
			}
		}
	}
}

// After it has attached, the program has no more rights than it needs, and none
// to get them back.
func TestCapabilitiesAreDropped(t *testing.T) {
	lab.Lock(t)
	s := program.Start(t, "trace", "--no-save", "-v")
	s.Says(t, "procfs:")
	var effective uint64
	lab.Eventually(t, "capabilities are dropped", func() bool {
		effective = capabilities(t, s.Cmd.Process.Pid, "CapEff")
		return effective>>unix.CAP_SYS_MODULE&1 == 0
	})
	for name, bit := range map[string]uint{
		"CAP_SYS_MODULE": unix.CAP_SYS_MODULE, "CAP_SYS_RAWIO": unix.CAP_SYS_RAWIO, "CAP_SYS_BOOT": unix.CAP_SYS_BOOT,
		"CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_SETUID": unix.CAP_SETUID, "CAP_MKNOD": unix.CAP_MKNOD,
		"CAP_SYS_TIME": unix.CAP_SYS_TIME, "CAP_KILL": unix.CAP_KILL, "CAP_PERFMON": unix.CAP_PERFMON,
	} {
		for _, set := range []string{"CapEff", "CapPrm", "CapBnd"} {
			if capabilities(t, s.Cmd.Process.Pid, set)>>bit&1 != 0 {
				t.Errorf("%s is in %s", name, set)
			}
		}
	}
	s.Interrupt(t).WantDone(t)
}

// capabilities reads one set of all threads: the union.
func capabilities(t *testing.T, pid int, set string) (union uint64) {
	t.Helper()
	for _, text := range threadStatus(t, pid) {
		union |= hexField(t, text, set)
	}
	return union
}

// A trace that cannot drop its privileges does not go on with them. The file that
// it had begun tells why it ended.
func TestPrivilegesThatCannotBeDropped(t *testing.T) {
	lab.Lock(t)
	r := program.Command(t, "trace", "--output", "x.hop", "--duration", "1m")
	through(t, "no-capset")(r.Cmd)
	r.Start(t)
	o := r.Wait(t)
	if o.Code != 1 || !strings.Contains(o.Stderr, "hopscope: drop capabilities: operation not permitted") || o.Stdout != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q", o.Code, o.Stdout, o.Stderr)
	}
	s, err := capture.Survey(filepath.Join(r.Cmd.Dir, "x.hop"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Damage.Any() || s.Meta.Ended != "error" {
		t.Errorf("the file ended by %q; %v", s.Meta.Ended, s.Damage)
	}
}
