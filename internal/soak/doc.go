// Package soak runs hopscope for long while everything around it changes:
// `make soak`.
package soak
