package record

import (
	"time"

	"github.com/hopscope/hopscope/pkg/inventory"
)

// inventoryRate bounds what inventories take of a file, in bytes a second. An
// inventory is stored whole, with the dead: where containers come and go all the
// time it is hundreds of kilobytes and never the same. Names are joined from the
// last one, so that those between matter only in a file that is cut short.
const inventoryRate = 4 << 10

// pace stores what exists as often as its size allows.
type pace struct {
	w interface {
		Inventory(at uint64, facts inventory.Facts) error
		InventorySize() int
	}
	last *inventory.View // that was stored
	next uint64          // CLOCK_MONOTONIC, ns: not before
}

// follow is told what exists every now and then. at is CLOCK_MONOTONIC, ns.
func (p *pace) follow(at uint64, v *inventory.View) error {
	if v == p.last || at < p.next {
		return nil
	}
	return p.store(at, v)
}

// store stores what exists in any case.
func (p *pace) store(at uint64, v *inventory.View) error {
	if err := p.w.Inventory(at, v.Facts()); err != nil {
		return err
	}
	p.last = v
	p.next = at + uint64(p.w.InventorySize())*uint64(time.Second)/inventoryRate
	return nil
}
