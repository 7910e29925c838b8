package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// modules are loaded at the guest's start, in this order, those that they
// depend on before them. The kernel cannot ask for more: there is no modprobe.
var modules = []string{
	"crc32c_generic", // a soft dependency of nf_conntrack's checksums
	"virtio_pci", "virtio_net",
	"veth", "bridge", "br_netfilter", "tun", "vxlan", "macvlan",
	"nf_conntrack", "nf_nat", "nf_tables", "nft_chain_nat", "nft_ct", "nft_nat", "nft_masq", "nft_limit", "nft_counter",
	"sch_netem", "sch_tbf", "sch_htb", "sch_fq_codel",
	"tcp_diag", "udp_diag",
}

// optional modules are built in, or not needed, where they are not there.
var optional = map[string]bool{"crc32c_generic": true, "virtio_pci": true, "nft_counter": true}

// moduleTree finds modules by name and reads them.
type moduleTree struct {
	paths   map[string]string
	builtin map[string]bool
}

func readModuleTree(k kernel) (moduleTree, error) {
	t := moduleTree{paths: map[string]string{}, builtin: map[string]bool{}}
	err := filepath.WalkDir(k.moduleDir(), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.Contains(entry.Name(), ".ko") {
			t.paths[moduleName(path)] = path
		}
		return err
	})
	if err != nil {
		return t, fmt.Errorf("modules of Linux %s: %w", k.version, err)
	}
	list, err := os.ReadFile(filepath.Join(k.moduleDir(), "modules.builtin"))
	if err != nil {
		return t, fmt.Errorf("modules of Linux %s: %w", k.version, err)
	}
	for path := range strings.Lines(string(list)) {
		t.builtin[moduleName(strings.TrimSpace(path))] = true
	}
	return t, nil
}

// moduleName is the name that the kernel knows: of nf-nat.ko.xz it is nf_nat.
func moduleName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// module is one that is ready to be loaded.
type module struct {
	name string
	code []byte
}

// closure gives the modules, each behind those that it depends on.
func (t moduleTree) closure(ctx context.Context, names []string) ([]module, error) {
	var order []module
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if seen[name] || t.builtin[name] {
			return nil
		}
		seen[name] = true
		path, ok := t.paths[name]
		if !ok && optional[name] {
			return nil
		}
		if !ok {
			return fmt.Errorf("the kernel's packages hold no module %s", name)
		}
		code, err := moduleCode(ctx, path)
		if err != nil {
			return err
		}
		depends, err := dependencies(code)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for _, d := range depends {
			if err := add(d); err != nil {
				return fmt.Errorf("for module %s: %w", name, err)
			}
		}
		order = append(order, module{name, unsigned(code)})
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

func moduleCode(ctx context.Context, path string) ([]byte, error) {
	if !strings.HasSuffix(path, ".xz") {
		return os.ReadFile(path)
	}
	code, err := exec.CommandContext(ctx, "xz", "-dc", path).Output()
	if err != nil {
		return nil, fmt.Errorf("xz -dc %s: %w", path, err)
	}
	return code, nil
}

// unsigned leaves out the signature behind a module, which a kernel does without
// unless it is locked down, and which an emulator takes long to check. Its length
// stands in the last four bytes before the mark (struct module_signature in
// include/linux/module_signature.h).
func unsigned(code []byte) []byte {
	const mark, header = "~Module signature appended~\n", 12
	signed, ok := bytes.CutSuffix(code, []byte(mark))
	if !ok || len(signed) < header {
		return code
	}
	tail := int(binary.BigEndian.Uint32(signed[len(signed)-4:])) + header
	if tail > len(signed) {
		return code
	}
	return signed[:len(signed)-tail]
}

// dependencies reads "depends=a,b" of the section .modinfo (modpost writes it).
func dependencies(code []byte) ([]string, error) {
	file, err := elf.NewFile(bytes.NewReader(code))
	if err != nil {
		return nil, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for entry := range bytes.SplitSeq(info, []byte{0}) {
		list, ok := strings.CutPrefix(string(entry), "depends=")
		if ok && list != "" {
			return strings.Split(strings.ReplaceAll(list, "-", "_"), ","), nil
		}
	}
	return nil, nil
}
