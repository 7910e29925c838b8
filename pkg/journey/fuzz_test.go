package journey

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

// FuzzDecode: no input panics, and what is accepted adds up and survives a
// round trip.
func FuzzDecode(f *testing.F) {
	f.Add(recordV4)
	f.Add(append(append([]byte{}, recordV4...), 0, 0, 0, 0))
	f.Add(recordV4[:sizeHead])
	f.Fuzz(func(t *testing.T, raw []byte) {
		var j, again Journey
		if Decode(raw, &j) != nil {
			return
		}
		checkTimes(t, raw, &j)
		out := AppendRaw(nil, &j)
		// All but start and first delta, whose sum is what counts.
		const first = sizeHead + offStopIfindex
		end := sizeHead + len(j.Stops)*sizeStop
		if !bytes.Equal(out[offCgroupSrc:sizeHead], raw[offCgroupSrc:sizeHead]) || !bytes.Equal(out[first:], raw[first:end]) {
			t.Fatalf("encoded again\n got %v\nwant %v", out, raw[:end])
		}
		if err := Decode(out, &again); err != nil || !reflect.DeepEqual(j, again) {
			t.Fatalf("decoded again: %v\n got %+v\nwant %+v", err, again, j)
		}
	})
}

func checkTimes(t *testing.T, raw []byte, j *Journey) {
	t.Helper()
	var total, sum time.Duration
	for off := sizeHead + sizeStop; off < sizeHead+len(j.Stops)*sizeStop; off += sizeStop {
		unit := time.Duration(1)
		if StopFlags(raw[off+offStopFlags])&StopCoarse != 0 {
			unit = 1024
		}
		total += unit * time.Duration(le.Uint32(raw[off:]))
	}
	for _, h := range j.Hops(nil) {
		if h.Duration < 0 {
			t.Fatalf("hop lasts %v", h.Duration)
		}
		sum += h.Duration
	}
	if total != j.Total() || sum != total {
		t.Fatalf("deltas sum to %v, hops to %v, journey lasts %v", total, sum, j.Total())
	}
	j.DiedIn()
}
