package topology

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// now is the summary so far.
func (tr trace) now() model.Snapshot {
	tr.t.Helper()
	s, err := tr.Snapshot("")
	if err != nil {
		tr.t.Fatal(err)
	}
	return s
}

// seen waits until the summary has a path between two ends.
func (tr trace) seen(from, to end) {
	tr.t.Helper()
	lab.Eventually(tr.t, from.name+" -> "+to.name, func() bool {
		return slices.ContainsFunc(tr.now().Paths, func(p model.Path) bool {
			return end{p.From.Kind, p.From.Name} == from && end{p.To.Kind, p.To.Name} == to
		})
	})
}

func stateOf(s model.Snapshot, id string) string {
	for _, c := range s.Containers {
		if c.ID == id {
			return c.State
		}
	}
	return ""
}

// between is the flow from one container to another over a bridge, hop by hop.
func between(client, server, network string, atLeast uint64) flow {
	return flow{client: container(client), server: container(server), network: network, port: 8000, atLeast: atLeast,
		request:  way(sends(client), bridges(network), enters(server), locks("eth0 of "+server)),
		response: way(sends(server), bridges(network), enters(client), locks("eth0 of "+client))}
}

// life counts what leaves a container until it is over.
func (tr trace) life(c *lab.Container) (over func() *counting) {
	tr.t.Helper()
	n := birth{c.Netns, "eth0", 0}.count(tr.t)
	return func() *counting {
		time.Sleep(quiet) // its last packets
		n.stop()
		return n
	}
}

// Containers are started, renamed, paused, restarted and removed while they
// are traced: each has its right name before and after.
func TestContainersComeAndGo(t *testing.T) {
	lab.Lock(t)
	lab.BridgeNF(t, false)
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	tr := begin(t, pipeline.Options{})
	asks := tr.life(client)
	ask := func(c *lab.Container) {
		t.Helper()
		wantOK(t, client.Run("rr", "--count", "100", c.IP(front).String()+":8000"), 100)
	}

	web := shop.Container(lab.ContainerSpec{
		Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"},
		Labels: map[string]string{"com.docker.compose.service": "front", "com.docker.compose.project": "shop"},
	})
	id, before := web.ID, web.Name
	first := tr.life(web)
	ask(web)
	tr.seen(container(client.Name), container(before))

	after := shop.Name("renamed")
	if err := shop.Client.ContainerRename(context.Background(), id, after); err != nil {
		t.Fatal(err)
	}
	tr.seen(container(client.Name), container(after))

	counted := []*counting{first()}
	web.Restart()
	second := tr.life(web)
	ask(web)
	tr.seen(container(after), container(client.Name))

	if err := shop.Client.ContainerPause(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "it is paused", func() bool { return stateOf(tr.now(), id) == "paused" })
	if err := shop.Client.ContainerUnpause(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "it runs again", func() bool { return stateOf(tr.now(), id) == "running" })
	ask(web)

	counted = append(counted, second(), asks())
	web.Remove()
	lab.Eventually(t, "it is removed", func() bool { return stateOf(tr.now(), id) == "removed" })
	got := tr.end()
	if got.find(flow{proto: "tcp", port: 8000}, "request", container(client.Name), container(before)) != nil {
		t.Errorf("a part of the traffic keeps the name that %s had", after)
	}
	got.wantWhole(t, []flow{between(client.Name, after, front.Name, 300)}, counted...)
	for _, c := range got.Snapshot.Containers {
		if c.ID == id && (c.Service == nil || *c.Service != "front" || c.Project == nil || *c.Project != "shop") {
			t.Errorf("its compose labels: %+v", c)
		}
	}
	if t.Failed() {
		got.print(t)
	}
}

