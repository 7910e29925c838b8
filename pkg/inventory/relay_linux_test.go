package inventory_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/inventory"
)

// relay stands before the engine, so that a test can take the engine away and
// bring it back without touching it.
type relay struct {
	t    *testing.T
	path string

	mu    sync.Mutex
	in    net.Listener
	conns []net.Conn
}

func (r *relay) start() {
	r.t.Helper()
	in, err := net.Listen("unix", r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.in = in
	r.mu.Unlock()
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			go r.join(c)
		}
	}()
}

func (r *relay) join(c net.Conn) {
	engine, err := net.Dial("unix", "/var/run/docker.sock")
	if err != nil {
		_ = c.Close()
		return
	}
	r.mu.Lock()
	r.conns = append(r.conns, c, engine)
	r.mu.Unlock()
	go func() { _, _ = io.Copy(engine, c) }()
	_, _ = io.Copy(c, engine)
}

func (r *relay) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.in.Close()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

// While the engine is away, known containers keep their names, new ones are
// known by their ids, and all is caught up with when it comes back.
func TestEngineGoesAndComesBack(t *testing.T) {
	lab.Lock(t)
	shop := lab.NewShop(t)
	old := shop.Container(lab.ContainerSpec{Name: "old"})
	r := &relay{t: t, path: filepath.Join(t.TempDir(), "docker.sock")}
	r.start()
	t.Cleanup(r.stop)
	inv := open(t, inventory.Options{DockerHost: "unix://" + r.path})
	if notes := inv.Notes(); len(notes) > 0 {
		t.Errorf("something is missing: %q", notes)
	}

	r.stop()
	soon(t, "the loss is said", func() bool { return strings.Contains(strings.Join(inv.Notes(), ""), "does not answer") })
	fresh := shop.Container(lab.ContainerSpec{Name: "fresh"})
	soon(t, "the new one is known by its id", func() bool {
		c, ok := inv.View().Container(fresh.ID)
		was, _ := inv.View().Container(old.ID)
		return ok && c.Name == fresh.ID[:12] && c.Running() && was.Name == old.Name && was.Running()
	})

	r.start()
	soon(t, "the new one is known by its name", func() bool {
		c, _ := inv.View().Container(fresh.ID)
		where, _ := inv.View().Where(inv.View().HostNetns(), uint32(fresh.Links[0].HostIndex))
		return c.Name == fresh.Name && len(c.Former) == 0 && len(inv.Notes()) == 0 && where == "veth of "+fresh.Name
	})
	later := shop.Container(lab.ContainerSpec{Name: "later"})
	soon(t, "events come again", func() bool {
		c, _ := inv.View().Container(later.ID)
		return c.Running() && c.Name == later.Name
	})
}
