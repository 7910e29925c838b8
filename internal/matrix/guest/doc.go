// Package guest holds the tests that the kernel matrix runs in each of its
// guests: that the tool loads, attaches and tells the truth on that kernel.
package guest
