package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// result is what one kernel offers, as its guest found it. The results of all
// kernels are committed: docs/kernel-support.md is written from them, and a run
// that finds something else fails.
type result struct {
	Release      string              `json:"release"`
	Version      string              `json:"version"`      // when it was recorded; point releases come and go
	Capabilities []capability        `json:"capabilities"` // in the order of probe.Capabilities
	Ways         map[string][]string `json:"ways"`         // by topology: "DEVICE: HOP @ PLACE → …"
	Parts        []string            `json:"parts"`        // of exchanges and connections, measured at sockets
	Checks       []string            `json:"checks"`       // tests that passed, to the second level
	Instructions map[string]int      `json:"instructions"` // that the verifier processed, by program
}

// capability is probe.Capability.
type capability struct {
	Name      string
	Available bool
	Essential bool
	Lost      string
}

// arrow and of tell the parts of a way apart.
const (
	arrow = " → "
	of    = ": "
)

// collect reads the attributes that the guest's tests set.
func collect(o outcome) (result, error) {
	r := result{Release: o.kernel.release, Version: o.kernel.version, Ways: map[string][]string{}, Instructions: map[string]int{}}
	for _, e := range o.events {
		if e.Action == "pass" && e.Test != "" && strings.Count(e.Test, "/") <= 1 {
			r.Checks = append(r.Checks, e.Test)
		}
		if e.Action != "attr" {
			continue
		}
		if err := r.attribute(e); err != nil {
			return r, fmt.Errorf("attribute %s of %s: %w", e.Key, e.Test, err)
		}
	}
	for topology := range r.Ways {
		slices.Sort(r.Ways[topology])
		r.Ways[topology] = slices.Compact(r.Ways[topology])
	}
	slices.Sort(r.Parts)
	slices.Sort(r.Checks)
	if len(r.Capabilities) == 0 || len(r.Ways) == 0 || len(r.Parts) == 0 || len(r.Instructions) == 0 {
		return r, errors.New("the guest told of no capabilities, hops, parts or programs")
	}
	return r, nil
}

func (r *result) attribute(e event) error {
	program, isProgram := strings.CutPrefix(e.Key, "instructions_")
	switch {
	case isProgram:
		n, err := strconv.Atoi(e.Value)
		r.Instructions[program] = n
		return err
	case strings.HasPrefix(e.Key, "capability_"):
		var c capability
		err := json.Unmarshal([]byte(e.Value), &c)
		r.Capabilities = append(r.Capabilities, c)
		return err
	case strings.HasPrefix(e.Key, "part_"):
		r.Parts = append(r.Parts, e.Value)
	case e.Key == "way" || e.Key == "way_tcp":
		parts := strings.Split(e.Test, "/")
		if len(parts) < 2 {
			return errors.New("no topology")
		}
		topology := strings.ReplaceAll(parts[1], "_", " ")
		r.Ways[topology] = append(r.Ways[topology], e.Value)
	}
	return nil
}

// growth is how much more than recorded a verifier may have to do, in percent,
// before somebody has to look at it.
const growth = 25

// found is how a run differs from what was recorded.
type found struct {
	faults []string // what must be mended, or recorded
	notes  []string // what another version of the kernel may bring
}

