package truth

import (
	"cmp"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hopscope/hopscope/internal/lab"
	"github.com/hopscope/hopscope/pkg/model"
	"github.com/hopscope/hopscope/pkg/pipeline"
)

// netfilterDrops are the rows of what netfilter dropped of web's datagrams.
func (p *pair) netfilterDrops(r result) (sum uint64, rows []model.Drop) {
	for _, d := range r.Snapshot.Drops {
		if d.Reason == "NETFILTER_DROP" && d.Proto == "udp" && d.To.Name == p.web.Name {
			sum += d.Count
			rows = append(rows, d)
		}
	}
	return sum, rows
}

func wantRows(t *testing.T, rows []model.Drop, hop, stage, rule string) {
	t.Helper()
	for _, d := range rows {
		if d.Hop != hop || text(d.Stage) != stage {
			t.Errorf("dropped in %s, stage %v, want %s and %s: %+v", d.Hop, text(d.Stage), hop, stage, d)
		}
		if d.Rule == nil || !strings.HasPrefix(*d.Rule, rule) {
			t.Errorf("rule %q, want %q", text(d.Rule), rule)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return "(null)"
	}
	return *s
}

// Rules drop some of the datagrams from one container to another, at each stage
// that has rules; their counters, the place and the rule are told.
func TestNetfilterDrops(t *testing.T) {
	p := sharedPair(t)
	lab.BridgeNF(t, true)
	from := "ip saddr " + p.client.IP(p.net).String() + " udp dport 8000"
	half := from + " numgen random mod 2 == 0"
	host := lab.HostNetns
	for _, c := range []struct {
		name       string
		chain      lab.Chain
		match      string
		sample     uint32
		hop, stage string
	}{
		{"raw", lab.Chain{Netns: host, Hook: "prerouting", Priority: -300}, half, 1, "prerouting", "raw"},
		{"mangle", lab.Chain{Netns: host, Hook: "prerouting", Priority: -150}, half, 1, "prerouting", "mangle"},
		{"before NAT", lab.Chain{Netns: host, Hook: "prerouting", Priority: -101}, half, 1, "prerouting", "mangle"},
		{"at DNAT", lab.Chain{Netns: host, Hook: "prerouting", Priority: -100}, half, 1, "prerouting", "dnat"},
		// It sees the first packet of a connection alone, and there is none while
		// it drops that.
		{"DNAT itself", lab.Chain{Netns: host, Type: "nat", Hook: "prerouting", Priority: -101}, from, 1, "prerouting", "dnat"},
		{"filter before routing", lab.Chain{Netns: host, Hook: "prerouting"}, half, 1, "prerouting", "filter"},
		{"filter", lab.Chain{Netns: host, Hook: "forward"}, half, 1, "forward", "filter"},
		{"filter, sampled", lab.Chain{Netns: host, Hook: "forward"}, half, 128, "forward", "filter"},
		{"raw, sampled", lab.Chain{Netns: host, Hook: "prerouting", Priority: -300}, half, 128, "prerouting", "raw"},
		{"filter after routing", lab.Chain{Netns: host, Hook: "postrouting"}, half, 1, "postrouting", "filter"},
		{"at SNAT, sampled", lab.Chain{Netns: host, Hook: "postrouting", Priority: 100}, half, 128, "postrouting", "snat"},
		{"SNAT itself", lab.Chain{Netns: host, Type: "nat", Hook: "postrouting", Priority: 99}, from, 1, "postrouting", "snat"},
		// After FORWARD of br_netfilter, in the family of the bridge.
		{"bridge", lab.Chain{Netns: host, Family: "bridge", Hook: "forward"}, "ether type ip " + half, 1, "bridge", "(null)"},
		{"bridge, sampled", lab.Chain{Netns: host, Family: "bridge", Hook: "forward"}, "ether type ip " + half, 128, "bridge", "(null)"},
		{"input of the container", lab.Chain{Netns: p.web.Netns, Hook: "input"}, half, 1, "stack_rx", "filter"},
		{"output of the container", lab.Chain{Netns: p.client.Netns, Hook: "output"}, half, 1, "output", "filter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dropped := lab.DropRuleAt(t, c.chain, c.match)
			tr := begin(t, pipeline.Options{Sample: c.sample})
			sent := p.client.Run("udp", "--echo=false", "--count", "1000", p.at)
			r := tr.end()
			r.WantExact(t)
			want := dropped()
			got, rows := p.netfilterDrops(r)
			t.Logf("%d sent, the rule dropped %d, counted %d in %d groups", sent.OK+sent.Errors, want, got, len(rows))
			if got != want || want < 300 {
				t.Errorf("%d drops, the rule dropped %d: %+v", got, want, r.Snapshot.Drops)
			}
			wantRows(t, rows, c.hop, c.stage, lab.DropRuleName(cmp.Or(c.chain.Family, "ip")))
		})
	}
}

