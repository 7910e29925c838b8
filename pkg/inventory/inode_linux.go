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

// nsfsInode is the inode number of a namespace that is mounted at path.
func nsfsInode(path string) (uint32, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, fmt.Errorf("stat %s: %w", path, err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return 0, fmt.Errorf("%s is no namespace", path)
	}
	ino, err := inode(path)
	return uint32(ino), err // 32 bits wide (proc_alloc_inum)
}