// differences compares a run with what was recorded. Another version of the
// kernel, a newer point release or a newer newest, may offer more, and its packets
// other ways: the guest's tests tell whether those are right. It may not offer
// less.
func (r result) differences(recorded result) found {
	var faults, changes []string
	for _, c := range r.Capabilities {
		if slices.Contains(recorded.Capabilities, c) {
			continue
		}
		said := fmt.Sprintf("capability %s: now %v, without it: %s", c.Name, c.Available, c.Lost)
		if c.Available {
			changes = append(changes, said)
		} else {
			faults = append(faults, said)
		}
	}
	for _, c := range recorded.Capabilities {
		if !slices.ContainsFunc(r.Capabilities, func(now capability) bool { return now.Name == c.Name }) {
			faults = append(faults, fmt.Sprintf("capability %s: not asked for any more", c.Name))
		}
	}
	for _, topology := range slices.Sorted(maps.Keys(r.Ways)) {
		if !slices.Equal(r.Ways[topology], recorded.Ways[topology]) {
			changes = append(changes, fmt.Sprintf("hops of %s: now\n\t%s", topology, strings.Join(r.Ways[topology], "\n\t")))
		}
	}
	for _, topology := range slices.Sorted(maps.Keys(recorded.Ways)) {
		if r.Ways[topology] == nil {
			faults = append(faults, "no hops any more of "+topology)
		}
	}
	faults = append(faults, others("part", r.Parts, recorded.Parts)...)
	faults = append(faults, others("test", r.Checks, recorded.Checks)...)
	grown, programs := r.grown(recorded)
	faults, changes = append(faults, grown...), append(changes, programs...)
	if r.Version == recorded.Version {
		return found{faults: append(faults, changes...)}
	}
	if recorded.Version != "" {
		changes = append(changes, "recorded was "+recorded.Version)
	}
	return found{faults, changes}
}

// others lists what only one of both has.
func others(what string, now, recorded []string) []string {
	var out []string
	for _, name := range recorded {
		if !slices.Contains(now, name) {
			out = append(out, fmt.Sprintf("%s %s is no more", what, name))
		}
	}
	for _, name := range now {
		if !slices.Contains(recorded, name) {
			out = append(out, fmt.Sprintf("%s %s is not recorded", what, name))
		}
	}
	return out
}

// grown compares what the verifier had to do, and lists the programs that only one
// of both has: which there are follows from the capabilities.
func (r result) grown(recorded result) (grown, programs []string) {
	for _, program := range slices.Sorted(maps.Keys(r.Instructions)) {
		now, before := r.Instructions[program], recorded.Instructions[program]
		switch {
		case before == 0:
			programs = append(programs, fmt.Sprintf("program %s is not recorded: %d instructions verified", program, now))
		case now > before+before*growth/100:
			grown = append(grown, fmt.Sprintf("program %s: %d instructions verified, %d were recorded", program, now, before))
		}
	}
	for _, program := range slices.Sorted(maps.Keys(recorded.Instructions)) {
		if r.Instructions[program] == 0 {
			programs = append(programs, fmt.Sprintf("program %s is no more", program))
		}
	}
	return grown, programs
}

// Where the results and the page are, from the module's root.
const (
	resultsFile = "internal/matrix/testdata/results.json"
	supportPage = "docs/kernel-support.md"
)

func readResults(root string) ([]result, error) {
	data, err := os.ReadFile(filepath.Join(root, resultsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []result
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", resultsFile, err)
	}
	return list, nil
}

// writeResults writes the file and the page; kernels that did not run keep what
// was recorded of them.
func writeResults(root string, recorded, now []result) error {
	var merged []result
	for _, release := range releases {
		for _, list := range [][]result{now, recorded} {
			if i := find(list, release); i >= 0 {
				merged = append(merged, list[i])
				break
			}
		}
	}
	data, err := json.MarshalIndent(merged, "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(root, resultsFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, supportPage), page(merged), 0o644)
}

func find(list []result, release string) int {
	return slices.IndexFunc(list, func(r result) bool { return r.Release == release })
}

// judge compares a run with what was recorded, or records it.
func judge(root string, now []result, update bool) error {
	recorded, err := readResults(root)
	if err != nil {
		return err
	}
	if update {
		return writeResults(root, recorded, now)
	}
	var errs []error
	for _, r := range now {
		var before result
		if i := find(recorded, r.Release); i >= 0 {
			before = recorded[i]
		}
		found := r.differences(before)
		for _, fault := range found.faults {
			errs = append(errs, fmt.Errorf("kernel %s: %s", r.Release, fault))
		}
		for _, note := range found.notes {
			fmt.Printf("note: kernel %s: %s\n", r.Version, note)
		}
	}
	if len(errs) > 0 {
		errs = append(errs, fmt.Errorf("that is not what %s says: if it is right, run with -update and commit", resultsFile))
	}
	return errors.Join(errs...)
}
