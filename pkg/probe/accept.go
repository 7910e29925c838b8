package probe

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// acceptFunction is where accept(2) fetches a TCP connection. It has no
// tracepoint; a program at its end needs what not every kernel, and not every
// sandbox, allows: a trampoline.
const acceptFunction = "inet_csk_accept"

// acceptParams is how many parameters the function has, 0 where it cannot be
// traced. That is tried with an empty program.
func acceptParams(spec *btf.Spec, types *btf.Cache) int {
	var f *btf.Func
	if spec.TypeByName(acceptFunction, &f) != nil {
		return 0
	}
	proto, ok := f.Type.(*btf.FuncProto)
	if !ok || tryExit(acceptFunction, types) != nil {
		return 0
	}
	return len(proto.Params)
}

// tryExit attaches an empty program to a function's end, and takes it away.
func tryExit(function string, types *btf.Cache) error {
	const name = "hs_try"
	if err := rlimit.RemoveMemlock(); err != nil {
		return err
	}
	coll, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{name: {
			Name: name, Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFExit, AttachTo: function, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		}},
	}, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return err
	}
	defer coll.Close()
	l, err := link.AttachTracing(link.TracingOptions{Program: coll.Programs[name]})
	return errors.Join(err, closeLink(l))
}

func closeLink(l link.Link) error {
	if l == nil {
		return nil
	}
	return l.Close()
}
