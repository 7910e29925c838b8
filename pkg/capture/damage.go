package capture

import (
	"fmt"
	"strings"
)

// Damage is what a reader found missing up to where it has read.
type Damage struct {
	NoEnd    bool   // the capture was cut short: killed, or copied in part
	Cut      int64  // bytes at the end of the file that are no whole block
	Skipped  int64  // bytes within the file that are damaged
	Blocks   uint64 // blocks lost, as their numbers tell
	Journeys uint64 // journeys lost for certain; more may be, when NoEnd
	Unknown  uint64 // journeys that only a newer version understands
	Names    uint64 // containers, devices and their like for which the inventory had no room, the longest gone first
}

// Any reports whether anything is missing.
func (d Damage) Any() bool { return d != Damage{} }

// String is one sentence, "" when nothing is missing.
func (d Damage) String() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if d.NoEnd {
		add("it was cut short: what came after its last whole block is missing")
	}
	if d.Cut > 0 {
		add("%d bytes at its end are half a block", d.Cut)
	}
	if d.Skipped > 0 {
		add("%d bytes are damaged and were left out", d.Skipped)
	}
	if d.Blocks > 0 {
		add("blocks lost: %d", d.Blocks)
	}
	if d.Journeys > 0 {
		add("journeys lost: %d", d.Journeys)
	}
	if d.Unknown > 0 {
		add("%d journeys were left out, which only a newer hopscope understands", d.Unknown)
	}
	if d.Names > 0 {
		add("%d containers, devices and their like, the longest gone first, have no name, for there were too many", d.Names)
	}
	if len(parts) == 0 {
		return ""
	}
	return "the capture is incomplete: " + strings.Join(parts, "; ")
}
