package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"regexp"
	"testing"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/inventory"
)

const recording = "../../../tui/testdata/shop.hop"

// TestRecordingNamesNobody: what is committed is of the shop, and tells nothing of
// the machine that it was recorded on.
func TestRecordingNamesNobody(t *testing.T) {
	file, err := os.Stat(recording)
	if err != nil {
		t.Fatal(err)
	}
	if file.Size() > 150_000 {
		t.Errorf("it has %d bytes", file.Size())
	}
	r, err := capture.Open(recording)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := r.Head()
	if h.Host != recordedHost || !regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`).MatchString(h.Kernel) || len(h.Command) != 2 || h.Command[0] != "hopscope" {
		t.Errorf("the head names %q, %q, %q", h.Host, h.Kernel, h.Command)
	}
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	inventories := 0
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Inventory == nil {
			continue
		}
		inventories++
		facts := rec.Inventory.Facts
		text, err := json.Marshal(facts)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(own)) || bytes.Contains(text, []byte(`"/`)) {
			t.Errorf("host name or paths: %s", text)
		}
		if again, err := json.Marshal(ofTheShop(facts)); err != nil || !bytes.Equal(text, again) {
			t.Errorf("%v: more than the shop: %s", err, text)
		}
		for _, addr := range addresses(facts) {
			outside := regexp.MustCompile(`^(198\.51\.100\.|2001:db8:)`).MatchString(addr.String()) // the lab's
			if !addr.IsPrivate() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !outside {
				t.Errorf("the address %v", addr)
			}
		}
	}
	if inventories == 0 {
		t.Error("nothing exists")
	}
}

func addresses(f inventory.Facts) (out []netip.Addr) {
	for _, d := range f.Devices {
		out = append(out, d.Addrs...)
	}
	return out
}
