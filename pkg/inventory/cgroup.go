package inventory

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hopscope/hopscope/pkg/cgroup2"
)

// containerID finds a container id in one component of a cgroup path, as
// docker/<id>, docker-<id>.scope or cri-containerd-<id>.scope have it.
var containerID = regexp.MustCompile(`(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)`)

// maxSubCgroups bounds how many cgroups below one container are looked up.
const maxSubCgroups = 256

// cgroupV2 is the mounted cgroup v2 hierarchy: the only one on a pure v2 host,
// /sys/fs/cgroup/unified on a hybrid one. With an empty mount there is none.
type cgroupV2 struct {
	mount string
	root  string // the part of the hierarchy that is mounted, usually "/"
}

func findCgroupV2(proc procfs) cgroupV2 {
	m := cgroup2.Find(proc.root)
	return cgroupV2{mount: m.Path, root: m.Root}
}

// dir is the directory of the cgroup that a /proc/PID/cgroup file names, cut
// behind the container's id: an init such as systemd moves itself into a
// child. It is "" when the process is in no cgroup of that container, which
// also tells a reused process id.
func (c cgroupV2) dir(cgroups, id string) string {
	for line := range strings.Lines(cgroups) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok || c.mount == "" {
			continue
		}
		i := strings.Index(path, id)
		if i < 0 {
			return ""
		}
		end := i + strings.IndexByte(path[i:]+"/", '/')
		rel := path[:end]
		if c.root != "/" {
			rel = strings.TrimPrefix(rel, c.root)
		}
		return filepath.Join(c.mount, rel)
	}
	return ""
}

// id is that of the cgroup which a /proc/PID/cgroup file names, 0 when unknown.
func (c cgroupV2) id(cgroups string) uint64 {
	for line := range strings.Lines(cgroups) {
		rel, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok || c.mount == "" {
			continue
		}
		if c.root != "/" {
			rel = strings.TrimPrefix(rel, c.root)
		}
		id, _ := inode(filepath.Join(c.mount, rel)) // 0 when it went meanwhile
		return id
	}
	return 0
}

// children are the inodes of the cgroups below dir, without dir's own.
func (c cgroupV2) children(dir string) []uint64 {
	var out []uint64
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil: // it may vanish while it is read
			return nil
		case len(out) >= maxSubCgroups:
			return fs.SkipAll
		case !e.IsDir() || path == dir:
			return nil
		}
		if ino, err := inode(path); err == nil {
			out = append(out, ino)
		}
		return nil
	})
	return out
}

// containerOf is the id of the outermost container in a /proc/PID/cgroup file,
// "" for a process of the host. cgroup v1 hierarchies count too.
func containerOf(cgroups string) string {
	for line := range strings.Lines(cgroups) {
		if m := containerID.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			return m[1]
		}
	}
	return ""
}

// locate adds to a container what its process tells: namespace and cgroup. The
// process id of an engine on another machine, or one that is used again, is
// refused: the process must be in a cgroup of the container, or, where the
// engine may make none, be what a shim was started for.
func locate(c *Container, proc procfs, cg cgroupV2) {
	if c.PID == 0 {
		return
	}
	b, err := os.ReadFile(proc.path(c.PID, "cgroup"))
	if err != nil || !isInit(c, containerOf(string(b)), proc) {
		c.PID = 0
		return
	}
	if c.Netns, err = proc.netns(c.PID); err != nil {
		c.Netns = 0
	}
	dir := cg.dir(string(b), c.ID)
	if dir == "" {
		return
	}
	// The cgroup id of the kernel (cgroup_id(), kn->id) is the inode number on
	// 64-bit machines since Linux 5.5.
	if c.CgroupID, err = inode(dir); err != nil {
		c.CgroupID = 0
		return
	}
	c.SubCgroups = cg.children(dir)
}

// isInit says whether the process of a container is its own, as its cgroup has
// it: "" when that is no container's.
func isInit(c *Container, byCgroup string, proc procfs) bool {
	if byCgroup == "" {
		return proc.shimOf(c.PID) == c.ID
	}
	return byCgroup == c.ID
}
