package capture

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// An inventory with more than fits is stored without what is gone longest, which is
// told; the trace goes on.
func TestInventoryTooLarge(t *testing.T) {
	long := strings.Repeat("x", 4096)
	for what, label := range map[string]string{"bytes": long, "values": ""} {
		f := inventory.Facts{Containers: []inventory.Container{{ID: "alive", Name: "web"}}}
		n := 4500
		if label == "" {
			n = 60_000
		}
		for i := range n {
			f.Containers = append(f.Containers, inventory.Container{
				ID: fmt.Sprint(i), Name: fmt.Sprintf("job-%d", i), Service: label, Gone: time.Unix(int64(1000+i), 0),
			})
		}
		w, path := create(t, Options{Head: testHead()})
		ok(t, w.Inventory(5, f))
		made := newTraffic(1)
		ok(t, w.Journey(made.next(), nil))
		ok(t, w.Close(End{Ended: "duration"}))
		c, damage, _ := read(t, path)
		if len(c.inventories) != 1 || len(c.journeys) != 1 || damage.Blocks+uint64(damage.Skipped) != 0 {
			t.Fatalf("%s: %d inventories, %d journeys, %v", what, len(c.inventories), len(c.journeys), damage)
		}
		kept := c.inventories[0].Facts.Containers
		if uint64(len(kept))+damage.Names != uint64(n+1) || damage.Names == 0 || len(kept) < n/8 {
			t.Errorf("%s: %d kept, %d told to be left out, of %d", what, len(kept), damage.Names, n+1)
		}
		if kept[0].ID != "alive" || kept[len(kept)-1].ID != fmt.Sprint(n-1) {
			t.Errorf("%s: kept %s to %s", what, kept[0].ID, kept[len(kept)-1].ID)
		}
	}
}

// Where not even what exists fits, a part of it is stored, and told.
func TestInventoryOfTheLivingTooLarge(t *testing.T) {
	f := inventory.Facts{Containers: []inventory.Container{{ID: "a", Name: "web"}, {ID: "b", Image: strings.Repeat("x", maxPayload)}}}
	for i := range 4 {
		f.Devices = append(f.Devices, inventory.Device{Ifindex: uint32(i + 1), Name: "eth0"})
	}
	w, path := create(t, Options{Head: testHead()})
	ok(t, w.Inventory(5, f))
	ok(t, w.Status(testStatus(6)))
	ok(t, w.Close(End{Ended: "duration"}))
	c, damage, _ := read(t, path)
	if len(c.inventories) != 1 || len(c.ends) != 1 || damage.Names != 3 || !strings.Contains(damage.String(), "3 containers, devices") {
		t.Fatalf("%d inventories, %v", len(c.inventories), damage)
	}
	if got := c.inventories[0].Facts; len(got.Containers) != 1 || got.Containers[0].Name != "web" || len(got.Devices) != 2 {
		t.Errorf("%+v", got)
	}
}
