package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Privilege is one capability(7) of this process.
type Privilege struct {
	Name      string
	Held      bool
	Essential bool   // without it there is no tracing
	Lost      string // what is lost without it
}

// privilege is a row of the table; instead is a capability that includes it.
type privilege struct {
	name      string
	bit       uint
	instead   uint
	essential bool
	lost      string
}

// none is no capability: nothing stands in.
const none = 64

var privileges = []privilege{
	{"CAP_BPF", unix.CAP_BPF, unix.CAP_SYS_ADMIN, true, "loading programs"},
	{"CAP_PERFMON", unix.CAP_PERFMON, unix.CAP_SYS_ADMIN, true, "programs at tracepoints"},
	{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN, true, "programs at netfilter hooks and cgroups"},
	{"CAP_SYS_PTRACE", unix.CAP_SYS_PTRACE, none, false, "the network namespaces of other users' processes: which container a packet belongs to"},
	{"CAP_DAC_READ_SEARCH", unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE, false, "files of /proc that belong to other users"},
	{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN, none, false, "the names of devices inside containers, and what tracing costs (--sample auto goes by an estimate)"},
	{"CAP_SYSLOG", unix.CAP_SYSLOG, none, false, "the names of kernel functions that dropped packets"},
}

// status is what /proc/self/status says of this process (proc_pid_status(5)).
type status struct {
	effective uint64
	seccomp   bool // a filter decides about system calls
}

func readStatus() (s status, err error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return s, fmt.Errorf("read this process's capabilities: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "CapEff":
			if s.effective, err = strconv.ParseUint(value, 16, 64); err != nil {
				return s, fmt.Errorf("read this process's capabilities: %w", err)
			}
		case "Seccomp":
			s.seccomp = value == "2" // SECCOMP_MODE_FILTER
		}
	}
	return s, nil
}

func (s status) has(bit uint) bool { return s.effective>>bit&1 != 0 }

// holds counts what includes a capability as well.
func (s status) holds(p privilege) bool { return s.has(p.bit) || s.has(p.instead) }

// Privileges says which capabilities this process has of those that tracing
// can use.
func Privileges() ([]Privilege, error) {
	s, err := readStatus()
	if err != nil {
		return nil, err
	}
	out := make([]Privilege, len(privileges))
	for i, p := range privileges {
		out[i] = Privilege{Name: p.name, Held: s.holds(p), Essential: p.essential, Lost: p.lost}
	}
	return out, nil
}

// Permitted says, without asking the kernel for anything, that this process lacks
// a capability that tracing cannot do without. Its error wraps [ErrPermission].
func Permitted() error {
	s, err := readStatus()
	if err != nil {
		return nil // what is missing shows when it is used
	}
	if missing := s.missing(); missing != "" {
		return &permissionError{missing, unix.EPERM, true}
	}
	return nil
}

// Lockdown is the kernel's lockdown mode (kernel_lockdown(7)): none, integrity,
// confidentiality, "" when there is no such thing. Confidentiality does not
// allow programs to read kernel memory.
func Lockdown() string { return readLockdown("/sys/kernel/security/lockdown") }

func readLockdown(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(data), "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}

// Seccomp says whether a filter decides about this process's system calls.
func Seccomp() bool {
	s, err := readStatus()
	return err == nil && s.seccomp
}

// permissionError is a refusal and what most likely is behind it. It wraps
// [ErrPermission] and the kernel's error.
type permissionError struct {
	reason string
	err    error
	plain  bool // the reason says all; the kernel's error would only confuse
}

func (e *permissionError) Error() string {
	if e.plain {
		return fmt.Sprintf("%v: %s", ErrPermission, e.reason)
	}
	return fmt.Sprintf("%v: %s: %v", ErrPermission, e.reason, e.err)
}

func (e *permissionError) Unwrap() []error { return []error{ErrPermission, e.err} }

// permissionOr tells errors of permission from the others, and says what is
// missing as far as it is known.
func permissionOr(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	s, e := readStatus()
	if e != nil {
		return fmt.Errorf("%w: %w", ErrPermission, err)
	}
	if missing := s.missing(); missing != "" {
		return &permissionError{missing, err, true}
	}
	return &permissionError{s.refusal(Lockdown()), err, false}
}

// lockedDown is a refusal by the kernel's lockdown, nil where there is none. It
// comes in the verifier's words, as of a function that is not known
// (bpf_tracing_func_proto, LOCKDOWN_BPF_READ_KERNEL).
func lockedDown(mode string) error {
	if mode != "confidentiality" {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrPermission, ErrLockedDown)
}

// missing names the essential capabilities that are not there, "" for none.
func (s status) missing() string {
	var names []string
	for _, p := range privileges {
		if p.essential && !s.holds(p) {
			names = append(names, p.name)
		}
	}
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0] + " is missing"
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1] + " are missing"
	}
}

// refusal is what else keeps a process from tracing.
func (s status) refusal(lockdown string) string {
	switch {
	case lockdown == "confidentiality":
		return ErrLockedDown.Error()
	case s.seccomp:
		return "the seccomp filter of this container or service refuses it"
	}
	return "the kernel refuses it in spite of all capabilities"
}
