package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A container is found in every hierarchy that engines make, and only there.
func TestLocateByCgroup(t *testing.T) {
	c := id("c0ffee")
	for name, tc := range map[string]struct {
		cgroups string // of the process
		dir     string // of its cgroup in v2, "" for none
	}{
		"v2 with cgroupfs":      {"0::/docker/" + c, "docker/" + c},
		"v2 with systemd":       {"0::/system.slice/docker-" + c + ".scope", "system.slice/docker-" + c + ".scope"},
		"hybrid":                {"5:cpu:/docker/" + c + "\n0::/docker/" + c, "docker/" + c},
		"cgroup parent":         {"0::/batch/jobs/" + c, "batch/jobs/" + c},
		"init in a child":       {"0::/docker/" + c + "/init.scope", "docker/" + c},
		"v1, not joined in v2":  {"5:cpu:/docker/" + c + "\n0::/", ""},
		"v1 only":               {"5:cpu:/docker/" + c, ""},
		"engine in a container": {"0::/docker/" + c + "/docker/" + id("abc"), "docker/" + c},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.process(70, webNS, tc.cgroups+"\n")
			var want uint64
			var sub []uint64
			if tc.dir != "" {
				want = h.cgroup(tc.dir)
				sub = []uint64{h.cgroup(tc.dir + "/init.scope")}
			}
			proc := procfs{h.proc}
			got := Container{ID: c, PID: 70}
			locate(&got, proc, findCgroupV2(proc))
			if got.PID != 70 || got.Netns != webNS || got.CgroupID != want || !slices.Equal(got.SubCgroups, sub) {
				t.Errorf("got pid %d netns %d cgroup %d below %d, want 70 %d %d %d",
					got.PID, got.Netns, got.CgroupID, got.SubCgroups, uint32(webNS), want, sub)
			}
		})
	}
}

// The pid of an engine on another machine, or one that was used again, tells
// nothing about the container.
func TestLocateRefusesAnotherProcess(t *testing.T) {
	h := newHost(t)
	h.process(70, webNS, "0::/user.slice\n")
	h.container(id("b"), 71, webNS)
	proc := procfs{h.proc}
	for _, pid := range []int{70, 71, 72} {
		c := Container{ID: id("a"), PID: pid}
		if locate(&c, proc, findCgroupV2(proc)); c.PID != 0 || c.Netns != 0 || c.CgroupID != 0 {
			t.Errorf("pid %d was taken for the container: %+v", pid, c)
		}
	}
}

// In a container of its own, only a part of the hierarchy is mounted.
func TestCgroupMountOfAPart(t *testing.T) {
	h := newHost(t)
	h.write("self/mountinfo", "30 24 0:26 /docker "+h.cg+" rw - cgroup2 cgroup2 rw\n")
	cg := findCgroupV2(procfs{h.proc})
	if got, want := cg.dir("0::/docker/"+id("a")+"\n", id("a")), filepath.Join(h.cg, id("a")); got != want {
		t.Errorf("directory %q, want %q", got, want)
	}
}

func TestNamespacesOnceEach(t *testing.T) {
	h := newHost(t)
	h.process(2, hostNS, "0::/\n")
	h.process(70, webNS, "0::/\n")
	h.process(71, webNS, "0::/\n")
	named := t.TempDir()
	blue := filepath.Join(named, "blue")
	if err := os.Symlink(fmt.Sprintf("net:[%d]", foreignNS), blue); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(named, "stale"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got, _, err := procfs{h.proc}.namespaces([]string{named, filepath.Join(named, "absent")})
	if err != nil {
		t.Fatal(err)
	}
	want := []Namespace{
		{Inode: hostNS, Path: filepath.Join(h.proc, "1/ns/net")},
		{Inode: webNS, Path: filepath.Join(h.proc, "70/ns/net")},
		{Inode: foreignNS, Path: blue, Name: "blue"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestFallbackFindsContainersByCgroup(t *testing.T) {
	h := newHost(t)
	cg := h.container(id("aa11"), 70, webNS)
	h.process(75, webNS, "0::/docker/"+id("aa11")+"\n") // another process of it
	h.process(80, hostNS, "0::/system.slice/ssh.service\n")
	proc := procfs{h.proc}
	got, err := fallback(proc, findCgroupV2(proc))
	if err != nil || len(got) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if c := got[0]; c.ID != id("aa11") || c.Name != "aa1100000000" || c.PID != 70 || c.Netns != webNS || c.CgroupID != cg {
		t.Errorf("got %+v", c)
	}
}

// A rootless engine without a delegated hierarchy makes no cgroups: there, the
// shim tells whose the process is.
func TestContainerWithoutCgroup(t *testing.T) {
	h := newHost(t)
	h.write("60/cmdline", "/usr/bin/containerd-shim-runc-v2\x00-namespace\x00moby\x00-id\x00"+id("aa")+"\x00-address\x00x\x00")
	h.write("61/cmdline", "sh\x00-id\x00"+id("aa")+"\x00")
	for pid, parent := range map[int]int{70: 60, 71: 61, 72: 99} {
		h.process(pid, webNS, "0::/\n")
		h.write(fmt.Sprintf("%d/stat", pid), fmt.Sprintf("%d (a name) (of two) S %d 70 70 0 -1", pid, parent))
	}
	h.process(73, webNS, "0::/docker/"+id("bb")+"\n")
	h.write("73/stat", "73 (web) S 60 70 70 0 -1")
	proc := procfs{h.proc}
	for _, tc := range []struct {
		id  string
		pid int
		own bool
	}{
		{"aa", 70, true},
		{"bb", 70, false}, // its shim is another's
		{"aa", 71, false}, // no shim
		{"aa", 72, false}, // nobody
		{"aa", 73, false}, // the cgroup is another's
	} {
		c := Container{ID: id(tc.id), PID: tc.pid}
		locate(&c, proc, findCgroupV2(proc))
		if own := c.PID != 0 && c.Netns == webNS && c.CgroupID == 0; own != tc.own {
			t.Errorf("process %d for %s: %+v", tc.pid, tc.id, c)
		}
	}
}
