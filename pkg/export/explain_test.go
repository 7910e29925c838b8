package export

import (
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/dropreason"
	"github.com/hopscope/hopscope/pkg/model"
)

// Where the kernel tells no reason, each function that tells one is explained.
func TestExplainByFunction(t *testing.T) {
	s := model.Snapshot{Drops: []model.Drop{
		{Reason: dropreason.Untold, Location: "veth_xmit+0x1c2"}, {Reason: dropreason.Untold, Location: "veth_xmit+0x2c2"},
		{Reason: dropreason.Untold, Location: "some_function"}, {Reason: dropreason.Untold, Location: "another"},
	}}
	got := strings.Join(strings.Fields(render(t, s, Options{Explain: true})), " ")
	for _, c := range []struct{ name, location string }{{"NOT_SPECIFIED in veth_xmit", "veth_xmit"}, {"NOT_SPECIFIED", ""}} {
		r, _ := dropreason.At(dropreason.Untold, c.location)
		if want := c.name + ": " + r.Meaning + " mend: " + r.Mend; strings.Count(got, want) != 1 {
			t.Errorf("not there once: %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, " mend: "); n != 2 {
		t.Errorf("%d explanations, want 2:\n%s", n, got)
	}
}

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
