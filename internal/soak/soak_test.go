package soak

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/outcome"
	"github.com/hopscope/hopscope/internal/lab/program"
	"github.com/hopscope/hopscope/pkg/model"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// lengthVariable says for how long to soak, such as 10m.
const lengthVariable = "HOPSCOPE_SOAK"

// rounds are made at least: growth shows only over several.
const rounds = 3

// world is what two tracers watch while it changes.
type world struct {
	engine  *lab.Private
	shop    *lab.Shop
	net     *lab.Network
	machine *lab.Host
	web     *lab.Container
	at      string // where web answers
	mortals int    // containers that lived and died
	auto    *watched
	all     *watched
}

// TestSoak has two tracers watch containers that come and go, an engine that is
// restarted and killed, addresses that are used again, and bursts that overflow
// a small ring and make the sample rate change.
func TestSoak(t *testing.T) {
	lab.Lock(t)
	length, err := time.ParseDuration(cmp.Or(os.Getenv(lengthVariable), "1s"))
	if err != nil {
		t.Fatalf("%s: %v", lengthVariable, err)
	}
	w := newWorld(t)
	w.begin(t)
	begun := time.Now()
	for n := 0; n < rounds || time.Since(begun) < length; n++ {
		w.round(t, n)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d rounds in %s, %d containers", len(w.auto.rss), time.Since(begun).Round(time.Second), w.mortals)
	auto, all := w.auto.end(t), w.all.end(t)
	w.auto.wantFlat(t, w.mortals)
	w.all.wantFlat(t, 0) // its filter keeps the others out
	if rate := auto.Accounting.SampleRate; rate == 1 {
		t.Error("the sample rate never changed")
	}
	if a := all.Accounting; a.Suppressed == 0 {
		t.Errorf("the small ring was never under pressure: %+v", a)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{engine: lab.PrivateEngine(t, "--live-restore")}
	w.shop = w.engine.Shop()
	w.net = w.shop.Network(lab.NetworkSpec{Name: "net", Subnet: "10.213.0.0/24"})
	w.web = w.shop.Container(lab.ContainerSpec{Name: "web", Networks: []*lab.Network{w.net}, Args: []string{"serve"}})
	w.machine = lab.Machine(t)
	w.at = w.web.IP(w.net).String() + ":8000"
	w.ask(t, "rr", 10)
	return w
}

// begin starts the tracers.
func (w *world) begin(t *testing.T) {
	t.Helper()
	host := []string{"trace", "--no-save", "--format", "json", "--docker-host", w.engine.Host, "-v"}
	w.auto = watch(t, "auto", append(host, "--sample", "auto", "--max-overhead", "0.1%")...)
	w.all = watch(t, "all", append(host, "--sample", "1", "--ring-size", "64KiB", "--container", w.web.Name)...)
}

// round is one of everything that changes.
func (w *world) round(t *testing.T, n int) {
	t.Helper()
	w.comeAndGo(t, n)
	w.ask(t, "short", 500) // each connection uses a port again, soon
	w.ask(t, "udp", 2000)
	w.ask(t, "rr", 20_000) // as fast as it goes
	if n%2 == 0 {
		w.engine.Stop()
	} else {
		w.engine.Kill()
	}
	w.ask(t, "rr", 500)
	w.engine.Start()
	w.killOne(t)
	time.Sleep(2 * time.Second) // what is settled after a restart
	w.auto.look(t)
	w.all.look(t)
}

// ask has the host ask web: a client of the engine's would die with it.
func (w *world) ask(t *testing.T, mode string, count int) {
	t.Helper()
	wantOK(t, w.machine.Run(mode, "--count", fmt.Sprint(count), w.at), uint64(count))
}

// wantOK: tracing must not disturb.
func wantOK(t *testing.T, r outcome.Result, n uint64) {
	t.Helper()
	if r.OK != n || r.Errors != 0 {
		t.Errorf("%s: %d ok, %d errors (%s), want %d and none", r.Mode, r.OK, r.Errors, r.FirstError, n)
	}
}

// comeAndGo makes eight containers that live at the same time; the next eight
// get their addresses.
func (w *world) comeAndGo(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const atOnce = 8
	var wg sync.WaitGroup
	for i := range atOnce {
		wg.Go(func() {
			name := w.shop.Name(fmt.Sprintf("mortal-%d-%d", n, i))
			if _, err := w.shop.Mortal(ctx, name, w.net, "rr", "--count", "20", "--rate", "50", w.at); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.mortals += atOnce
}

// killOne starts a third tracer and kills it while it traces.
func (w *world) killOne(t *testing.T) {
	t.Helper()
	r := program.Start(t, "trace", "--no-save", "--sample", "1", "--docker-host", w.engine.Host, "--container", w.web.Name)
	r.Tracing(t)
	w.ask(t, "rr", 200)
	held := lab.ObjectsOf(t, r.Cmd.Process.Pid)
	if err := r.Cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.Wait(t)
	lab.Eventually(t, "what was killed leaves nothing in the kernel", func() bool { return held.Left() == "" })
}

// summary reads the JSON document.
func summary(t *testing.T, document string) model.Snapshot {
	t.Helper()
	var s model.Snapshot
	if err := json.Unmarshal([]byte(document), &s); err != nil {
		t.Fatalf("%v: %.300s", err, document)
	}
	return s
}
