// Package export writes snapshots, one file a format.
package export

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/hopscope/hopscope/pkg/model"
)

// JSON writes a snapshot as one document by docs/summary.schema.json.
func JSON(w io.Writer, s model.Snapshot) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
