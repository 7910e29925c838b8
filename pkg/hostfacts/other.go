//go:build !linux

package hostfacts

// Only Linux has what these read.

func readChains() []Chain { return nil }

func readQdiscs() []Qdisc { return nil }

func readOffloads(string) map[string]bool { return nil }
