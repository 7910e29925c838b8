package inventory

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRootlessEngineIsSaid(t *testing.T) {
	for _, rootless := range []bool{true, false} {
		engine := &fakeRuntime{rootless: rootless}
		inv := open(t, newHost(t), engine, &fakeDevices{}, newClock())
		said := slices.ContainsFunc(inv.Notes(), func(n string) bool { return strings.Contains(n, "rootless") })
		if said != rootless {
			t.Errorf("rootless %v: %q", rootless, inv.Notes())
		}
	}
}

func TestRootlessSocketIsFound(t *testing.T) {
	dir := t.TempDir()
	pattern := filepath.Join(dir, "*", "docker.sock")
	if note := otherEngines(pattern); note != "" {
		t.Errorf("nothing is there: %q", note)
	}
	for _, user := range []string{"1000", "1001"} {
		if err := os.Mkdir(filepath.Join(dir, user), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "1000", "docker.sock")
	in, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := os.WriteFile(filepath.Join(dir, "1001", "docker.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if note := otherEngines(pattern); !strings.HasSuffix(note, "--docker-host unix://"+socket) {
		t.Errorf("%q", note)
	}
}
