// Package refuse holds tests of what the tool says when time or the kernel turns
// against it: the machine sleeps, its clock is set, it is locked down. They run
// in guests of the kernel matrix, which are thrown away.
package refuse
