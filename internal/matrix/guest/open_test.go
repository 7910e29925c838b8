//go:build matrix

package guest

import (
	"testing"

	"github.com/hopscope/hopscope/pkg/probe"
)

// The probe opens on every kernel of the matrix.
func TestOpen(t *testing.T) {
	p, err := probe.Open(probe.Config{RingBytes: 1 << 20})
	if err != nil {
		t.Fatalf("open: %+v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
