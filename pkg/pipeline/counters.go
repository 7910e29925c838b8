package pipeline

import (
	"slices"

	"github.com/hopscope/hopscope/pkg/hostcounters"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// takeCounters passes on how far the kernel's own counters moved.
func (s *Session) takeCounters(all bool) {
	s.reading.Lock()
	defer s.reading.Unlock()
	moved := s.counters.Read(s.counterTargets(), all)
	if len(moved) > 0 {
		s.pipe.Counters(moved)
	}
	s.listening.moved(moved)
}

// counterTargets are the running containers that are traced.
func (s *Session) counterTargets() hostcounters.Targets {
	view := s.inv.View()
	to := hostcounters.Targets{Host: view.HostNetns()}
	containers := view.Containers()
	if len(s.opts.Containers) > 0 {
		chosen := s.selection().Containers
		containers = slices.DeleteFunc(slices.Clone(containers), func(c inventory.Container) bool {
			return !slices.ContainsFunc(chosen, func(o inventory.Container) bool { return o.ID == c.ID })
		})
	}
	seen := map[uint32]bool{0: true, to.Host: true}
	for _, c := range containers {
		if !c.Running() {
			continue
		}
		to.Containers = append(to.Containers, hostcounters.Container{ID: c.ID, PID: c.PID})
		if !seen[c.Netns] {
			seen[c.Netns] = true
			to.Namespaces = append(to.Namespaces, hostcounters.Namespace{Inode: c.Netns, PID: c.PID})
		}
	}
	return to
}
