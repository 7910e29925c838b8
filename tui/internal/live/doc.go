// Package live tests the program in a real terminal (tmux(1)) against real
// containers.
package live
