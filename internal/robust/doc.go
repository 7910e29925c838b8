// Package robust holds the tests of the program under bad input and faults:
// what is wrong is said in one clear sentence, the exit code is right, nothing
// stays in the kernel, and the containers' traffic goes on.
package robust
