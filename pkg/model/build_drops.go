package model

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/journey"
)

// dropName is one group of drops by name.
type dropName struct {
	reason, hop, where, device, location string
	container, attributed                string
	from, to                             inventory.Endpoint
	proto                                uint8
	port                                 uint16
	stage                                Stage
	netns                                uint32 // where netfilter dropped it, else 0
}

// drops lists what was lost, and counts the other classes.
func (b *builder) drops(a *Aggregator) ([]Drop, map[Class]uint64) {
	classRules := dropRules()
	classes := map[Class]uint64{}
	sums := map[dropName]dropSum{}
	for k, n := range a.drops {
		d := b.dropName(a, k, n.stack)
		class := classify(classRules, Dropped{
			Reason: d.reason, Location: d.location, Proto: k.proto, TCPFlags: k.tcpFlags,
			Multicast: k.dst.IsMulticast(),
		})
		classes[class] += n.n
		if class == ClassLoss {
			sum := sums[d]
			sum.n += n.n
			sum.last = later(sum.last, n.last)
			if sum.stack == nil {
				sum.stack = n.stack
			}
			sums[d] = sum
		}
	}
	rules := inferRules(a.counters, sums)
	out := make([]Drop, 0, len(sums))
	for d, n := range sums {
		out = append(out, Drop{
			Reason: d.reason, Hop: d.hop, Where: d.where, Location: d.location, Stack: b.stack(n.stack),
			Container: known(d.container), Device: known(d.device), AttributedBy: d.attributed,
			From: endOf(d.from), To: endOf(d.to),
			Proto: journey.ProtoName(d.proto), Port: d.port, Count: n.n, LastAt: n.last,
			Stage: known(string(cmp.Or(rules[d].stage, d.stage))), Rule: known(rules[d].name),
		})
	}
	slices.SortFunc(out, func(x, y Drop) int {
		return cmp.Or(
			cmp.Compare(y.Count, x.Count),
			cmp.Compare(x.Reason, y.Reason),
			cmp.Compare(x.Hop, y.Hop),
			cmp.Compare(x.Where, y.Where),
			cmp.Compare(x.From.Name, y.From.Name),
			cmp.Compare(x.To.Name, y.To.Name),
			cmp.Compare(x.Port, y.Port),
			cmp.Compare(x.Location, y.Location))
	})
	return out, classes
}

// stack begins where the kernel freed the packet: the frames before are the
// tracer's own.
func (b *builder) stack(addrs []uint64) []string {
	out := make([]string, 0, len(addrs))
	for _, a := range addrs {
		s := b.meta.symbol(a)
		if isTracing(s) {
			out = out[:0]
			continue
		}
		out = append(out, s)
	}
	return out
}

// isTracing knows what calls programs at a tracepoint (kernel/trace/bpf_trace.c,
// include/linux/tracepoint.h).
func isTracing(symbol string) bool {
	for _, p := range []string{"bpf_trace_run", "__bpf_trace_", "__traceiter_"} {
		if strings.HasPrefix(symbol, p) {
			return true
		}
	}
	return false
}

func (b *builder) dropName(a *Aggregator, k dropKey, stack []uint64) dropName {
	died := k.diedIn()
	d := dropName{reason: b.meta.reason(k.reason), hop: died.Kind.String(), proto: k.proto, attributed: k.attributed}
	if k.other {
		d.where, d.location, d.from, d.to = otherName, otherName, otherEnd(), otherEnd()
		return d
	}
	if died.Place != (journey.Place{}) {
		b.diedAt(&d, died.Kind, died.Place)
	}
	d.location, d.port = b.meta.symbol(k.location), k.port
	d.reason = toldBy(d.location, d.reason)
	d.from = b.endpoint(inventory.RawEndpoint{Netns: k.born, Addr: k.src})
	d.to = b.endpoint(inventory.RawEndpoint{Addr: k.dst})
	if k.attributed == ByCounter {
		d.to = b.endpoint(inventory.RawEndpoint{Netns: k.place.Netns})
	}
	if d.reason == netfilterDrop {
		b.placeInNetfilter(&d, k, a.counters, functions(b.stack(stack)))
	} else if hop := freedIn(d.location); died.Kind == journey.HopUnknown && hop != journey.HopUnknown {
		b.diedAt(&d, hop, k.place)
	}
	d.container, d.attributed = b.dropOwner(k, d)
	return d
}

