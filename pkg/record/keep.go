package record

import (
	"errors"
	"time"

	"github.com/hopscope/hopscope/pkg/capture"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// RingBytes bounds the memory of what a [Ring] keeps, compressed: where it is
// too small for the time asked for, the oldest goes first.
const RingBytes = 256 << 20

// Ring keeps the last minutes of a session in memory until they are saved.
type Ring struct {
	*Recording
	ring *capture.Ring
}

// StartRing keeps about the last keep of what the session records. Nothing is
// written yet: whether o.Path can be, [capture.TryCreate] tells now.
func StartRing(s *pipeline.Session, o Options, keep time.Duration) (*Ring, error) {
	k := &Ring{}
	var err error
	k.Recording, err = start(s, o, func(c capture.Options) (*capture.Writer, error) {
		var err error
		k.ring, err = capture.NewRing(c, keep, RingBytes)
		if err != nil {
			return nil, err
		}
		return k.ring.Writer, nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Save ends the ring and writes what it keeps, with the session's state as
// meta has it.
func (k *Ring) Save(meta model.Meta, failure error) error {
	err := errors.Join(k.halt(), k.inventory(meta), k.w.Status(k.statusOf(meta)))
	end := k.endOf(meta, failure)
	if k.redacted() {
		end = end.Redacted()
	}
	if err == nil {
		err = k.ring.Save(k.path, end, false)
	}
	return errors.Join(err, k.w.Abandon())
}

// Discard ends the ring and writes nothing.
func (k *Ring) Discard() error { return errors.Join(k.halt(), k.w.Abandon()) }

func (k *Ring) redacted() bool {
	_, ok := k.w.(*capture.Redaction)
	return ok
}
