package hostfacts

import (
	"errors"
	"io/fs"
	"os/exec"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A queue in the namespace of another process is found; one that is another by
// now is not taken for it.
func TestQdiscsOfAnotherNamespace(t *testing.T) {
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = in.Close(), cmd.Wait() }()
	fd, err := netns.GetFromPid(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	const lo, rate = 1, 1_000_000 // bytes/s
	tbf := &netlink.Tbf{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: lo, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate: rate, Limit: 4000, Buffer: netlink.Xmittime(rate, 3000)}
	if err := h.QdiscReplace(tbf); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		t.Fatal(err)
	}
	got, err := QdiscsIn(cmd.Process.Pid, uint32(st.Ino))
	if err != nil || len(got) != 1 || got[0].Kind != "tbf" || got[0].Device != "lo" || got[0].Rate != 8*rate {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := QdiscsIn(cmd.Process.Pid, uint32(st.Ino)+1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of another inode: %v", err)
	}
}

// A queue inside of a container is told by the container's name.
func TestJudgeQdiscOfAContainer(t *testing.T) {
	got := judgeQdiscs([]Qdisc{{Device: "eth1", Where: "web", PID: 42, Kind: "tbf", Rate: 8_000_000, Overlimits: 3}})
	if len(got) != 1 || got[0].Text != "qdisc tbf of eth1 of web holds packets back beyond 8 Mbit/s" ||
		got[0].Mend != "nsenter -t 42 -n tc -s qdisc show dev eth1; hop qdisc shows the wait" {
		t.Errorf("%+v", got)
	}
}
