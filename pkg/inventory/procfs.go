package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// procfs reads processes (man 5 proc). root is /proc outside of tests.
type procfs struct {
	root string
}

func (p procfs) path(pid int, name string) string {
	return filepath.Join(p.root, strconv.Itoa(pid), name)
}

// pids lists the processes in ascending order.
func (p procfs) pids() ([]int, error) {
	dir, err := os.Open(p.root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out, nil
}

// netns is the inode number of a process's network namespace.
func (p procfs) netns(pid int) (uint32, error) {
	return readNetns(p.path(pid, "ns/net"))
}

// shimOf is the id of the container that a process's parent was started for,
// "" when the parent is no shim of containerd: those have "-id ID" among their
// arguments (containerd, "Runtime v2").
func (p procfs) shimOf(pid int) string {
	stat, err := os.ReadFile(p.path(pid, "stat"))
	if err != nil {
		return ""
	}
	var state rune
	var parent int
	name := bytes.LastIndexByte(stat, ')') // ends the program's name, which may hold anything
	if _, err := fmt.Sscanf(string(stat[name+1:]), " %c %d", &state, &parent); err != nil {
		return ""
	}
	cmdline, err := os.ReadFile(p.path(parent, "cmdline"))
	if err != nil {
		return ""
	}
	args := strings.Split(string(cmdline), "\x00")
	i := slices.Index(args, "-id")
	if i < 0 || i+1 == len(args) || !strings.HasPrefix(filepath.Base(args[0]), "containerd-shim") {
		return ""
	}
	return args[i+1]
}

// hostNetns is the namespace of the host's init. Without the right to read it
// (ptrace access, man 5 proc), the own one has to stand for it.
func (p procfs) hostNetns() (Namespace, error) {
	var err error
	for _, pid := range []string{"1", "self"} {
		ns := Namespace{Path: filepath.Join(p.root, pid, "ns/net")}
		if ns.Inode, err = readNetns(ns.Path); err == nil {
			return ns, nil
		}
	}
	return Namespace{}, fmt.Errorf("the host's network namespace: %w", err)
}

// readNetns reads the magic link "net:[4026531840]" of /proc, or the inode of
// a file onto which a namespace is mounted. It fails for the empty file that
// stays when such a mount goes.
func readNetns(path string) (uint32, error) {
	link, err := os.Readlink(path)
	if err != nil {
		return nsfsInode(path)
	}
	s, ok := strings.CutPrefix(link, "net:[")
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("%s: %q names no network namespace", path, link)
	}
	return uint32(n), nil
}

// scanned is one process as the scan of /proc saw it.
type scanned struct {
	pid     int
	netns   uint32
	cgroups string // content of its cgroup file, "" when not read
}

// scan reads the namespace, and the cgroups if they are asked for, of every
// process. A process that ends meanwhile is left out, and so are those that are
// refused, which are counted.
func (p procfs) scan(withCgroups bool) (out []scanned, refused int, err error) {
	pids, err := p.pids()
	if err != nil {
		return nil, 0, err
	}
	out = make([]scanned, 0, len(pids))
	for _, pid := range pids {
		s := scanned{pid: pid}
		if s.netns, err = p.netns(pid); errors.Is(err, fs.ErrPermission) && pid != 1 { // init is no container's
			refused++
		}
		if err != nil {
			continue
		}
		if withCgroups {
			b, err := os.ReadFile(p.path(pid, "cgroup"))
			if err != nil {
				continue
			}
			s.cgroups = string(b)
		}
		out = append(out, s)
	}
	return out, refused, nil
}

// namespaces finds every network namespace that a process or a file in one of
// dirs holds, each once. Processes come first since Docker's own files do not
// say whose namespace they are. Refused are the processes that do not let theirs be
// seen.
func (p procfs) namespaces(dirs []string) (out []Namespace, refused int, err error) {
	procs, refused, err := p.scan(false)
	if err != nil {
		return nil, 0, err
	}
	at := make(map[uint32]int)
	add := func(ns Namespace) {
		i, known := at[ns.Inode]
		if !known {
			at[ns.Inode] = len(out)
			out = append(out, ns)
		} else if out[i].Name == "" {
			out[i].Name = ns.Name
		}
	}
	for _, s := range procs {
		add(Namespace{Inode: s.netns, Path: p.path(s.pid, "ns/net")})
	}
	for i, dir := range dirs {
		entries, _ := os.ReadDir(dir) // absent unless somebody named a namespace
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			ino, err := readNetns(path)
			if err != nil {
				continue
			}
			ns := Namespace{Inode: ino, Path: path}
			if i == 0 { // names of the others are random numbers
				ns.Name = Clean(e.Name())
			}
			add(ns)
		}
	}
	return out, refused, nil
}
