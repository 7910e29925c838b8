package main

import (
	"bytes"
	"strconv"
	"testing"
)

// unpacked is an entry as the kernel's init/initramfs.c reads it.
type unpacked struct {
	name string
	mode uint64
	data []byte
}

func unpackCPIO(t *testing.T, archive []byte) []unpacked {
	t.Helper()
	const header = 110
	align := func(n int) int { return (n + 3) &^ 3 }
	var entries []unpacked
	for len(archive) > 0 {
		if len(archive) < header || string(archive[:6]) != "070701" {
			t.Fatalf("no header at %d bytes before the end", len(archive))
		}
		field := func(i int) uint64 {
			n, err := strconv.ParseUint(string(archive[6+8*i:14+8*i]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		mode, size, nameSize := field(1), int(field(6)), int(field(11))
		name := string(archive[header : header+nameSize-1])
		begin := align(header + nameSize)
		entries = append(entries, unpacked{name, mode, archive[begin : begin+size]})
		archive = archive[align(begin+size):]
	}
	return entries
}

func TestCPIO(t *testing.T) {
	var c cpio
	c.dir("bin")
	c.file("bin/odd", []byte("12345"))
	c.file("bin/empty", nil)
	var second cpio
	second.file("init", []byte{1, 2, 3, 4})
	got := unpackCPIO(t, append(c.bytes(), second.bytes()...))
	want := []unpacked{
		{"bin", 0o040755, nil}, {"bin/odd", 0o100755, []byte("12345")}, {"bin/empty", 0o100755, nil}, {"TRAILER!!!", 0, nil},
		{"init", 0o100755, []byte{1, 2, 3, 4}}, {"TRAILER!!!", 0, nil},
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].name != want[i].name || got[i].mode != want[i].mode || !bytes.Equal(got[i].data, want[i].data) {
			t.Errorf("entry %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestCPIOParentsComeFirstAndOnce(t *testing.T) {
	var c cpio
	made := map[string]bool{}
	c.parents("/lib/x86_64-linux-gnu/libc.so.6", made)
	c.parents("/lib/ld.so", made)
	var names []string
	for _, e := range unpackCPIO(t, c.bytes()) {
		names = append(names, e.name)
	}
	if len(names) != 3 || names[0] != "lib" || names[1] != "lib/x86_64-linux-gnu" {
		t.Errorf("directories %v", names)
	}
}
