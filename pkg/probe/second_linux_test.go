package probe

import (
	"errors"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
)

// The programs read no clock to know how long ago a packet was split: Read tells them
// the second.
func TestReadTellsTheSecond(t *testing.T) {
	lab.Lock(t)
	p, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	t.Cleanup(func() {
		if err := errors.Join(<-done, p.Close()); err != nil {
			t.Error(err)
		}
	})
	second := func() (s uint32) {
		if err := p.coll.Variables["hs_second"].Get(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	go func() { done <- p.Read(t.Context(), 0, Records{Journey: func([]byte) {}}) }()
	lab.Eventually(t, "two seconds have passed", func() bool { return second() >= p.second+2 })
	if told, passed := second()-p.second, time.Since(p.opened); time.Duration(told)*time.Second > passed {
		t.Errorf("%d s told, %v passed", told, passed)
	}
}
