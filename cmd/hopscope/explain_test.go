package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/hopscope/hopscope/pkg/dropreason"
)

func TestExplain(t *testing.T) {
	var out bytes.Buffer
	if err := explain(&out, []string{"skb_drop_reason_netfilter_drop"}); err != nil || !strings.HasPrefix(out.String(), "NETFILTER_DROP\n") || !strings.Contains(out.String(), "mend: ") {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := explain(&out, nil); err != nil || strings.Count(out.String(), "\n  mend: ") != len(dropreason.Everything()) {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := explain(&out, []string{"tlp", "veth_xmit+0x1c2"}); err != nil || !strings.Contains(out.String(), "tail loss probe") || !strings.Contains(out.String(), "ring of 256") {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := explain(&out, []string{"NETFILTER"}); exitCode(err) != 2 || !strings.Contains(err.Error(), "NETFILTER_DROP") {
		t.Errorf("%v", err)
	}
	if code := run(context.Background(), []string{"trace", "--explain", "--format", "json"}); code != 2 {
		t.Errorf("--explain with --format json: exit %d", code)
	}
}
