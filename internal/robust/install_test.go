package robust

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// make install puts everything where a system looks for it, and make uninstall
// takes it away again.
func TestInstall(t *testing.T) {
	bin, dest := t.TempDir(), t.TempDir()
	if err := os.Link(hopscope(t), filepath.Join(bin, "hopscope")); err != nil {
		t.Fatal(err)
	}
	install := func(target string) {
		t.Helper()
		cmd := exec.Command("make", "-C", "../..", target, "BIN="+bin, "DESTDIR="+dest, "PREFIX=/usr")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	install("install")
	for file, says := range map[string]string{
		"sbin/hopscope":                                 "\x7fELF",
		"share/man/man8/hopscope.8":                     ".TH",
		"share/man/man8/hopscope-trace.8":               "--duration",
		"share/bash-completion/completions/hopscope":    "__start_hopscope",
		"share/zsh/site-functions/_hopscope":            "#compdef hopscope",
		"share/fish/vendor_completions.d/hopscope.fish": "complete -c hopscope",
	} {
		b, err := os.ReadFile(filepath.Join(dest, "usr", file))
		if err != nil || !strings.Contains(string(b), says) {
			t.Errorf("%s: %v, %d bytes, %q is in it: %v", file, err, len(b), says, strings.Contains(string(b), says))
		}
	}
	if info, err := os.Stat(filepath.Join(dest, "usr/sbin/hopscope")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode of the binary: %v, %v", info, err)
	}
	install("uninstall")
	_ = filepath.Walk(dest, func(path string, info os.FileInfo, _ error) error {
		if info != nil && !info.IsDir() {
			t.Errorf("%s is left", path)
		}
		return nil
	})
}

// Completion offers the names of containers.
func TestCompletionOfContainers(t *testing.T) {
	p := newPair(t)
	start := p.web.Name[:len(p.web.Name)-2]
	o := run(t, "__complete", "trace", "--container", start)
	o.code = 0
	lines := strings.Fields(o.stdout)
	if !slices.Contains(lines, p.web.Name) || slices.Contains(lines, p.client.Name) {
		t.Errorf("%q is completed to %q", start, o.stdout)
	}
}

// The program runs in a container that has the host's namespaces and all
// rights, and traces the containers beside it.
func TestInContainer(t *testing.T) {
	p := newPair(t)
	image := p.shop.Name("image")
	dir := t.TempDir()
	if err := os.Link(hopscope(t), filepath.Join(dir, "hopscope")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("docker", "build", "-q", "-t", image, "-f", "-", dir)
	build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	build.Stdin = strings.NewReader("FROM scratch\nLABEL hopscope.lab=1\nCOPY hopscope /hopscope\nENTRYPOINT [\"/hopscope\"]\n")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("docker build: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", "-f", image).Run() })
	docker := func(args ...string) ending {
		return runWith(t, func(cmd *exec.Cmd) {
			path, err := exec.LookPath("docker")
			if err != nil {
				t.Fatal(err)
			}
			cmd.Path = path
			cmd.Args = slices.Concat([]string{"docker", "run", "--rm", "--pid=host", "--network=host",
				"-v", "/var/run/docker.sock:/var/run/docker.sock"}, rights(t), []string{image}, args)
		})
	}
	load := p.client.Start("rr", "--count", "4000", "--rate", "500", p.at)
	o := docker("trace", "--no-save", "--duration", "3s", "--container", p.web.Name, "--format", "json", "--sample", "1")
	o2 := docker("trace", "--no-save", "--duration", "1s", "--container", p.web.Name, "--format", "json", "--sample", "1")
	wantOK(t, load.Wait(), 4000)
	for _, o := range []ending{o, o2} {
		o.wantDone(t, "tracing "+p.web.Name)
		sum := parse(t, o.stdout)
		sum.wantBalanced(t)
		found := false
		for _, path := range sum.Paths {
			found = found || path.From.Name == p.client.Name && path.To.Name == p.web.Name
		}
		if !found {
			t.Errorf("no path from %s to %s: %+v; %s", p.client.Name, p.web.Name, sum.Paths, o.stderr)
		}
	}
	if o := docker("doctor"); o.code != 0 || !strings.Contains(o.stdout, "tracing works") {
		t.Errorf("doctor: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// rights are --privileged, or as much of it as can be given on a machine that
// itself has not all capabilities: the engine then refuses the whole.
func rights(t *testing.T) []string {
	t.Helper()
	if hexField(t, threadStatus(t, os.Getpid())[0], "CapBnd")>>unix.CAP_SYS_RESOURCE&1 != 0 {
		return []string{"--privileged"}
	}
	out := []string{"--cap-drop=ALL", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"}
	// Engines before 23.0 do not know CAP_BPF and CAP_PERFMON: CAP_SYS_ADMIN stands
	// in for both.
	for _, c := range []string{"NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYSLOG"} {
		out = append(out, "--cap-add="+c)
	}
	// Where even root may not look through init, the cgroup v2 root has to be
	// handed in.
	if _, err := os.Stat("/proc/1/root/sys"); err != nil {
		out = append(out, "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro")
	}
	return out
}
