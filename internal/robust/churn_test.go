package robust

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// Containers come and go while they are traced. Each lives for a second, sends
// packets, and is removed as soon as it has ended: each must have its name in
// the end. The long version (HOPSCOPE_LONG=1) makes 500.
func TestChurn(t *testing.T) {
	p := newPair(t)
	n := 24
	if os.Getenv("HOPSCOPE_LONG") == "1" {
		n = churnLong
	}
	s := begin(t, "trace", "--no-save", "--format", "json", "--sample", "1", "-v")
	s.says(t, "procfs:")
	load := p.client.Start("rr", "--count", fmt.Sprint(100*n), "--rate", "200", p.at)
	ids, rate := p.comeAndGo(t, n)
	t.Logf("%d containers, %.1f a second", n, rate)
	wantOK(t, load.Wait(), uint64(100*n))
	if kb := rss(t, s.cmd.Process.Pid); kb > 300<<10 {
		t.Errorf("the program takes %d kB", kb)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	o := s.wait(t)
	o.wantDone(t)
	sum := parse(t, o.stdout)
	sum.wantBalanced(t)

	r := ids.judge(sum)
	t.Logf("%d by name, %d by id alone, %d not seen, %d with packets of others", r.named, r.byID, r.missed, r.mixed)
	// Namespaces and addresses are used again at once: what is missed then goes to
	// the next one. The long run holds the strict rule.
	most := n / 3
	if n == churnLong {
		most = n / 50
	}
	if r.named < n-most {
		t.Errorf("of %d containers only %d have their name", n, r.named)
	}
	if n == churnLong && r.mixed > 0 {
		t.Errorf("%d containers have packets of others", r.mixed)
	}
}

// churnLong is how many containers the long version makes.
const churnLong = 500

// mortals are the names of containers by their ids.
type mortals map[string]string

// fate is what became of them in the summary.
type fate struct{ named, byID, missed, mixed int }

// judge looks for each container among the ends of the paths. One that made 10
// requests over one connection gets some 13 packets.
func (m mortals) judge(s summary) (f fate) {
	const most = 20
	seen := make(map[string]bool)
	mixed := make(map[string]bool)
	for _, path := range s.Paths {
		for _, end := range []struct{ id, name string }{{path.From.ContainerID, path.From.Name}, {path.To.ContainerID, path.To.Name}} {
			name, ours := m[end.id]
			if !ours {
				continue
			}
			mixed[end.id] = mixed[end.id] || end.id == path.To.ContainerID && path.Journeys > most
			if !seen[end.id] {
				seen[end.id] = true
				if name == end.name {
					f.named++
				} else {
					f.byID++
				}
			}
		}
	}
	for _, bad := range mixed {
		if bad {
			f.mixed++
		}
	}
	f.missed = len(m) - len(seen)
	return f
}

// comeAndGo makes n containers that each make 10 requests and end, eight at a
// time, and removes each as soon as it has ended. It gives the names by id.
func (p *pair) comeAndGo(t *testing.T, n int) (ids mortals, rate float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	info, err := p.shop.Client.ContainerInspect(ctx, p.web.ID)
	if err != nil {
		t.Fatal(err)
	}
	ids = make(mortals)
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	begun := time.Now()
	for range 8 {
		wg.Go(func() {
			for i := range next {
				name := p.shop.Name(fmt.Sprintf("churn-%d", i))
				id, err := p.live(ctx, info.Config.Image, name)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				mu.Lock()
				ids[id] = name
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return ids, float64(n) / time.Since(begun).Seconds()
}

// live is the whole life of one container.
func (p *pair) live(ctx context.Context, image, name string) (string, error) {
	c := p.shop.Client
	made, err := c.ContainerCreate(ctx,
		&container.Config{Image: image, Cmd: []string{"rr", "--count", "10", "--rate", "10", p.at}},
		&container.HostConfig{NetworkMode: container.NetworkMode(p.net.Name)},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{p.net.Name: {}}}, nil, name)
	if err != nil {
		return "", err
	}
	ended, failed := c.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	if err := c.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return made.ID, err
	}
	select {
	case <-ended:
	case err := <-failed:
		return made.ID, err
	}
	return made.ID, c.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true})
}