// placeInNetfilter tells in which hook and stage a packet died.
func (b *builder) placeInNetfilter(d *dropName, k dropKey, c counters, stack []string) {
	d.netns = k.place.Netns
	if ofBridge(stack) {
		b.diedAt(d, journey.HopBridge, k.place)
		return
	}
	hook := hookOf(k.point, stack)
	if d.hop == journey.HopUnknown.String() && hook != journey.HopUnknown {
		b.diedAtHook(d, hook, k.place)
	}
	full := conntrackStats(c)
	stage := stageOf(hook, k.point, k.track, stack, full != nil && full.Drop > 0)
	d.stage = c.stageOfChains(d.netns, hook, stage, stack)
}

// diedAtHook places a drop that no stop places. Stops at hooks are those of the
// host: in a container, journeys have them as a part of the way up the stack.
func (b *builder) diedAtHook(d *dropName, hook journey.HopKind, at journey.Place) {
	up := hook == journey.HopPrerouting || hook == journey.HopInput || hook == journey.HopForward
	if up && at.Ifindex != 0 && b.endpoint(inventory.RawEndpoint{Netns: at.Netns}).Kind == inventory.KindContainer {
		b.diedAt(d, journey.HopStackRX, at)
		return
	}
	b.diedAt(d, hook, journey.Place{Netns: at.Netns})
}

// diedAt places a drop.
func (b *builder) diedAt(d *dropName, hop journey.HopKind, at journey.Place) {
	d.hop = hop.String()
	p := b.hopPlace(hop, at)
	d.where, d.device = p.where, p.device
}

// dropPlace is a hook of a namespace.
type dropPlace struct {
	netns uint32
	hop   string
}

// inferRules names the rules that dropped what netfilter did: by group, else by
// hook as a whole. A rule is in one hook: one that would be in two is in none.
func inferRules(c counters, sums map[dropName]dropSum) map[dropName]rule {
	out := map[dropName]rule{}
	whole := map[dropPlace]uint64{}
	groups := map[rule]int{}
	for d, n := range sums {
		if d.reason == netfilterDrop {
			out[d] = c.ruleFor(d.netns, n.n)
			groups[out[d]]++
			whole[dropPlace{d.netns, d.hop}] += n.n
		}
	}
	hooks := map[rule]map[dropPlace]bool{}
	for d, r := range out {
		at := dropPlace{d.netns, d.hop}
		if r == (rule{}) || groups[r] > 1 {
			r = c.ruleFor(d.netns, whole[at])
		}
		if hooks[r] == nil {
			hooks[r] = map[dropPlace]bool{}
		}
		hooks[r][at] = true
		out[d] = r
	}
	for d, r := range out {
		if len(hooks[r]) > 1 {
			delete(out, d)
		}
	}
	return out
}

// dropOwner says whose packets they were: of the container of their socket, else
// of that in whose namespace they died, else of the one that they were for or
// came from, by its address.
func (b *builder) dropOwner(k dropKey, d dropName) (name, how string) {
	for _, raw := range []inventory.RawEndpoint{{Cgroup: k.cgroup}, {Netns: k.place.Netns}} {
		if raw == (inventory.RawEndpoint{}) {
			continue
		}
		if at := b.endpoint(raw); at.Kind == inventory.KindContainer {
			return at.Name, d.attributed
		}
	}
	for _, e := range []inventory.Endpoint{d.to, d.from} {
		if e.Kind == inventory.KindContainer {
			if d.attributed == "none" || d.attributed == "device" {
				return e.Name, "address"
			}
			return e.Name, d.attributed
		}
	}
	return "", d.attributed
}
