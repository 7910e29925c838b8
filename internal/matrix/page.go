package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hopscope/hopscope/pkg/journey"
)

const pageHead = `# Kernel support

Written by ` + "`go run ./internal/matrix -update`" + ` from what the tests found on each of
these kernels; do not edit. Debian's cloud kernels were booted in an emulator;
` + "`make matrix`" + ` does it again and fails where it finds something else.

Needed everywhere: Linux 5.10 or newer with BTF (` + "`CONFIG_DEBUG_INFO_BTF`" + `), and root.
`

// page writes docs/kernel-support.md.
func page(list []result) []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	b.WriteString("\n## Kernels\n\n")
	table(&b, "kernel", list, []string{"tested version"}, func(r result, _ string) string { return r.Version })

	b.WriteString("\n## Capabilities\n\nWhere something is missing, what is lost with it.\n\n")
	table(&b, "capability", list, capabilityNames(list), capabilityCell)

	b.WriteString("\n## Hops\n\nWhether a hop is told apart (docs/hops.md), in each topology that has it.\n\n")
	table(&b, "hop", list, hopNames(), func(r result, hop string) string { return hopCell(list, r, hop) })

	b.WriteString("\n## Parts measured at sockets\n\nOf exchanges and connections (docs/exchanges.md, docs/sockets.md). `userland_proxy` is what lies\n" +
		"between the two exchanges of docker-proxy: it is there where these parts are.\n\n")
	table(&b, "part", list, partNames(list), partCell)

	b.WriteString("\n## What was checked\n\n")
	b.WriteString("Births against AF_PACKET or the device's counters, endings, accounting, owners\n" +
		"and the hops of every journey, for each topology; injected delay and loss;\n" +
		"SIGKILL; the logic of the kernel side on made-up packets.\n\n")
	table(&b, "test", list, checkNames(list), checkCell)

	b.WriteString("\n## The ways of packets\n")
	waySections(&b, list)
	return b.Bytes()
}

// table writes one column for each kernel and one row for each name. No cell is
// left empty.
func table(b *bytes.Buffer, corner string, list []result, rows []string, cell func(r result, row string) string) {
	fmt.Fprintf(b, "| %s |", corner)
	for _, r := range list {
		fmt.Fprintf(b, " %s |", title(r))
	}
	b.WriteString("\n|-|" + strings.Repeat("-|", len(list)) + "\n")
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row)
		for _, r := range list {
			fmt.Fprintf(b, " %s |", cell(r, row))
		}
		b.WriteString("\n")
	}
}

// title names a kernel by its first two numbers.
func title(r result) string {
	if r.Release != newest {
		return r.Release
	}
	numbers := digits.FindAllString(r.Version, 2)
	return strings.Join(numbers, ".")
}

func capabilityNames(list []result) []string {
	var names []string
	for _, r := range list {
		for _, c := range r.Capabilities {
			if !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

func capabilityCell(r result, name string) string {
	for _, c := range r.Capabilities {
		if c.Name == name && c.Available {
			return "yes"
		}
		if c.Name == name {
			return "no: " + c.Lost
		}
	}
	return "not asked for"
}

func partNames(list []result) []string {
	var names []string
	for _, r := range list {
		names = append(names, r.Parts...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func partCell(r result, part string) string {
	switch {
	case slices.Contains(r.Parts, part):
		return "yes"
	case len(r.Parts) == 0:
		return "not asked for"
	}
	return "no"
}

func checkNames(list []result) []string {
	var names []string
	for _, r := range list {
		for _, check := range r.Checks {
			if !slices.Contains(names, check) {
				names = append(names, check)
			}
		}
	}
	slices.Sort(names)
	return names
}

func checkCell(r result, check string) string {
	if slices.Contains(r.Checks, check) {
		return "passed"
	}
	return "not run"
}

func hopNames() []string {
	var names []string
	for _, k := range journey.HopKinds() {
		if k != journey.HopUnknown { // no way of the matrix has it
			names = append(names, "`"+k.String()+"`")
		}
	}
	return names
}

// hopCell says in which topologies a hop is not told apart although another
// kernel does.
func hopCell(list []result, r result, name string) string {
	hop := strings.Trim(name, "`")
	var there, missing []string
	for _, topology := range topologies(list) {
		switch {
		case hopsOf(r.Ways[topology])[hop]:
			there = append(there, topology)
		case slices.ContainsFunc(list, func(other result) bool { return hopsOf(other.Ways[topology])[hop] }):
			missing = append(missing, topology+" ("+instead(list, r, topology)+")")
		}
	}
	merged := strings.Contains(hop, "+")
	switch {
	case len(there)+len(missing) == 0:
		return "no topology of the matrix has it"
	case merged && len(there) == 0:
		return "not needed"
	case merged:
		return "stands for its parts in: " + strings.Join(there, ", ")
	case len(there) == 0:
		return "no; " + strings.Join(missing, ", ")
	case len(missing) > 0:
		return "yes, but not in: " + strings.Join(missing, ", ")
	}
	return "yes"
}

// instead names the hops that stand, in a topology, for those that are not told
// apart.
func instead(list []result, r result, topology string) string {
	own := hopsOf(r.Ways[topology])
	var merged []string
	for _, hop := range slices.Sorted(maps.Keys(own)) {
		if strings.Contains(hop, "+") {
			merged = append(merged, "`"+hop+"`")
		}
	}
	if len(merged) == 0 {
		return "in its neighbour, or before the first stop"
	}
	return "part of " + strings.Join(merged, ", ")
}

func topologies(list []result) []string {
	seen := map[string]bool{}
	for _, r := range list {
		for topology := range r.Ways {
			seen[topology] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// hopsOf gives the names of the hops in some ways.
func hopsOf(ways []string) map[string]bool {
	hops := map[string]bool{}
	for _, way := range ways {
		_, way, _ = strings.Cut(way, of)
		for part := range strings.SplitSeq(way, arrow) {
			hop, _, _ := strings.Cut(part, " @ ")
			hops[hop] = true
		}
	}
	return hops
}

// waySections lists, for each topology, the ways that were found, and on which
// kernels.
func waySections(b *bytes.Buffer, list []result) {
	for _, topology := range topologies(list) {
		fmt.Fprintf(b, "\n### %s\n\n", topology)
		kernels := map[string][]string{}
		for _, r := range list {
			for _, way := range r.Ways[topology] {
				kernels[way] = append(kernels[way], title(r))
			}
		}
		for _, way := range slices.Sorted(maps.Keys(kernels)) {
			if covered(way, kernels) {
				continue
			}
			on := "all"
			if len(kernels[way]) < len(list) {
				on = strings.Join(kernels[way], ", ")
			}
			from, hops, _ := strings.Cut(way, of)
			fmt.Fprintf(b, "- from %s, on %s: %s\n", from, on, hops)
		}
	}
}

// covered reports a way that is there also with the socket's own hop behind it.
func covered(way string, kernels map[string][]string) bool {
	longer, ok := kernels[way+arrow+journey.HopSockLock.String()]
	return ok && slices.Equal(longer, kernels[way])
}
