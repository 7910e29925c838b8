//go:build !matrix

// Any kernel does: the guests of the matrix do without it.

package probe

import (
	"os"
	"path/filepath"
	"testing"
)

// Functions are named with where they begin; data, hidden addresses and what is
// no line of the table are left out.
func TestSymbols(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kallsyms")
	table := "ffffffff81000300 t third\nffffffff81000100 T first\nffffffff81000200 D data\n" +
		"0000000000000000 T hidden\nffffffffc0000000 t of_module\t[veth]\nnonsense\n\nx T y\n"
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSymbols(path)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[uint64]string{
		0xffffffff81000000: "", 0xffffffff81000100: "first", 0xffffffff810002ff: "first",
		0xffffffff81000301: "third", 0xffffffffc0000010: "of_module",
	} {
		if got := s.Name(addr); got != want {
			t.Errorf("%x is in %q, want %q", addr, got, want)
		}
	}
	if len(s.names) != 3 {
		t.Errorf("symbols %v", s.names)
	}
}
