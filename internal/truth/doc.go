// Package truth holds the tests that compare what hopscope says with what
// references that share nothing with it say: AF_PACKET, the counters of
// devices and qdiscs, the kernel's list of programs. They run on the real
// kernel and a real Docker engine, and assert counts, orders and shares, never
// lengths of time.
package truth
