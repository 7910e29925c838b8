package capture

import (
	"os"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
)

// maxSearched bounds the file in which findings are looked for before its end is
// written, in bytes: some seconds of reading.
const maxSearched = 64 << 20

// Found is what a report will find in a file that is flushed and will end with e. It
// is for a part of a trace, which has findings of its own. Of a file that cannot be
// read, or is too large to be read again, it is nothing: the report finds them.
func Found(path string, e End) []model.Finding {
	if info, err := os.Stat(path); err != nil || info.Size() > maxSearched {
		return nil
	}
	r, err := Open(path)
	if err != nil {
		return nil
	}
	defer r.Close()
	agg := model.New(model.Limits{})
	s, err := Replay(r, agg, Filter{})
	if err != nil {
		return nil
	}
	s.Meta.Ended, s.Meta.Duration = e.Ended, time.Duration(e.Status.DurationNs)
	s.Meta.Accounting, s.Meta.Cost = e.Status.Accounting, e.Status.Cost
	return s.Snapshot(agg).Findings
}
