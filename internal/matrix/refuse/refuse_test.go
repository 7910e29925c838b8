//go:build matrix

package refuse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// program is the tool as users run it.
const program = "/bin/hopscope"

// Tests run in the order in which they stand here; what the last ones do cannot
// be undone.

// TestOneTrace does to one trace all that a trace must bear, as an ordinary user
// with three capabilities: to begin takes longer than the rest, in an emulator.
func TestOneTrace(t *testing.T) {
	// Neither what keeps others from bpf(2) nor lockdown for integrity is an
	// obstacle.
	write(t, "/proc/sys/kernel/unprivileged_bpf_disabled", "1")
	lockdown(t, "integrity")
	begun := clock(t, unix.CLOCK_REALTIME)
	run := threeCapabilities(t)
	slept := sleeps(t)
	stepClock(t)
	sum := run.interrupt(t)
	t.Run("suspend", func(t *testing.T) { wantGap(t, run, sum, slept) })
	t.Run("clock step", func(t *testing.T) { wantOneClock(t, run, sum, begun) })
	sum.wantSound(t)
}

// threeCapabilities starts a trace: they are enough. A kernel that charges maps to
// the limit of locked memory, as those before 5.11 do, asks for one more to lift
// that: it is named, and with the limit lifted by who starts the tool three are
// enough there, too.
func threeCapabilities(t *testing.T) *running {
	t.Helper()
	var locked unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &locked); err != nil {
		t.Fatal(err)
	}
	lock := func(bytes uint64) {
		t.Helper()
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: bytes, Max: bytes}); err != nil {
			t.Fatal(err)
		}
	}
	defer lock(locked.Max)
	lock(64 << 10)
	if older(t, 5, 11) {
		end(t, nobody(), 3, "CAP_SYS_RESOURCE is missing", "trace", "--no-save", "--duration", "100ms")
		lock(unix.RLIM_INFINITY)
	}
	run := start(t, nobody(), "trace", "--no-save", "--format", "json", "--sample", "1")
	run.says(t, "note: the Docker engine")
	return run
}

// nobody is an ordinary user with the capabilities that tracing needs.
func nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN},
	}
}

// older compares this kernel's release.
func older(t *testing.T, major, minor int) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var a, b int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); err != nil {
		t.Fatal(err)
	}
	return a < major || a == major && b < minor
}

// sleeps suspends the machine (Documentation/admin-guide/pm/sleep-states.rst), and
// tells for how long: its emulator wakes it.
func sleeps(t *testing.T) time.Duration {
	t.Helper()
	before := asleep(t)
	write(t, "/sys/power/state", "mem")
	slept := asleep(t) - before
	if slept < time.Second {
		t.Fatalf("the machine slept for %s", slept)
	}
	return slept
}

// The machine sleeps during a trace: the gap is named, and as long as the
// kernel's own clocks say.
func wantGap(t *testing.T, run *running, sum summary, slept time.Duration) {
	told := time.Duration(sum.Accounting.Notes["suspended_ms"]) * time.Millisecond
	if (told - slept).Abs() > 50*time.Millisecond {
		t.Errorf("%s are told of a sleep of %s", told, slept)
	}
	run.says(t, "this host was suspended for ")
}

// asleep is for how long the machine has slept since it booted.
func asleep(t *testing.T) time.Duration {
	t.Helper()
	return clock(t, unix.CLOCK_BOOTTIME) - clock(t, unix.CLOCK_MONOTONIC)
}

func clock(t *testing.T, id int32) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

func stepClock(t *testing.T) {
	t.Helper()
	ts := unix.NsecToTimespec(int64(clock(t, unix.CLOCK_REALTIME) + time.Hour))
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		t.Fatal(err)
	}
}

// The clock is set during a trace: what was measured does not move.
func wantOneClock(t *testing.T, run *running, sum summary, begun time.Duration) {
	run.says(t, "set forward by 1h0m")
	if d := time.Duration(sum.DurationNs); d <= 0 || d > 5*time.Minute {
		t.Errorf("a trace of %s", d)
	}
	if off := sum.StartedAt.Sub(time.Unix(0, int64(begun))); off < 0 || off > 5*time.Minute {
		t.Errorf("it started %s after it did", off)
	}
}

// lockdown can be raised, and never lowered (kernel_lockdown(7)).
func lockdown(t *testing.T, level string) {
	t.Helper()
	const at = "/sys/kernel/security"
	if err := unix.Mount("securityfs", at, "securityfs", 0, ""); err != nil && err != unix.EBUSY {
		t.Fatal(err)
	}
	write(t, at+"/lockdown", level)
}

// Under lockdown for confidentiality nothing can be traced, in one sentence that
// says why.
func TestLockdown(t *testing.T) {
	lockdown(t, "confidentiality")
	end(t, nil, 3, "hopscope: not permitted: the kernel is locked down (confidentiality)", "trace", "--no-save", "--duration", "100ms")
	end(t, nil, 3, "locked down (confidentiality)", "doctor")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// end runs the tool to its end, as root or as somebody else.
func end(t *testing.T, who *syscall.SysProcAttr, code int, says string, args ...string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stderr, cmd.SysProcAttr = "/", &stderr, who
	_ = cmd.Run() // the exit code tells
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(stderr.String(), says) {
		t.Errorf("%v: exit code %d, want %d; %q, want %q", args, got, code, stderr.String(), says)
	}
	if code != 0 && strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("%v: more than one sentence: %q", args, stderr.String())
	}
}

// summary is what the tests read of the JSON document.
type summary struct {
	StartedAt  time.Time `json:"started_at"`
	DurationNs int64     `json:"duration_ns"`
	Accounting struct {
		Tracked, Completed uint64
		InFlight           uint64 `json:"in_flight"`
		Lost               map[string]uint64
		Notes              map[string]uint64
	}
}

// wantSound checks that nothing was measured backwards, and nothing left out of
// the books.
func (s summary) wantSound(t *testing.T) {
	t.Helper()
	a, lost := s.Accounting, uint64(0)
	for _, n := range a.Lost {
		lost += n
	}
	if a.Tracked != a.Completed+a.InFlight+lost {
		t.Errorf("tracked %d != completed %d + in flight %d + lost %d", a.Tracked, a.Completed, a.InFlight, lost)
	}
	for _, note := range []string{"clock_backward", "negative_hops", "hop_sum_mismatch"} {
		if a.Notes[note] > 0 {
			t.Errorf("%s: %d", note, a.Notes[note])
		}
	}
}

type running struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr output
}

// output may be read while the program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func start(t *testing.T, who *syscall.SysProcAttr, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(program, args...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	r.cmd.Dir, r.cmd.SysProcAttr = "/", who
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

func (r *running) says(t *testing.T, what string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !strings.Contains(r.stderr.String(), what); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is not in %q", what, r.stderr.String())
		}
	}
}

// interrupt ends a trace and gives its summary.
func (r *running) interrupt(t *testing.T) (s summary) {
	t.Helper()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, r.stderr.String())
	}
	if err := json.Unmarshal(r.stdout.Bytes(), &s); err != nil {
		t.Fatalf("%v: %.300s", err, r.stdout.String())
	}
	return s
}
