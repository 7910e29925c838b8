package lab

// Kept is a fixture that costs seconds to make, and that tests of one process
// use one after the other. It outlives the test that made it, but not another
// process's turn at the [Lock], whose [Sweep] takes it for what a crash left.
// The zero value is ready.
type Kept[T interface{ Use(TB) }] struct {
	value T
	from  *keepsakes // those it is among; nil: not made yet
}

// keepsakes are the kept fixtures of this process's turn at the lock.
type keepsakes struct {
	runner // their TB between the tests, and their clean-ups
	uses   []func(TB)
}

// kept changes under the lock only.
var kept = &keepsakes{}

// Get gives the fixture to t, which holds the [Lock]. What make registers with
// Cleanup waits for [Release].
func (k *Kept[T]) Get(t TB, make func(TB) T) T {
	t.Helper()
	if k.from != kept {
		defer func() {
			if k.from != kept { // make has failed half-way
				kept.remove()
			}
		}()
		k.value = make(keeper{t})
		kept.uses = append(kept.uses, k.value.Use)
		k.from = kept
	}
	k.value.Use(t)
	return k.value
}

// keeper is the TB of the test that makes what is kept.
type keeper struct{ TB }

func (keeper) Cleanup(f func()) { kept.Cleanup(f) }

// remove ends the keepsakes, whose fixtures are made again when they are asked
// for.
func (k *keepsakes) remove() {
	for _, use := range k.uses {
		use(&k.runner)
	}
	k.cleanUp()
	kept = &keepsakes{}
}

// Release removes what this process kept; for the end of its tests.
func Release() error {
	mine := kept
	if len(mine.cleanups) == 0 {
		return nil
	}
	file, err := lock()
	if err != nil {
		return err
	}
	defer file.Close()
	if isOurs(file) { // else another's sweep has removed it
		mine.remove()
	}
	return mine.failure()
}
