package dropreason

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/drops.md")

const page = "../../docs/drops.md"

func TestDocumented(t *testing.T) {
	for name, want := range map[string]string{
		"reasons":     Markdown("reason", All()),
		"functions":   Markdown("function", Functions()),
		"retransmits": Markdown("kind", Retransmits()),
	} {
		begin := "<!-- " + name + ": written by go test ./pkg/dropreason -update -->\n"
		end := "<!-- end of " + name + " -->\n"
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, ok := strings.Cut(string(b), begin)
		table, tail, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no table of %s", page, name)
		}
		if *update {
			if err := os.WriteFile(page, []byte(head+begin+want+end+tail), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if table != want {
			t.Errorf("%s differs: go test ./pkg/dropreason -update writes it", page)
		}
	}
}

func TestEachReasonIsExplainedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Everything() {
		if len(r.Names) == 0 || r.Meaning == "" || r.Mend == "" || strings.Contains(r.Meaning+r.Mend, "|") {
			t.Errorf("%+v", r)
		}
		for _, n := range r.Names {
			if seen[n] || n != Clean(n) && n != strings.ToLower(n) {
				t.Errorf("%s is there twice, or with a prefix", n)
			}
			seen[n] = true
		}
	}
}

// Without a reason the function explains, if it is known; with one it does not matter.
func TestAt(t *testing.T) {
	for _, c := range []struct{ reason, location, want string }{
		{Untold, "veth_xmit+0x1c2", "veth_xmit"},
		{"SKB_DROP_REASON_NOT_SPECIFIED", "validate_xmit_skb.isra.0+0x9c", "validate_xmit_skb"},
		{Untold, "some_function+0x9c", Untold},
		{Untold, "0xffffffff81234567", Untold},
		{Untold, "", Untold},
		{"NO_SOCKET", "__udp4_lib_rcv+0x9c", "NO_SOCKET"},
	} {
		if r, ok := At(c.reason, c.location); !ok || r.Names[0] != c.want {
			t.Errorf("%s at %q: %v, want %s", c.reason, c.location, r, c.want)
		}
	}
	if r, ok := At("NO_SUCH_REASON", "veth_xmit+0x1c2"); ok {
		t.Errorf("%v", r)
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"NETFILTER_DROP", "SKB_DROP_REASON_NETFILTER_DROP", " netfilter_drop "} {
		if r, ok := Find(name); !ok || r.Names[0] != "NETFILTER_DROP" {
			t.Errorf("%q: %v, %v", name, r, ok)
		}
	}
	if r, ok := Find("NO_SUCH_REASON"); ok {
		t.Errorf("%v", r)
	}
	if r, ok := FindRetransmit("rto"); !ok || !strings.Contains(r.Meaning, "timeout") {
		t.Errorf("%v, %v", r, ok)
	}
	if near := Near("listen"); len(near) < 2 {
		t.Errorf("near listen: %v", near)
	}
	if near := Near(""); near != nil {
		t.Errorf("near nothing: %v", near)
	}
}