// Datagrams that waited in a socket are freed by its reader without a trace. What
// is dropped at their addresses, before it was anywhere, is not them. The reader
// stops now and then, so that many wait.
func TestDropsAtTheAddressesOfWhatWasRead(t *testing.T) {
	const sent = 60_000
	p := sharedPair(t)
	dropped := lab.DropRuleAt(t, lab.Chain{Netns: p.client.Netns, Hook: "output"}, "udp dport 8000 numgen random mod 2 == 0")
	tr := begin(t, pipeline.Options{})
	load := p.client.Start("udp", "--echo=false", "--count", strconv.Itoa(sent), p.at)
	for range 60 {
		signal(t, p.web.PID, syscall.SIGSTOP)
		time.Sleep(2 * time.Millisecond)
		signal(t, p.web.PID, syscall.SIGCONT)
		time.Sleep(2 * time.Millisecond)
	}
	load.Wait()
	r := tr.end()
	r.WantExact(t)
	want := dropped()
	got, rows := p.netfilterDrops(r)
	t.Logf("the rule dropped %d, counted %d; %v", want, got, r.Counts.Endings)
	if got != want || want < sent/3 {
		t.Errorf("%d drops, the rule dropped %d", got, want)
	}
	wantRows(t, rows, "output", "filter", lab.DropRuleName("ip"))
}

// iptables' counters are those of nf_tables, or its own.
func TestIptablesDrops(t *testing.T) {
	p := sharedPair(t)
	lab.BridgeNF(t, true)
	for _, c := range []struct{ program, table, chain, hop, stage, rule string }{
		{lab.Iptables(), "raw", "PREROUTING", "prerouting", "raw", "ip raw PREROUTING rule 1 "},
		{"iptables-legacy", "filter", "FORWARD", "forward", "filter", "ip filter FORWARD rule 1 (iptables-legacy)"},
	} {
		t.Run(c.program, func(t *testing.T) {
			dropped := p.dropByIptables(t, c.program, c.table, c.chain)
			tr := begin(t, pipeline.Options{})
			sent := p.client.Run("udp", "--echo=false", "--count", "1000", p.at)
			r := tr.end()
			want := dropped()
			got, rows := p.netfilterDrops(r)
			t.Logf("%d sent, the rule dropped %d, counted %d", sent.OK, want, got)
			if got != want || want < 200 {
				t.Errorf("%d drops, the rule dropped %d: %+v", got, want, r.Snapshot.Drops)
			}
			wantRows(t, rows, c.hop, c.stage, c.rule)
		})
	}
}

// dropByIptables has the first rule of a chain drop four of ten datagrams to web.
func (p *pair) dropByIptables(t *testing.T, program, table, chain string) (dropped func() uint64) {
	t.Helper()
	spec := []string{chain, "-p", "udp", "-s", p.client.IP(p.net).String(), "--dport", "8000",
		"-m", "statistic", "--mode", "random", "--probability", "0.4", "-j", "DROP"}
	iptables := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(program, append([]string{"-w", "-t", table}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v: %s", program, args, err, out)
		}
		return string(out)
	}
	iptables(append([]string{"-I"}, spec...)...)
	t.Cleanup(func() { iptables(append([]string{"-D"}, spec...)...) })
	return func() uint64 {
		t.Helper()
		fields := strings.Fields(withoutRemarks(iptables("-L", chain, "1", "-v", "-x", "-n")))
		n, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// withoutRemarks leaves out what iptables says of tables of its other variant.
func withoutRemarks(text string) string {
	var rules []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			rules = append(rules, line)
		}
	}
	return strings.Join(rules, "")
}
