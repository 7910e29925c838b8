package probe

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/hopscope/hopscope/pkg/crash"
)

// loadCollection is [ebpf.NewCollectionWithOptions], but for the programs, of which as
// many are loaded at a time as there are CPUs: the verifier takes nearly all the time.
func loadCollection(spec *ebpf.CollectionSpec, types *btf.Cache) (*ebpf.Collection, error) {
	only := *spec
	only.Programs = nil
	coll, err := ebpf.NewCollectionWithOptions(&only, ebpf.CollectionOptions{Cache: types})
	if err != nil {
		return nil, err
	}
	names := longestFirst(spec.Programs)
	programs, errs := make([]*ebpf.Program, len(names)), make([]error, len(names))
	var loads sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		free <- struct{}{}
		loads.Add(1)
		crash.Go(func() {
			defer loads.Done()
			programs[i], errs[i] = loadProgram(spec, name, coll.Maps, types)
			<-free
		})
	}
	loads.Wait()
	for i, name := range names {
		if programs[i] != nil {
			coll.Programs[name] = programs[i]
		}
	}
	if err := cmp.Or(errs...); err != nil {
		coll.Close()
		return nil, err
	}
	return coll, nil
}

// longestFirst has no CPU begin with a long one when the others are done.
func longestFirst(programs map[string]*ebpf.ProgramSpec) []string {
	return slices.SortedFunc(maps.Keys(programs), func(a, b string) int {
		return cmp.Compare(len(programs[b].Instructions), len(programs[a].Instructions))
	})
}

// loadProgram loads one program of spec, whose maps are there.
func loadProgram(spec *ebpf.CollectionSpec, name string, made map[string]*ebpf.Map, types *btf.Cache) (*ebpf.Program, error) {
	only := *spec
	only.Programs = map[string]*ebpf.ProgramSpec{name: spec.Programs[name]}
	only.Variables = nil
	coll, err := ebpf.NewCollectionWithOptions(&only, ebpf.CollectionOptions{
		Cache: types, MapReplacements: made, Programs: ebpf.ProgramOptions{LogLevel: verifierLog},
	})
	if err != nil {
		return nil, err
	}
	defer coll.Close()
	return coll.DetachProgram(name), nil
}
