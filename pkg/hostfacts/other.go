//go:build !linux

package hostfacts

import "errors"

// Only Linux has what these read.

func readChains() []Chain { return nil }

func readQdiscs() []Qdisc { return nil }

func readOffloads(string) map[string]bool { return nil }

// QdiscsIn is of Linux only.
func QdiscsIn(int, uint32) ([]Qdisc, error) { return nil, errors.ErrUnsupported }
