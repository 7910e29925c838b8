package main

import (
	"bytes"
	"fmt"
)

// cpio writes an archive in the format that the kernel unpacks at boot: "new
// ASCII", uncompressed (Documentation/driver-api/early-userspace/buffer-format.rst).
// Archives may be put one behind the other.
type cpio struct {
	buf   bytes.Buffer
	inode int
}

const (
	modeDir  = 0o040755
	modeExec = 0o100755
	modeLink = 0o120777
)

func (c *cpio) dir(name string)               { c.entry(name, modeDir, nil) }
func (c *cpio) file(name string, data []byte) { c.entry(name, modeExec, data) }

func (c *cpio) entry(name string, mode int, data []byte) {
	c.inode++
	const links, zero = 1, 0
	fmt.Fprintf(&c.buf, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.inode, mode, zero, zero, links, zero, len(data), zero, zero, zero, zero, len(name)+1, zero)
	c.buf.WriteString(name)
	c.buf.WriteByte(0)
	c.pad()
	c.buf.Write(data)
	c.pad()
}

// pad aligns to 4 bytes.
func (c *cpio) pad() {
	for c.buf.Len()%4 != 0 {
		c.buf.WriteByte(0)
	}
}

func (c *cpio) bytes() []byte {
	c.entry("TRAILER!!!", 0, nil)
	return c.buf.Bytes()
}
