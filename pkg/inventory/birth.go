package inventory

import (
	"slices"
	"time"
)

// cgroupBirth is a container's cgroup that was made, or found at the start.
type cgroupBirth struct {
	container string // id
	cgroup    uint64 // 0: it was removed
	overflow  bool   // nothing else: the kernel's queue was full, some were missed
}

// born takes in a container's new cgroup. It is known before the container's
// first packet, and even if its process is gone when somebody looks for it. It
// says whether that is news.
func (s *state) born(b cgroupBirth, now time.Time) bool {
	c, known := s.containers[b.container]
	switch {
	case b.cgroup == 0:
		return s.left(c, now)
	case !known: // another runtime's, or the engine will tell
		c = Container{ID: b.container, Name: shortID(b.container), State: "running", Seen: now}
	case c.CgroupID == b.cgroup, slices.ContainsFunc(c.Former, func(r Run) bool { return r.CgroupID == b.cgroup }),
		slices.Contains(c.SubCgroups, b.cgroup):
		return false
	case !c.Gone.IsZero() && properName(c) != "": // told late: it is that of the life that ended
		if c.CgroupID == 0 {
			c.CgroupID = b.cgroup
		} else {
			c.SubCgroups = union(c.SubCgroups, []uint64{b.cgroup})
		}
		s.containers[b.container] = c
		return true
	case c.Running(): // one beside its own, such as that of a monitor; or the next life, which its process will tell
		c.SubCgroups = union(c.SubCgroups, []uint64{b.cgroup})
		s.containers[b.container] = c
		return true
	default:
		c.bank(now)
	}
	c.PID, c.Netns, c.SubCgroups, c.Addrs, c.Sandbox = 0, 0, nil, nil, ""
	c.CgroupID, c.Started, c.Stopped, c.Gone = b.cgroup, now, time.Time{}, time.Time{}
	if properName(c) == "" {
		c.State = "running"
	}
	s.containers[b.container] = c
	return true
}

// left takes in that the cgroup of a container was removed. Of one that an engine
// named, the engine tells what became of it; of another nobody does.
func (s *state) left(c Container, now time.Time) bool {
	if c.ID == "" || properName(c) != "" || !c.Gone.IsZero() {
		return false
	}
	s.bury(c.ID, now)
	return true
}

// bank puts the life that ended among the former ones, if it left anything to
// be known by.
func (c *Container) bank(now time.Time) {
	if c.Netns == 0 && c.CgroupID == 0 {
		return
	}
	run := lastRun(*c)
	if run.Stopped.IsZero() {
		run.Stopped = now
	}
	c.Former = append(slices.Clone(c.Former), run)
	c.Former = c.Former[max(0, len(c.Former)-maxFormerRuns):]
}
