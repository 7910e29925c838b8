package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func bits(list ...uint) (v uint64) {
	for _, b := range list {
		v |= 1 << b
	}
	return v
}

func TestMissingPrivileges(t *testing.T) {
	for _, c := range []struct {
		effective uint64
		want      string
	}{
		{0, "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are missing"},
		{bits(unix.CAP_PERFMON, unix.CAP_NET_ADMIN), "CAP_BPF is missing"},
		{bits(unix.CAP_BPF), "CAP_PERFMON and CAP_NET_ADMIN are missing"},
		{bits(unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN), ""},
		{bits(unix.CAP_SYS_ADMIN), ""},
	} {
		if got := (status{effective: c.effective}).missing(); got != c.want {
			t.Errorf("%x: %q, want %q", c.effective, got, c.want)
		}
	}
}

func TestLockedDown(t *testing.T) {
	for _, mode := range []string{"", "none", "integrity"} {
		if err := lockedDown(mode); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
	err := lockedDown("confidentiality")
	if !errors.Is(err, ErrPermission) || !errors.Is(err, ErrLockedDown) || err.Error() != "not permitted: the kernel is locked down (confidentiality)" {
		t.Errorf("%v", err)
	}
}

func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		s        status
		lockdown string
		want     string
	}{
		{status{}, "", "the kernel refuses it in spite of all capabilities"},
		{status{seccomp: true}, "integrity", "the seccomp filter of this container or service refuses it"},
		{status{seccomp: true}, "confidentiality", "the kernel is locked down (confidentiality)"},
	} {
		if got := c.s.refusal(c.lockdown); got != c.want {
			t.Errorf("%+v %q: %q", c.s, c.lockdown, got)
		}
	}
}

func TestPermissionErrorsKeepTheirKind(t *testing.T) {
	err := permissionOr(fmt.Errorf("load: %w", unix.EPERM))
	if !errors.Is(err, ErrPermission) || !errors.Is(err, unix.EPERM) {
		t.Errorf("%v", err)
	}
	if err := permissionOr(unix.ENOMEM); errors.Is(err, ErrPermission) {
		t.Errorf("%v", err)
	}
}

func TestLockdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lockdown")
	if err := os.WriteFile(path, []byte("none integrity [confidentiality]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readLockdown(path); got != "confidentiality" {
		t.Errorf("%q", got)
	}
	if got := readLockdown(path + "no"); got != "" {
		t.Errorf("%q", got)
	}
}
