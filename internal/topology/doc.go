// Package topology has no code but tests: every way in which Docker wires a
// container, on a real engine. Each is a row that says between whom packets
// go and through which hops; docs/topologies.md says the same in words.
package topology
