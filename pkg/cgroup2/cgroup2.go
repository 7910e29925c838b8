// Package cgroup2 finds the host's cgroup v2 hierarchy, also from inside a
// container.
package cgroup2

import (
	"os"
	"path/filepath"
	"strings"
)

// Mount is where the hierarchy can be reached; the zero value is nowhere.
type Mount struct {
	Path string
	Root string // the part of the hierarchy that is mounted, usually "/"
}

// Find looks for the hierarchy: the only one on a pure v2 host, one beside v1 on
// a hybrid one. In a container (docker run --pid=host) it is that of the host's
// init: the own mount is missing, or begins at the container's own cgroup, past
// which neither the packets nor the cgroups of others are (cgroup_namespaces(7)).
// proc is /proc outside of tests.
func Find(proc string) Mount {
	own := in(filepath.Join(proc, "self/mountinfo"))
	if own.Path != "" && sameNamespace(filepath.Join(proc, "self/ns/cgroup"), filepath.Join(proc, "1/ns/cgroup")) {
		return own
	}
	if host := in(filepath.Join(proc, "1/mountinfo")); host.Path != "" {
		host.Path = filepath.Join(proc, "1/root", host.Path)
		if _, err := os.Stat(host.Path); err == nil {
			return host
		}
	}
	return own
}

// sameNamespace is true, too, where one of them cannot be read.
func sameNamespace(a, b string) bool {
	x, err1 := os.Readlink(a)
	y, err2 := os.Readlink(b)
	return err1 != nil || err2 != nil || x == y
}

// in reads a list of mounts (proc_pid_mountinfo(5): root in field 4, mount point
// in field 5, file system type after the separator).
func in(mountinfo string) Mount {
	data, err := os.ReadFile(mountinfo)
	if err != nil {
		return Mount{}
	}
	for line := range strings.Lines(string(data)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if ok && strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return Mount{Path: fields[4], Root: fields[3]}
		}
	}
	return Mount{}
}
