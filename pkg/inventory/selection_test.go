package inventory

import (
	"errors"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"
)

// street has a compose service of two replicas and names that could be ids.
func street() Facts {
	c := func(id, name, service, project string) Container {
		return Container{ID: id, Name: name, Service: service, Project: project, State: "running", PID: 1}
	}
	return Facts{Host: hostNS, Containers: []Container{
		c(id("1a"), "shop-web-1", "web", "shop"),
		c(id("1b"), "shop-web-2", "web", "shop"),
		c(id("2c"), "shop-db-1", "db", "shop"),
		c(id("3d"), "test-db-1", "db", "test"),
		c(id("4e"), "2c", "", ""),  // a name that is another's id prefix
		c(id("5f"), "web", "", ""), // a name that is a service too
		c(id("6a"), "payment-api", "", ""),
		c(id("6b"), id("2c")[:40], "", ""),
	}}
}

func TestSelectOrder(t *testing.T) {
	v := NewView(street())
	for _, tc := range []struct {
		name string
		want []string
	}{
		{id("2c"), []string{"shop-db-1"}},
		{"2c", []string{"2c"}},
		{id("2c")[:40], []string{id("2c")[:40]}},
		{id("2c")[:41], []string{"shop-db-1"}},
		{"web", []string{"web"}},
		{"shop-web-?", []string{"shop-web-1", "shop-web-2"}},
		{"shop-*", []string{"shop-db-1", "shop-web-1", "shop-web-2"}},
		{"[st]*-db-1", []string{"shop-db-1", "test-db-1"}},
		{"5", []string{"web"}},
		{"5F", []string{"web"}},
	} {
		s, err := v.Select([]string{tc.name})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		var got []string
		for _, c := range s.Containers {
			got = append(got, c.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s selects %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestSelectServiceAndSeveralNames(t *testing.T) {
	f := street()
	f.Containers = slices.DeleteFunc(f.Containers, func(c Container) bool { return c.Name == "web" })
	s, err := NewView(f).Select([]string{"web", "shop-web-1", "payment-api"})
	if err != nil || len(s.Containers) != 3 {
		t.Errorf("%d containers, %v; want both replicas once and payment-api", len(s.Containers), err)
	}
}

func TestSelectErrors(t *testing.T) {
	v := NewView(street())
	var unknown *UnknownError
	if _, err := v.Select([]string{"web", "paymnet-api"}); !errors.As(err, &unknown) || unknown.Name != "paymnet-api" ||
		!slices.Equal(unknown.Near, []string{"payment-api"}) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"", "zzz", "nomatch*"} {
		if _, err := v.Select([]string{name}); !errors.As(err, &unknown) || len(unknown.Near) > 0 {
			t.Errorf("%q: got %v", name, err)
		}
	}
	var ambiguous *AmbiguousError
	if _, err := v.Select([]string{"1"}); !errors.As(err, &ambiguous) || len(ambiguous.Matches) != 2 {
		t.Errorf("got %v", err)
	}
	_, err := v.Select([]string{"db"})
	if !errors.As(err, &ambiguous) || !strings.Contains(err.Error(), "test-db-1") || !strings.Contains(err.Error(), "shop-db-1") {
		t.Errorf("a service of two projects: got %v", err)
	}
	if _, err := v.Select([]string{"[a"}); !errors.Is(err, path.ErrBadPattern) {
		t.Errorf("got %v", err)
	}
	if _, err := v.Select([]string{"\x1b[2J"}); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("escape sequence in %q", err)
	}
}

func TestSelectionForTheFilter(t *testing.T) {
	v := NewView(town())
	s, err := v.Select([]string{"aaweb"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Netns, []uint32{webNS}) || !slices.Equal(s.Cgroups, []uint64{700, 701}) ||
		!slices.Equal(s.Addrs, addrs("172.18.0.2", "172.19.0.2", "2001:db8::2")) || !slices.Equal(s.Others, addrs("172.19.0.3")) {
		t.Errorf("web: %+v", s)
	}
	s, err = v.Select([]string{"ddagent"})
	if err != nil || len(s.Netns) != 0 || !slices.Equal(s.Cgroups, []uint64{730}) || len(s.Addrs) != 0 || len(s.Others) != 4 {
		t.Errorf("a container in the host's namespace: %+v, %v", s, err)
	}
}

// What a selected container shares with another is neither's alone.
func TestSelectionOfSharedNamespace(t *testing.T) {
	f := town()
	f.Containers = append(f.Containers, Container{ID: id("bb"), Name: "side", PID: 71, Netns: webNS, CgroupID: 710,
		Addrs: f.Containers[0].Addrs, Started: at(0)})
	v := NewView(f)
	s, err := v.Select([]string{"side"})
	if err != nil || len(s.Netns) != 0 || !slices.Equal(s.Cgroups, []uint64{710}) || len(s.Addrs) != 0 || !slices.Equal(s.Others, addrs("172.19.0.3")) {
		t.Errorf("one of two: %+v, %v", s, err)
	}
	s, err = v.Select([]string{"side", "aaweb"})
	if err != nil || !slices.Equal(s.Netns, []uint32{webNS}) || len(s.Addrs) != 3 {
		t.Errorf("both: %+v, %v", s, err)
	}
}

func TestSelectStoppedAndGone(t *testing.T) {
	f := town()
	f.Containers[1].PID, f.Containers[1].Stopped = 0, at(1)
	v := NewView(f)
	s, err := v.Select([]string{"ccdb"})
	if err != nil || len(s.Containers) != 1 || len(s.Netns)+len(s.Cgroups)+len(s.Addrs) != 0 {
		t.Errorf("a stopped container: %+v, %v", s, err)
	}
	if s, _ := v.Select([]string{"aaweb"}); slices.Contains(s.Others, netip.MustParseAddr("172.19.0.3")) {
		t.Error("the address of a stopped container is still another's: it is free for anyone")
	}
	f.Containers[1].Gone = at(2)
	f.Containers = append(f.Containers, Container{ID: id("ce"), Name: "ccdb2", PID: 9})
	v = NewView(f)
	if s, err := v.Select([]string{"ccdb"}); err != nil || len(s.Containers) != 1 {
		t.Errorf("a container that is gone: %+v, %v", s, err)
	}
	if s, err := v.Select([]string{"c"}); err != nil || s.Containers[0].Name != "ccdb2" {
		t.Errorf("one that exists comes before one that is gone: %+v, %v", s, err)
	}
}

func TestEdits(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"web", "web", 0}, {"web", "wbe", 1}, {"web", "wep", 1}, {"kitten", "sitting", 3}, {"größe", "grosse", 3}} {
		if got := edits(tc.a, tc.b); got != tc.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
