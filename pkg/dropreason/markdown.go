package dropreason

import (
	"fmt"
	"strings"
)

// Markdown is the table as docs/drops.md has it.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| reason | means | what to do |\n|-|-|-|\n")
	for _, r := range All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(r.Names, "`, `"), r.Meaning, r.Mend)
	}
	return b.String()
}
