package capture

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

var update = flag.Bool("update", false, "write testdata/v1.hop and what it holds anew: only before a format is released")

// golden is what testdata/v1.hop holds.
type golden struct {
	Head        Head
	Journeys    []journey.Journey
	Inventory   []Inventory
	Statuses    []Status
	Servers     []Server
	Findings    []model.Finding
	Extras      []Extra
	Drops       []Drops
	Retransmits []Retransmits
	Ends        []End
}

// TestFirstFormat: files of the first format stay readable for ever.
func TestFirstFormat(t *testing.T) {
	const path, text = "testdata/v1.hop", "testdata/v1.json"
	if *update {
		writeGolden(t, path)
	}
	c, damage, head := read(t, path)
	got := golden{head, c.journeys, c.inventories, c.statuses, c.servers, c.findings, c.extras, c.drops, c.retransmits, c.ends}
	if *update {
		ok(t, os.WriteFile(text, asJSON(t, got), 0o644))
	}
	b, err := os.ReadFile(text)
	ok(t, err)
	var want golden
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a field that was renamed or removed
	ok(t, d.Decode(&want))
	if damage.Any() || !reflect.DeepEqual(got, want) {
		t.Errorf("damage %v\n got %+v\nwant %+v", damage, got, want)
	}
}

func writeGolden(t *testing.T, path string) {
	t.Helper()
	w, err := Create(path, Options{Head: testHead(), Symbols: kernelNames{}, Overwrite: true})
	ok(t, err)
	made := newTraffic(3)
	ok(t, w.Inventory(1, testFacts()))
	ok(t, w.Servers([]Server{{6, made.conns[0].server}}))
	for i := range 6 {
		j := made.next()
		if i == 4 {
			j = dropped(j)
		}
		ok(t, w.Journey(j, nil))
	}
	ok(t, w.Extra(Extra{"dns", 1, 7, []byte("data")}))
	ok(t, w.Drops(dropsInForward(3)))
	ok(t, w.Retransmits(retransmitted(4)))
	ok(t, w.Status(testStatus(2)))
	ok(t, w.Findings([]model.Finding{{Kind: "slow_hop", Text: "text"}}))
	ok(t, w.Close(End{Ended: "duration", Status: testStatus(3)}))
}
