package export

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/model"
)

// What was met is explained, once each, and nothing else is.
func TestExplain(t *testing.T) {
	s := model.Snapshot{
		Drops: []model.Drop{{Reason: "NO_SOCKET"}, {Reason: "NO_SOCKET"}},
		TCP: []model.TCP{
			{Retransmits: model.Retransmits{Total: 3, RetransmitKinds: model.RetransmitKinds{SYNACK: 2, TLP: 1}}},
			{Retransmits: model.Retransmits{Total: 1, RetransmitKinds: model.RetransmitKinds{TLP: 1}}},
		},
	}
	got := strings.Join(strings.Fields(render(t, s, Options{Explain: true})), " ")
	for _, name := range []string{"NO_SOCKET", "SYN-ACK", "TLP"} {
		r, ok := dropreason.Find(name)
		if !ok {
			r, _ = dropreason.FindRetransmit(strings.ReplaceAll(name, "-", ""))
		}
		if want := name + ": " + r.Meaning + " mend: " + r.Mend; strings.Count(got, want) != 1 {
			t.Errorf("not there once: %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, " mend: "); n != 3 {
		t.Errorf("%d explanations of 3 things that were met", n)
	}
	if got := render(t, s, Options{}); strings.Contains(got, "mend: ") {
		t.Errorf("explained though nobody asked:\n%s", got)
	}
}
