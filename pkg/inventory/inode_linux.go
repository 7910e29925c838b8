package inventory

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// inode is the inode number of what path leads to. Its error is an errno with
// the path before it.
func inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return st.Ino, nil
}
