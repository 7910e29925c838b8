// Package lab holds the fixtures of tests, demo and benchmarks on a real
// kernel and a real Docker engine: containers and networks, hosts "outside",
// injected delay, packet counters. What a fixture makes is removed in a
// Cleanup; what a crashed run left is removed by the next [Lock].
//
// Fixtures need root. They work on what they made and on nothing else.
package lab

// TB is the part of testing.TB that fixtures need. [Run] gives one to programs
// that are no tests.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
	Logf(format string, args ...any)
	Name() string
	TempDir() string
}

// label marks what the lab made in Docker.
const label = "hopscope.lab"

// prefix starts the names of namespaces, networks and containers.
const prefix = "hopscope-"

// must ends the test when err is not nil; what says what was tried.
func must(t TB, err error, what string, args ...any) {
	t.Helper()
	if err != nil {
		t.Fatalf(what+": %v", append(args, err)...)
	}
}
