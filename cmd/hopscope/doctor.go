package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/pkg/hostfacts"
	"github.com/hopscope/hopscope/pkg/inventory"
	"github.com/hopscope/hopscope/pkg/probe"
)

// doctorFlags is the command line of `hopscope doctor`.
type doctorFlags struct {
	dockerHost string
	json       bool
}

func doctorCommand() *cobra.Command {
	f := &doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this kernel and host allow, what is lost where they do not, and what costs latency here",
		Long: `doctor checks privileges, kernel, Docker and settings of this host, loads and
attaches everything for a moment, and looks for what costs latency by itself.

Exit codes: 0 tracing works, if with less than everything; 3 it does not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := examine(cmd.Context(), f.dockerHost)
			if err != nil {
				return err
			}
			write := c.writeText
			if f.json {
				write = c.writeJSON
			}
			return errors.Join(write(cmd.OutOrStdout()), c.failure())
		},
	}
	cmd.Flags().StringVar(&f.dockerHost, "docker-host", "", "Docker's socket (default DOCKER_HOST, or the usual place)")
	cmd.Flags().BoolVar(&f.json, "json", false, "one JSON document instead of text")
	return cmd
}

// sickError says that tracing does not work here: the exit code is 3 whatever
// the cause.
type sickError struct{ err error }

func (e *sickError) Error() string { return fmt.Sprintf("tracing does not work here: %v", e.err) }
func (e *sickError) Unwrap() error { return e.err }

// How a check came out.
const (
	checkOK      = "ok"
	checkLost    = "lost"    // tracing works with less
	checkMissing = "missing" // tracing does not work
	checkInfo    = "info"
)

// check is one line of doctor.
type check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok, lost, missing, info
	Detail string `json:"detail"` // what is there
	Lost   string `json:"lost"`   // what does not work without it
	Mend   string `json:"mend"`   // what to do, "" when nothing can be done
}

// section is a group of checks.
type section struct {
	Title  string  `json:"title"`
	Checks []check `json:"checks"`
}

// checkup is all that doctor found.
type checkup struct {
	Schema      string              `json:"schema"`
	ToolVersion string              `json:"tool_version"`
	Host        string              `json:"host"`
	Kernel      string              `json:"kernel"`
	Works       bool                `json:"works"`    // tracing does
	Degraded    bool                `json:"degraded"` // it does with less
	Sections    []section           `json:"sections"`
	Findings    []hostfacts.Finding `json:"findings"`

	broken error // why tracing does not work
}

func (c *checkup) failure() error {
	if c.broken == nil {
		return nil
	}
	return &sickError{c.broken}
}

// examineFor is how long rates of this host are measured.
const examineFor = time.Second

// examine checks everything. Its error is a mistake in the command line; all
// else is part of what it found.
func examine(ctx context.Context, dockerHost string) (*checkup, error) {
	c := &checkup{Schema: "hopscope/doctor/v1", ToolVersion: version, Findings: []hostfacts.Finding{}}
	c.Host, _ = os.Hostname()
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		c.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	facts := make(chan hostfacts.Facts, 1)
	go func() { facts <- hostfacts.Reader{Wait: examineFor}.Read() }()

	c.add("privileges", privilegeChecks())
	c.add("kernel", kernelChecks())
	tracing, err := tracingChecks()
	c.add("tracing", tracing)
	c.broken, c.Works = err, err == nil
	host := <-facts
	inv, err := inventory.Open(ctx, inventory.Options{DockerHost: dockerHost})
	if address := new(inventory.AddressError); errors.As(err, &address) {
		return nil, err
	}
	containers := containerChecks(inv, err, host)
	if err == nil {
		inside, looked := qdiscsOfContainers(inv.View())
		host.Qdiscs = append(host.Qdiscs, inside...)
		containers = append(containers, looked)
	}
	c.add("containers", containers)
	c.add("settings", settingChecks(host))
	if err == nil {
		c.Findings = append(c.Findings, judgeProxies(inv.ProxyMemory())...)
		c.Findings = append(c.Findings, hostfacts.Judge(host, linksOf(inv.View(), host.Uplink))...)
		if err := inv.Close(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *checkup) add(title string, checks []check) {
	for _, x := range checks {
		c.Degraded = c.Degraded || x.Status == checkLost
	}
	c.Sections = append(c.Sections, section{title, checks})
}

func privilegeChecks() []check {
	list, err := probe.Privileges()
	if err != nil {
		return []check{{Name: "capabilities", Status: checkLost, Detail: err.Error(), Lost: "what this process may do",
			Mend: "mount -t proc proc /proc"}}
	}
	var out []check
	for _, p := range list {
		x := check{Name: p.Name, Status: checkOK}
		switch {
		case p.Held:
		case p.Essential:
			x.Status, x.Lost, x.Mend = checkMissing, p.Lost, "run as root, or with this capability"
		default:
			x.Status, x.Lost, x.Mend = checkLost, p.Lost, "run as root, or with this capability"
		}
		out = append(out, x)
	}
	if probe.Seccomp() {
		out = append(out, check{Name: "seccomp", Status: checkInfo, Detail: "a filter decides about system calls; where it refuses bpf(2), tracing does not work"})
	}
	return append(out, lockdownCheck(probe.Lockdown()))
}

func lockdownCheck(mode string) check {
	x := check{Name: "kernel lockdown", Status: checkOK, Detail: mode}
	switch mode {
	case "":
		x.Detail = "none"
	case "confidentiality":
		x.Status, x.Lost = checkMissing, "reading packets: programs may not read kernel memory"
		x.Mend = "boot with lockdown=integrity"
	}
	return x
}

func kernelChecks() []check {
	caps, err := probe.Capabilities()
	if err != nil {
		return []check{{Name: "BTF type information", Status: checkMissing, Lost: "everything", Detail: err.Error(),
			Mend: "a kernel with CONFIG_DEBUG_INFO_BTF, Linux 5.10 or newer"}}
	}
	var out []check
	for _, c := range caps {
		x := check{Name: c.Name, Status: checkOK}
		switch {
		case c.Available:
		case c.Essential:
			x.Status, x.Lost, x.Mend = checkMissing, c.Lost, c.Mend
		default:
			x.Status, x.Lost, x.Mend = checkLost, c.Lost, c.Mend
		}
		if !c.Available && x.Mend == "" {
			x.Mend = "a distribution's kernel, Linux 5.10 or newer"
		}
		out = append(out, x)
	}
	return out
}
