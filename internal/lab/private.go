package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/client"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// privateChain is what a private engine's firewall chains are called where
// Docker says DOCKER: two engines with chains of one name would empty each
// other's.
const privateChain = "HSLAB"

// engineStarts is how long a dockerd may take to answer, and to end.
const engineStarts = 30 * time.Second

// Private is a Docker engine of the test's own, beside the machine's: with a
// socket, containers, images, firewall chains and default bridge of its own.
type Private struct {
	Host string // of its socket, as DOCKER_HOST takes it

	t      TB
	dir    string
	bridge string
	args   []string
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
}

// PrivateEngine starts dockerd with more arguments, such as
// "--userland-proxy=false". It needs the [Lock].
func PrivateEngine(t TB, args ...string) *Private {
	t.Helper()
	dir, err := os.MkdirTemp("", prefix+"engine-") // short: a socket's path has 108 bytes at most
	must(t, err, "make a directory for an engine")
	p := &Private{Host: "unix://" + filepath.Join(dir, "docker.sock"), t: t, dir: dir, bridge: hostDevPrefix + randomHex()}
	p.args = append([]string{
		"--host", p.Host, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--config-file", filepath.Join(dir, "daemon.json"),
		"--bridge", p.bridge, "--log-level", "error", // "none" would remove docker0, the other engine's
	}, args...)
	must(t, os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}"), 0o600), "configure an engine")
	for _, name := range []string{"iptables", "ip6tables"} {
		must(t, renameChains(dir, name), "wrap %s", name)
	}
	t.Cleanup(p.remove)
	must(t, addBridge(p.bridge), "make the engine's bridge")
	p.Start()
	return p
}

// renameChains puts a program in front of the firewall's, in a directory that
// comes first in the engine's PATH.
func renameChains(dir, name string) error {
	program, err := exec.LookPath(workingIptables(name))
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/bash\nexec %s \"${@//DOCKER/%s}\"\n", program, privateChain)
	return os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755)
}

// Iptables is the program that Docker's rules are made with.
func Iptables() string { return workingIptables("iptables") }

// workingIptables is the variant of iptables or ip6tables that this kernel
// has tables for.
func workingIptables(name string) string {
	if exec.Command(name, "-w", "-t", "nat", "-S").Run() == nil {
		return name
	}
	return name + "-legacy"
}

// Start starts the engine, again after Stop or Kill; one that runs goes on.
func (p *Private) Start() {
	p.t.Helper()
	if p.cmd != nil {
		return
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(p.t, err, "open the engine's log")
	defer log.Close()
	p.cmd = exec.Command("dockerd", p.args...)
	p.cmd.Env = append(os.Environ(), "PATH="+filepath.Join(p.dir, "bin")+":"+os.Getenv("PATH"))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(p.t, p.cmd.Start(), "start dockerd")
	done := make(chan struct{})
	p.done = done
	go func(cmd *exec.Cmd) {
		defer close(done)
		_ = cmd.Wait() // its log says why, if it matters
	}(p.cmd)

	api := p.client()
	defer api.Close()
	for deadline := time.Now().Add(engineStarts); ; time.Sleep(50 * time.Millisecond) {
		if _, err = api.Ping(context.Background()); err == nil {
			return
		}
		if time.Now().After(deadline) || closed(done) {
			text, _ := os.ReadFile(log.Name())
			p.t.Fatalf("an engine of the test's own does not come up: %v\n%s", err, text)
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Stop ends the engine as its service would (SIGTERM): its containers stop,
// unless it was started with --live-restore.
func (p *Private) Stop() {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(engineStarts):
		p.t.Errorf("dockerd does not end: %v", err)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	p.cmd = nil
}

// Kill ends the engine by SIGKILL. Its containers go on. The kernel ends its
// containerd a moment later (PR_SET_PDEATHSIG), which the next engine would
// otherwise take for its own.
func (p *Private) Kill() {
	p.t.Helper()
	pid, err := os.ReadFile(filepath.Join(p.dir, "exec", "containerd", "containerd.pid"))
	must(p.t, err, "find containerd")
	must(p.t, p.cmd.Process.Kill(), "kill dockerd")
	<-p.done
	p.cmd = nil
	Eventually(p.t, "containerd is gone", func() bool {
		_, err := os.Stat(filepath.Join("/proc", strings.TrimSpace(string(pid))))
		return errors.Is(err, os.ErrNotExist)
	})
}

// Shop is NewShop on this engine. What it makes must be gone before the engine
// is: make it after the engine.
func (p *Private) Shop() *Shop {
	p.t.Helper()
	return newShop(p.t, p.client())
}

func (p *Private) client() *client.Client {
	p.t.Helper()
	api, err := client.NewClientWithOpts(client.WithHost(p.Host), client.WithAPIVersionNegotiation())
	must(p.t, err, "client of an engine of the test's own")
	return api
}

// remove ends the engine and takes away all that it leaves.
func (p *Private) remove() {
	p.Stop()
	for _, name := range []string{"iptables", "ip6tables"} {
		if err := dropRules(workingIptables(name), p.bridge); err != nil {
			p.t.Errorf("remove the engine's rules: %v", err)
		}
	}
	if link, err := netlink.LinkByName(p.bridge); err == nil {
		must(p.t, netlink.LinkDel(link), "remove %s", p.bridge)
	}
	p.unmount()
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Errorf("remove the engine's files: %v", err)
	}
}

// unmount takes away what is mounted below the engine's directory, the last
// mounted first.
func (p *Private) unmount() {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	lines := strings.Split(string(table), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if fields := strings.Fields(lines[i]); len(fields) > 4 && strings.HasPrefix(fields[4], p.dir+"/") {
			_ = unix.Unmount(fields[4], unix.MNT_DETACH)
		}
	}
}

// privateSubnet is where the default bridge of a private engine has its
// address.
const privateSubnet = "10.212.0.1/24"

func addBridge(name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(privateSubnet)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(bridge, addr); err != nil {
		return err
	}
	return netlink.LinkSetUp(bridge)
}

// dropRules removes the private chains, the rules that lead to them, and those
// of the private bridge.
func dropRules(program, bridge string) error {
	var errs []error
	for _, table := range []string{"nat", "filter"} {
		rules, err := exec.Command(program, "-w", "-t", table, "-S").Output()
		if err != nil {
			continue // no such table: nothing was made in it
		}
		var jumps, chains []string
		for line := range strings.Lines(string(rules)) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "-N "+privateChain):
				chains = append(chains, strings.TrimPrefix(line, "-N "))
			case strings.HasPrefix(line, "-A ") && (strings.Contains(line, " -j "+privateChain) || strings.Contains(line, bridge)):
				jumps = append(jumps, strings.TrimPrefix(line, "-A "))
			}
		}
		act := func(args ...string) {
			if out, err := exec.Command(program, append([]string{"-w", "-t", table}, args...)...).CombinedOutput(); err != nil {
				errs = append(errs, fmt.Errorf("%s %v: %w: %s", program, args, err, out))
			}
		}
		for _, c := range chains {
			act("-F", c)
		}
		for _, j := range jumps {
			if !strings.HasPrefix(j, privateChain) { // those went with the flush
				act(append([]string{"-D"}, strings.Fields(j)...)...)
			}
		}
		for _, c := range chains {
			act("-X", c)
		}
	}
	return errors.Join(errs...)
}