// A replica of a selected service that starts during the trace joins it; what
// does not match stays out.
func TestReplicasJoin(t *testing.T) {
	lab.Lock(t)
	lab.BridgeNF(t, false)
	shop := lab.NewShop(t)
	front := shop.Network(lab.NetworkSpec{Name: "front"})
	service := func(name, service string) *lab.Container {
		return shop.Container(lab.ContainerSpec{Name: name, Networks: []*lab.Network{front}, Args: []string{"serve"},
			Labels: map[string]string{"com.docker.compose.service": service, "com.docker.compose.project": "shop"}})
	}
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	first, other := service("web-1", "hopscope-web"), service("db-1", "hopscope-db")
	tr := begin(t, pipeline.Options{Containers: []string{"hopscope-web"}})
	next := service("web-2", "hopscope-web")
	lab.Eventually(t, "the kernel's filter has the new replica", func() bool {
		return slices.ContainsFunc(tr.Selected(), func(c inventory.Container) bool { return c.ID == next.ID && c.Running() && c.Netns != 0 })
	})
	lives := []func() *counting{tr.life(first), tr.life(next)}
	for _, c := range []*lab.Container{first, next, other} {
		wantOK(t, client.Run("rr", "--count", "200", c.IP(front).String()+":8000"), 200)
	}
	counted := []*counting{lives[0](), lives[1]()}
	got := tr.end()
	got.wantWhole(t, []flow{between(client.Name, first.Name, front.Name, 200), between(client.Name, next.Name, front.Name, 200)}, counted...)
	for _, p := range got.Snapshot.Paths {
		if p.From.Name == other.Name || p.To.Name == other.Name {
			t.Errorf("a path that nobody asked for: %s -> %s", p.From.Name, p.To.Name)
		}
	}
}

// The engine goes away, by SIGTERM or by SIGKILL, and comes back while tracing
// goes on: known containers keep their names, and what started meanwhile gets
// its own.
func TestEngineRestartsDuringATrace(t *testing.T) {
	lab.Lock(t)
	lab.BridgeNF(t, false)
	t.Run("stopped", func(t *testing.T) { engineRestarts(t, (*lab.Private).Stop) })
	t.Run("killed", func(t *testing.T) { engineRestarts(t, (*lab.Private).Kill) })
}

func engineRestarts(t *testing.T, leave func(*lab.Private)) {
	t.Helper()
	engine := lab.PrivateEngine(t, "--live-restore")
	shop := engine.Shop()
	front := shop.Network(lab.NetworkSpec{Name: "front", Subnet: "10.213.0.0/24"})
	web := shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{front}, Args: []string{"serve"}})
	t.Cleanup(engine.Start) // to remove the container, should the test fail without an engine
	machine := lab.Machine(t)
	at := web.IP(front).String() + ":8000"
	tr := begin(t, pipeline.Options{DockerHost: engine.Host})
	notes := func() int { return len(tr.Inventory().Notes()) }

	served := tr.life(web)
	leave(engine)
	lab.Eventually(t, "the loss is said", func() bool { return notes() > 0 })
	wantOK(t, machine.Run("rr", "--count", "300", at), 300)
	tr.seen(host(), container(web.Name))
	engine.Start()
	lab.Eventually(t, "the engine is back", func() bool { return notes() == 0 })
	client := shop.Container(lab.ContainerSpec{Name: "client", Networks: []*lab.Network{front}})
	wantOK(t, client.Run("rr", "--count", "300", at), 300)
	tr.seen(container(client.Name), container(web.Name))

	counted := served()
	got := tr.end()
	bridge := "bridge " + front.Name
	ofHost := between("", web.Name, front.Name, 300)
	ofHost.client = host()
	ofHost.request = way(hostSends(bridge), bridges(front.Name), enters(web.Name), locks("eth0 of "+web.Name))
	ofHost.response = way(sends(web.Name), bridges(front.Name), hostTakes(bridge), locks(bridge))
	got.wantWhole(t, []flow{ofHost, between(client.Name, web.Name, front.Name, 300)}, counted)
	if t.Failed() {
		got.print(t)
	}
}
