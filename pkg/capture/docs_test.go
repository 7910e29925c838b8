package capture

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestDocumented: docs/capture-format.md names what is in a file.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/capture-format.md")
	ok(t, err)
	text := string(b)
	need := []string{fmt.Sprintf("format **%d.%d**", Major, Minor), "`" + extraDrops + "`", "`" + extraRetransmits + "`",
		"`" + extraCounters + "`", "`" + extraExchange + "`", "`" + extraConnect + "`", "`" + extraAccept + "`", "`" + extraResets + "`"}
	for _, v := range []any{Head{}, Sampling{}, Inventory{}, Status{}, Server{}, End{}, symbolTable{}} {
		for i := range reflect.TypeOf(v).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			need = append(need, `"`+name+`"`)
		}
	}
	for k := kindHead; k <= kindEnd; k++ {
		need = append(need, fmt.Sprintf("\n| %d | ", k))
	}
	for s := sectionStart; s < firstUnassigned; s++ {
		if s <= sectionSig || s > sectionSig+len(sigWords)-1 {
			need = append(need, fmt.Sprintf("\n| %d", s))
		}
	}
	for _, n := range need {
		if !strings.Contains(text, n) {
			t.Errorf("docs/capture-format.md does not say %q", n)
		}
	}
}
