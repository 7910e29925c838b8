package inventory

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Selection is a set of containers and what tells their packets apart.
type Selection struct {
	Containers []Container  // each once, by name
	Netns      []uint32     // namespaces that belong to selected containers alone
	Cgroups    []uint64     // cgroup v2 ids of selected containers
	Addrs      []netip.Addr // addresses of selected containers alone
	Others     []netip.Addr // addresses that surely are of other containers
}

// UnknownError says that a name means no container.
type UnknownError struct {
	Name string
	Near []string // names that look like it, nearest first
	Why  string   // what keeps names from being known, "" when nothing does
}

func (e *UnknownError) Error() string {
	s := fmt.Sprintf("no container, compose service or id matches %q", Clean(e.Name))
	if len(e.Near) > 0 {
		s += "; did you mean " + strings.Join(e.Near, ", ") + "?"
	}
	if e.Why != "" {
		s += "; " + e.Why
	}
	return s
}

// AmbiguousError says that a name means several containers which have nothing
// to do with each other.
type AmbiguousError struct {
	Name    string
	Matches []string
}

func (e *AmbiguousError) Error() string {
	const most = 5
	more := ""
	if n := len(e.Matches) - most; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%q means several containers: %s%s", Clean(e.Name), strings.Join(e.Matches[:min(most, len(e.Matches))], ", "), more)
}

// Select resolves names. A name means, in this order: full id, exact name,
// compose service (all its replicas), glob (man 7 glob), unique id prefix. Only
// when nothing that exists matches, containers that are gone are looked at.
// Errors are *UnknownError, *AmbiguousError, and path.ErrBadPattern.
func (v *View) Select(names []string) (Selection, error) {
	chosen := make(map[string]bool)
	for _, name := range names {
		ids, err := v.resolve(name)
		if err != nil {
			return Selection{}, err
		}
		for _, id := range ids {
			chosen[id] = true
		}
	}
	return v.selection(chosen), nil
}

func (v *View) resolve(name string) ([]string, error) {
	var existing, gone []Container
	for _, c := range v.facts.Containers {
		if c.Gone.IsZero() {
			existing = append(existing, c)
		} else {
			gone = append(gone, c)
		}
	}
	for _, set := range [][]Container{existing, gone} {
		if ids, err := match(name, set); len(ids) > 0 || err != nil {
			return ids, err
		}
	}
	return nil, &UnknownError{Name: name, Near: near(name, existing)}
}

// match returns nothing when nothing matches.
func match(name string, set []Container) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	if ids := idsOf(set, func(c Container) bool { return c.ID == name }); len(ids) > 0 {
		return ids, nil
	}
	if ids := idsOf(set, func(c Container) bool { return c.Name == name }); len(ids) > 0 {
		return ids, nil
	}
	if ids := idsOf(set, func(c Container) bool { return c.Service == name }); len(ids) > 0 {
		return ids, oneProject(name, set)
	}
	if strings.ContainsAny(name, `*?[\`) {
		if _, err := path.Match(name, ""); err != nil {
			return nil, fmt.Errorf("container pattern %q: %w", Clean(name), err)
		}
		return idsOf(set, func(c Container) bool { ok, _ := path.Match(name, c.Name); return ok }), nil
	}
	ids := idsOf(set, func(c Container) bool { return strings.HasPrefix(c.ID, strings.ToLower(name)) })
	if len(ids) > 1 {
		return nil, &AmbiguousError{Name: name, Matches: labels(set, func(c Container) bool { return slices.Contains(ids, c.ID) })}
	}
	return ids, nil
}

// oneProject refuses a service of the same name in several compose projects.
func oneProject(service string, set []Container) error {
	projects := make(map[string]bool)
	of := func(c Container) bool { return c.Service == service }
	for _, c := range set {
		if of(c) {
			projects[c.Project] = true
		}
	}
	if len(projects) < 2 {
		return nil
	}
	return &AmbiguousError{Name: service, Matches: labels(set, of)}
}

func idsOf(set []Container, is func(Container) bool) (ids []string) {
	for _, c := range set {
		if is(c) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func labels(set []Container, is func(Container) bool) (out []string) {
	for _, c := range set {
		if is(c) {
			out = append(out, fmt.Sprintf("%s (%s)", c.Name, shortID(c.ID)))
		}
	}
	return out
}

// selection gathers what is surely the selected containers', and what surely
// is not. What a selected and another container share is in neither list.
func (v *View) selection(chosen map[string]bool) Selection {
	var s Selection
	shared := make(map[uint32]bool) // by a container that was not chosen
	for _, c := range v.facts.Containers {
		if c.Running() && !chosen[c.ID] {
			shared[c.Netns] = true
		}
	}
	for _, c := range v.facts.Containers {
		if !chosen[c.ID] {
			continue
		}
		s.Containers = append(s.Containers, c)
		if c.CgroupID != 0 && c.Stopped.IsZero() && c.Gone.IsZero() { // its process may not be known yet
			s.Cgroups = append(append(s.Cgroups, c.CgroupID), c.SubCgroups...)
		}
		if c.Running() && c.Netns != 0 && c.Netns != v.facts.Host && !shared[c.Netns] {
			s.Netns = append(s.Netns, c.Netns)
		}
	}
	s.Addrs, s.Others = v.addrsBy(chosen)
	slices.Sort(s.Netns)
	s.Netns = slices.Compact(s.Netns)
	slices.Sort(s.Cgroups)
	return s
}

// addrsBy divides the addresses of running containers by whether all, or none
// of their owners were chosen.
func (v *View) addrsBy(chosen map[string]bool) (inside, outside []netip.Addr) {
	in, out := make(map[netip.Addr]bool), make(map[netip.Addr]bool)
	for _, c := range v.facts.Containers {
		if !c.Running() {
			continue
		}
		for _, a := range c.Addrs {
			if chosen[c.ID] {
				in[a] = true
			} else {
				out[a] = true
			}
		}
	}
	// A nested engine may use addresses that are the host's own too.
	shared := func(other map[netip.Addr]bool) func(netip.Addr, bool) bool {
		return func(a netip.Addr, _ bool) bool { return other[a] || v.hostAddr[a] }
	}
	both := maps.Clone(in)
	maps.DeleteFunc(in, shared(out))
	maps.DeleteFunc(out, shared(both))
	return slices.SortedFunc(maps.Keys(in), netip.Addr.Compare), slices.SortedFunc(maps.Keys(out), netip.Addr.Compare)
}
