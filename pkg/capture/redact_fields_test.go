package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/dns"
	"github.com/hopscope/hopscope/pkg/exchange"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/model"
)

// secretFiller sets every field that it is given to something of its own, and
// remembers the names and addresses among them.
type secretFiller struct {
	t       *testing.T
	n       int
	secrets []string
}

func (f *secretFiller) addr() netip.Addr {
	f.n++
	a := netip.AddrFrom4([4]byte{203, 0, 113, byte(f.n)})
	if f.n%2 == 0 {
		a = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(f.n >> 8), 15: byte(f.n)})
	}
	f.secrets = append(f.secrets, a.String())
	return a
}

func (f *secretFiller) fill(v reflect.Value) {
	f.t.Helper()
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(f.addr()))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.AddrPortFrom(f.addr(), 8080)))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.PrefixFrom(f.addr(), 24)))
		return
	case time.Time:
		v.Set(reflect.ValueOf(testHead().StartedAt))
		return
	}
	switch {
	case v.Kind() == reflect.String:
		f.n++
		v.SetString(fmt.Sprintf("secret-%d-", f.n))
		f.secrets = append(f.secrets, v.String())
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	default:
		f.t.Fatalf("there is a %v now: tell how it is redacted, and fill it here", v.Type())
	}
}

func filled[T any](f *secretFiller) (x T) {
	f.fill(reflect.ValueOf(&x).Elem())
	return x
}

// writeFilled writes one record of each kind with every field set.
func writeFilled(t *testing.T) (path string, secrets []string) {
	t.Helper()
	f := &secretFiller{t: t}
	w, path := create(t, Options{Head: Head{Host: "secret-host", Command: []string{"/secret/command"}, Selection: []string{"secret-selection"}}, Symbols: kernelNames{}})
	ok(t, w.Inventory(1, filled[inventory.Facts](f)))
	ok(t, w.Drops(filled[model.DropCount](f)))
	ok(t, w.Retransmits(filled[model.RetransmitCount](f)))
	counter := filled[model.CounterCount](f)
	// The kernel and this program give these names, and no one else.
	counter.Kind, counter.Qdisc, counter.Hook, counter.Stage = model.CountThrottled, "tbf 1:", "forward", model.StageFilter
	ok(t, w.Counters([]model.CounterCount{counter}))
	lookup := filled[dns.Lookup](f)
	ok(t, w.DNS(lookup))
	for _, e := range filledEvents(f) {
		ok(t, w.Sockets(e))
	}
	ok(t, w.Servers([]Server{filled[Server](f)}))
	ok(t, w.Findings([]model.Finding{filled[model.Finding](f)}))
	ok(t, w.Close(End{Ended: "error", Error: "secret-error"}))
	return path, append(f.secrets, "secret")
}

// filledEvents is an event of each kind, also of those that there may be later.
func filledEvents(f *secretFiller) (out []model.SocketEvent) {
	kinds := reflect.TypeFor[model.SocketEvent]()
	for i := range kinds.NumField() {
		var e model.SocketEvent
		own := reflect.New(kinds.Field(i).Type.Elem())
		f.fill(own.Elem())
		reflect.ValueOf(&e).Elem().Field(i).Set(own)
		if x := e.Exchange; x != nil { // what a reader takes
			x.Start, x.Reason, x.Total = 10, exchange.ReasonNone, 0
			for k := range x.Parts {
				x.Parts[k].Kind = exchange.PartWaiting
				x.Total += x.Parts[k].Ns
			}
		}
		out = append(out, e)
	}
	return out
}

// TestEveryFieldIsRedacted: whatever a record gets to hold later, a name or an
// address in it is replaced, in a copy as in a file that is redacted as it is
// written.
func TestEveryFieldIsRedacted(t *testing.T) {
	path, secrets := writeFilled(t)
	copied := filepath.Join(t.TempDir(), "copy.hop")
	_, err := Redact(path, copied, false)
	ok(t, err)
	live := filepath.Join(t.TempDir(), "live.hop")
	x, err := NewRedaction(secretOptions(), func(o Options) (*Writer, error) { return Create(live, o) })
	ok(t, err)
	retell(t, path, x)

	before := unpacked(t, path)
	found := 0
	for _, s := range secrets {
		if inText(before, s) {
			found++
		}
		for name, file := range map[string]string{"copy": copied, "redacted at once": live} {
			if inText(unpacked(t, file), s) {
				t.Errorf("%s: %q is still there", name, s)
			}
		}
	}
	// Those of the fields of a counter and of an exchange that hold something else.
	if left := len(secrets) - found; left > 8 {
		t.Errorf("only %d of %d names and addresses were in the original", found, len(secrets))
	}
	for name, file := range map[string]string{"copy": copied, "redacted at once": live} {
		c, damage, _ := read(t, file)
		c.findings = []model.Finding{{}}                 // the one thing that is left out
		c.journeys, c.statuses, c.extras = nil, nil, nil // of which there are none
		if want, _, _ := read(t, path); damage.Any() || counts(c) != counts(want) {
			t.Errorf("%s: %v, %v records, want %v", name, damage, counts(c), counts(want))
		}
	}
}

// counts are how many records of each kind there are.
func counts(c content) string {
	v := reflect.ValueOf(c)
	text := ""
	for i := range v.NumField() {
		text += fmt.Sprintf("%s %d ", v.Type().Field(i).Name, v.Field(i).Len())
	}
	return text
}

// inText reports whether a name, or an address in either form, is in a file.
func inText(file []byte, s string) bool {
	a, err := netip.ParseAddr(s)
	return bytes.Contains(file, []byte(s)) || err == nil && bytes.Contains(file, a.AsSlice())
}
