package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// object is an ELF file that has nothing but a section .modinfo (elf(5)).
func object(modinfo string) []byte {
	const headerSize, sectionSize, sections = 64, 64, 3
	names := "\x00.modinfo\x00.shstrtab\x00"
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01" + string(make([]byte, 9)))
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // a buffer takes everything
		}
	}
	tables := uint64(headerSize + len(modinfo) + len(names))
	put(uint16(1), uint16(62), uint32(1), uint64(0), uint64(0), tables, uint32(0),
		uint16(headerSize), uint16(0), uint16(0), uint16(sectionSize), uint16(sections), uint16(2))
	b.WriteString(modinfo + names)
	section := func(name, kind uint32, offset, size int) {
		put(name, kind, uint64(0), uint64(0), uint64(offset), uint64(size), uint32(0), uint32(0), uint64(1), uint64(0))
	}
	section(0, 0, 0, 0)
	section(1, 1, headerSize, len(modinfo))
	section(10, 3, headerSize+len(modinfo), len(names))
	return b.Bytes()
}

// fakeTree writes a kernel's modules: by path, what each depends on.
func fakeTree(t *testing.T, modules map[string]string, builtin string) kernel {
	t.Helper()
	k := kernel{version: "1.2.3", root: t.TempDir()}
	dir := filepath.Join(k.root, "lib/modules/1.2.3")
	write := func(path string, data []byte) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("modules.builtin", []byte(builtin))
	for path, depends := range modules {
		write(path, object("license=GPL\x00depends="+depends+"\x00name=x\x00"))
	}
	return k
}

func TestClosurePutsDependenciesFirst(t *testing.T) {
	k := fakeTree(t, map[string]string{
		"kernel/net/nft-nat.ko":  "nf_tables,nf-nat",
		"kernel/net/nf-nat.ko":   "nf_conntrack",
		"kernel/nf_conntrack.ko": "libcrc32c",
		"kernel/nf_tables.ko":    "nf_conntrack",
		"kernel/unused.ko":       "",
	}, "kernel/lib/libcrc32c.ko\n")
	tree, err := readModuleTree(k)
	if err != nil {
		t.Fatal(err)
	}
	list, err := tree.closure(context.Background(), []string{"crc32c_generic", "nft_nat", "nf_tables"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range list {
		names = append(names, m.name)
	}
	if want := []string{"nf_conntrack", "nf_tables", "nf_nat", "nft_nat"}; !slices.Equal(names, want) {
		t.Errorf("loaded in the order %v, want %v", names, want)
	}
}

func TestClosureMissesModules(t *testing.T) {
	tree, err := readModuleTree(fakeTree(t, map[string]string{"kernel/veth.ko": "gone"}, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bridge", "veth"} {
		if list, err := tree.closure(context.Background(), []string{name}); err == nil {
			t.Errorf("%s: %v", name, list)
		}
	}
}

func TestKernelFindsItsFilesInOldAndNewPackages(t *testing.T) {
	old := fakeTree(t, nil, "")
	if got := old.moduleDir(); got != filepath.Join(old.root, "lib/modules/1.2.3") {
		t.Errorf("modules in %s", got)
	}
	newer := filepath.Join(old.root, "usr/lib/modules/1.2.3")
	if err := os.MkdirAll(newer, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := old.moduleDir(); got != newer {
		t.Errorf("modules in %s, want %s", got, newer)
	}
	if got := old.vmlinuz(); got != filepath.Join(newer, "vmlinuz") {
		t.Errorf("kernel is %s", got)
	}
}

func TestUnsigned(t *testing.T) {
	code := object("license=GPL\x00")
	signature := []byte("thirteen byte")
	header := binary.BigEndian.AppendUint32(make([]byte, 8), uint32(len(signature)))
	const mark = "~Module signature appended~\n"
	signed := slices.Concat(code, signature, header, []byte(mark))
	for name, c := range map[string]struct{ in, want []byte }{
		"signed":           {signed, code},
		"not signed":       {code, code},
		"longer than all":  {[]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff" + mark), []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff" + mark)},
		"mark and no more": {[]byte(mark), []byte(mark)},
	} {
		if got := unsigned(c.in); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %d bytes of %d, want %d", name, len(got), len(c.in), len(c.want))
		}
	}
}
