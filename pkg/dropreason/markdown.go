package dropreason

import (
	"fmt"
	"strings"
)

// Markdown is a table as docs/drops.md has it.
func Markdown(title string, reasons []Reason) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | means | what to do |\n|-|-|-|\n", title)
	for _, r := range reasons {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(r.Names, "`, `"), r.Meaning, r.Mend)
	}
	return b.String()
}
