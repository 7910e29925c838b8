package robust

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// A container that goes after the engine has told of it, before anything is
// attached, is no error: the trace has no journeys of it, and says why.
func (p *pair) removedMeanwhile(t *testing.T) {
	short := p.shop.Container(lab.ContainerSpec{Name: "short", Networks: []*lab.Network{p.net}, Args: []string{"serve"}})
	id := short.ID
	var once sync.Once
	at := engineBehind(t, func(path string) {
		if strings.HasSuffix(path, "/containers/"+id+"/json") {
			once.Do(short.Remove)
		}
	})
	r := program.Start(t, "trace", "--no-save", "--sample", "1", "--container", short.Name, "--docker-host", at)
	r.Tracing(t)
	if short.ID != "" {
		t.Fatal("the container is still there: nothing is tried")
	}
	wantOK(t, p.client.Run("rr", "--count", "100", p.at), 100)
	o := r.Interrupt(t)
	o.WantDone(t, "tracing "+short.Name)
	if !strings.Contains(o.Stdout, "No journeys") || strings.Contains(o.Stdout, p.web.Name) {
		t.Errorf("stdout: %s", o.Stdout)
	}
}

// One that is stopped is traced as soon as it starts.
func (p *pair) stopped(t *testing.T) {
	late := p.shop.Container(lab.ContainerSpec{Name: "late", Networks: []*lab.Network{p.net}, Args: []string{"serve"}})
	if err := p.shop.Client.ContainerKill(context.Background(), late.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "it has stopped", func() bool {
		c, err := p.shop.Client.ContainerInspect(context.Background(), late.ID)
		return err == nil && !c.State.Running
	})
	// A name that is nearly its own is answered with it, though it does not run.
	program.Run(t, "trace", "--container", late.Name+"r").WantError(t, 4, "did you mean "+late.Name)

	r := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", late.Name)
	r.Says(t, "tracing "+late.Name+" (exited)")
	late.Restart()
	r.Says(t, "tracing also "+late.Name+"\n") // the kernel's filter comes first
	at := late.IP(p.net).String() + ":8000"
	wantOK(t, p.client.Run("rr", "--count", "100", at), 100)
	var there uint64
	for _, path := range summaryOf(t, r).Paths {
		if path.To.Name == late.Name && path.From.Name == p.client.Name {
			there += path.Journeys
		}
	}
	if there < 100 {
		t.Errorf("%d packets to %s", there, late.Name)
	}
	late.Remove()
}

// What joins a running trace is said. Of a selector that becomes ambiguous, too:
// what it meant before is traced on, the new one is not.
func (p *pair) joins(t *testing.T) {
	const service = "hopscope-joins"
	of := func(name, project string) *lab.Container {
		return p.shop.Container(lab.ContainerSpec{Name: name, Networks: []*lab.Network{p.net}, Args: []string{"serve"},
			Labels: map[string]string{"com.docker.compose.service": service, "com.docker.compose.project": project}})
	}
	first := of("join-1", "one")
	r := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", service)
	r.Says(t, "tracing "+first.Name+"\n")
	next := of("join-2", "one")
	r.Says(t, "tracing also "+next.Name+"\n")
	first.Restart()
	r.Says(t, "tracing also "+first.Name+"\n")
	stranger := of("join-3", "two")
	r.Says(t, fmt.Sprintf("note: by now %q means several containers: ", service))
	for _, c := range []*lab.Container{first, next, stranger} {
		wantOK(t, p.client.Run("rr", "--count", "50", c.IP(p.net).String()+":8000"), 50)
	}
	journeys := map[string]uint64{}
	for _, path := range summaryOf(t, r).Paths {
		journeys[path.To.Name] += path.Journeys
	}
	if journeys[first.Name] < 50 || journeys[next.Name] < 50 || journeys[stranger.Name] > 0 {
		t.Errorf("packets by where they went: %v", journeys)
	}
	if strings.Contains(r.Stderr.String(), "also "+stranger.Name) {
		t.Errorf("stderr: %s", r.Stderr.String())
	}
}

// engineBehind is the engine's socket behind another one: asked is called with the
// path of each request when its answer is known, before it is given.
func engineBehind(t *testing.T, asked func(path string)) string {
	t.Helper()
	return engineThrough(t, func(r *http.Response) error {
		asked(r.Request.URL.Path)
		return nil
	})
}

// engineThrough is the engine with answers that change may have changed.
func engineThrough(t *testing.T, change func(*http.Response) error) string {
	t.Helper()
	engine := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", "/var/run/docker.sock")
	}}
	t.Cleanup(engine.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport:      engine,
		FlushInterval:  -1, // events come one by one
		ModifyResponse: change,
	}
	return fakeEngine(t, proxy.ServeHTTP)
}
