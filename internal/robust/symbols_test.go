package robust

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/internal/lab/program"
)

// Where the kernel hides the addresses of its functions, drops are counted by
// reason, and places are addresses. What the function alone would tell from a
// loss is neither told as one nor kept quiet about.
func (p *pair) hiddenSymbols(t *testing.T) {
	lab.Sysctl(t, "kernel/kptr_restrict", "2")
	lab.BridgeNF(t, true)
	refused := lab.DropRule(t, lab.HostNetns, "ip", "forward", "ip saddr "+p.client.IP(p.net).String()+" udp dport 8000")
	closed := netip.AddrPortFrom(p.web.IP(p.net), 8222).String()
	r := program.Start(t, "trace", "--no-save", "--format", "json", "--sample", "1", "--container", p.client.Name, "--container", p.web.Name)
	r.Tracing(t)
	wantOK(t, p.client.Run("short", "--count", "50", p.at), 50)
	p.client.Run("udp", "--echo=false", "--count", "200", "--rate", "2000", p.at)
	before := lab.ProtocolCount(t, p.web.PID, "snmp", "Udp", "NoPorts")
	p.client.Run("udp", "--echo=false", "--count", "100", "--rate", "1000", closed)
	s := summaryOf(t, r)
	noPorts := lab.ProtocolCount(t, p.web.PID, "snmp", "Udp", "NoPorts") - before

	got := map[string]uint64{}
	for _, d := range s.Drops {
		if d.To.Name == p.web.Name || d.From.Name == p.web.Name {
			got[d.Reason+" in "+d.Hop] += d.Count
			if !strings.HasPrefix(d.Location, "0x") || len(d.Stack) == 0 {
				t.Errorf("a location without a name is %q, its stack %v", d.Location, d.Stack)
			}
		}
	}
	t.Logf("%v, notes %v", got, s.Accounting.Notes)
	for group, want := range map[string]uint64{"NETFILTER_DROP in forward": refused(), "NO_SOCKET in stack_rx": noPorts} {
		if got[group] != want || want < 90 {
			t.Errorf("%s: %d, the kernel counts %d", group, got[group], want)
		}
		delete(got, group)
	}
	if len(got) != 0 {
		t.Errorf("healthy traffic was dropped: %v", got)
	}
	if s.Accounting.Notes["freed_unclear"] == 0 {
		t.Error("nothing is unclear; the connections' TIME_WAIT sockets freed packets without a reason")
	}

	o := program.Run(t, "doctor", "--json")
	o.WantDone(t)
	var doctor struct {
		Sections []struct {
			Checks []struct{ Name, Status, Lost, Mend string }
		}
	}
	if err := json.Unmarshal([]byte(o.Stdout), &doctor); err != nil {
		t.Fatal(err)
	}
	for _, section := range doctor.Sections {
		for _, c := range section.Checks {
			if c.Name == "kernel symbols" && c.Status != "ok" && strings.Contains(c.Mend, "kptr_restrict") {
				return
			}
		}
	}
	t.Errorf("doctor does not say that symbols are hidden: %s", o.Stdout)
}
