package robust

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hopscope/hopscope/internal/lab/program"
)

// make install puts everything where a system looks for it, and make uninstall
// takes it away again.
func TestInstall(t *testing.T) {
	bin, dest := t.TempDir(), t.TempDir()
	install := func(target, goCommand string) {
		t.Helper()
		cmd := exec.Command("make", "-C", "../..", target, "BIN="+bin, "DESTDIR="+dest, "PREFIX=/usr", "GO="+goCommand)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	stale := filepath.Join(bin, "hopscope") // of before a pull
	if err := os.WriteFile(stale, []byte("\x7fELF, once"), 0o755); err != nil {
		t.Fatal(err)
	}
	install("install", "go")
	for file, says := range map[string]string{
		"bin/hopscope":                                  "\x7fELF",
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
	if info, err := os.Stat(filepath.Join(dest, "usr/bin/hopscope")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode of the binary: %v, %v", info, err)
	}
	if !testing.Short() { // which does without what scripts/setup.sh installs
		wantReadable(t, filepath.Join(dest, "usr/share/man/man8"))
	}
	if err := os.Remove(stale); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(program.Path(t), stale); err != nil {
		t.Fatal(err)
	}
	install("install", "no-such-go") // as root of sudo, whose PATH is not the user's
	install("uninstall", "go")
	_ = filepath.Walk(dest, func(path string, info os.FileInfo, _ error) error {
		if info != nil && !info.IsDir() {
			t.Errorf("%s is left", path)
		}
		return nil
	})
}

// wantReadable has man(1) show pages without a warning.
func wantReadable(t *testing.T, dir string) {
	t.Helper()
	for _, page := range []string{"hopscope.8", "hopscope-trace.8", "hopscope-doctor.8"} {
		cmd := exec.Command("man", "--warnings", "-l", filepath.Join(dir, page))
		cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
		var shown, warned strings.Builder
		cmd.Stdout, cmd.Stderr = &shown, &warned
		if err := cmd.Run(); err != nil || warned.Len() > 0 || !strings.Contains(shown.String(), "SYNOPSIS") {
			t.Errorf("man -l %s: %v, %s, %d bytes", page, err, warned.String(), shown.Len())
		}
	}
}

// Completion offers the names of containers, in each shell as its user would have
// it.
func (p *pair) completion(t *testing.T) {
	start := p.web.Name[:len(p.web.Name)-2]
	o := program.Run(t, "__complete", "trace", "--container", start)
	o.Code = 0
	lines := strings.Fields(o.Stdout)
	if !slices.Contains(lines, p.web.Name) || slices.Contains(lines, p.client.Name) {
		t.Errorf("%q is completed to %q", start, o.Stdout)
	}
	p.completionElsewhere(t, start)
	for shell, script := range map[string]string{
		"bash": `. /usr/share/bash-completion/bash_completion
			compopt() { :; } # only within a completion that readline asks for
			. <(hopscope completion bash)
			COMP_LINE="hopscope trace --container $1"
			COMP_WORDS=($COMP_LINE) COMP_CWORD=3 COMP_POINT=${#COMP_LINE}
			__start_hopscope
			printf '%s\n' "${COMPREPLY[@]}"`,
		"zsh": `autoload -U compinit; compinit -D -u
			_describe() { print -l "${(@P)2}"; } # which would fill a menu
			. <(hopscope completion zsh)
			words=(hopscope trace --container $1) CURRENT=4
			_hopscope`,
		"fish": `hopscope completion fish | source
			complete -C "hopscope trace --container $argv[1]"`,
	} {
		args := []string{"-c", script, shell, start}
		if shell == "fish" {
			args = []string{"-c", script, start}
		}
		cmd := exec.Command(shell, args...)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program.Path(t))+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if lines := strings.Fields(string(out)); err != nil || !slices.Contains(lines, p.web.Name) || slices.Contains(lines, p.client.Name) {
			t.Errorf("%s completes %q to %q (%v)", shell, start, out, err)
		}
	}
}

// completionElsewhere asks the engine that is named on the command line, not the
// usual one.
func (p *pair) completionElsewhere(t *testing.T, start string) {
	t.Helper()
	at := engineBehind(t, func(string) {})
	for host, want := range map[string]bool{at: true, "unix:///nowhere/docker.sock": false} {
		r := program.Command(t, "__complete", "trace", "--docker-host", host, "--container", start)
		r.Cmd.Env = append(os.Environ(), "DOCKER_HOST=unix:///nowhere/else.sock")
		r.Start(t)
		if o := r.Wait(t); slices.Contains(strings.Fields(o.Stdout), p.web.Name) != want {
			t.Errorf("with --docker-host %s, %q is completed to %q", host, start, o.Stdout)
		}
	}
}

// The program runs in a container that has the host's namespaces, with all rights
// and with no more than it uses, and traces the containers beside it.
func (p *pair) inContainer(t *testing.T) {
	image := makeImage(t, p)
	host := []string{"--pid=host", "--network=host", "-v", "/var/run/docker.sock:/var/run/docker.sock"}
	defer p.keepAsking(t)() // none of it may fail
	all := privileged(t, image)
	var traces []*program.Running // side by side: the engine's part takes longer than theirs
	for _, rights := range [][]string{all, leastRights()} {
		traces = append(traces, dockerStart(t, slices.Concat(host, rights, []string{image, "trace", "--no-save", "--duration", "2s",
			"--container", p.web.Name, "--format", "json", "--sample", "1"})...))
	}
	doctor := dockerStart(t, slices.Concat(host, all, []string{image, "doctor"})...)
	// As any container is run: what is missing is said, and the exit code is the
	// program's.
	refused := dockerStart(t, image, "trace", "--no-save", "--duration", "1s")
	for _, trace := range traces {
		o := trace.Wait(t)
		o.WantDone(t, "tracing "+p.web.Name)
		sum := parse(t, o.Stdout)
		sum.wantBalanced(t)
		sum.wantWay(t, p.client.Name, p.web.Name, 100)
	}
	if o := doctor.Wait(t); o.Code != 0 || !strings.Contains(o.Stdout, "tracing works") {
		t.Errorf("doctor: exit code %d\n%s%s", o.Code, o.Stdout, o.Stderr)
	}
	refused.Wait(t).WantError(t, 3, "not permitted", "CAP_NET_ADMIN are missing", "hopscope doctor")
}

// makeImage is `make image` of the program under test.
func makeImage(t *testing.T, p *pair) string {
	t.Helper()
	image, bin := p.shop.Name("image"), t.TempDir()
	if err := os.Link(program.Path(t), filepath.Join(bin, "hopscope")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("make", "-C", "../..", "image", "BIN="+bin, "IMAGE="+image,
		"DOCKER_BUILD=DOCKER_BUILDKIT=0 docker build --label hopscope.lab=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make image: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", "-f", image).Run() })
	return image
}

// dockerStart runs a container and takes it for the program.
func dockerStart(t *testing.T, args ...string) *program.Running {
	t.Helper()
	path, err := exec.LookPath("docker")
	if err != nil {
		t.Fatal(err)
	}
	r := program.Command(t)
	r.Cmd.Path, r.Cmd.Args = path, slices.Concat([]string{"docker", "run", "--rm"}, args)
	r.Start(t)
	return r
}

// privileged is --privileged. Where this machine's own root lacks a capability, the
// engine refuses that as a whole, since it cannot hand on what it has not: then it is
// all that --privileged stands for but that capability.
func privileged(t *testing.T, image string) []string {
	t.Helper()
	o := dockerStart(t, "--privileged", image, "version").Wait(t)
	if o.Code == 0 {
		return []string{"--privileged"}
	}
	bound := hexField(t, threadStatus(t, os.Getpid())[0], "CapBnd")
	lacks := ^bound & (1<<(unix.CAP_LAST_CAP+1) - 1)
	if o.Code != 125 || !strings.Contains(o.Stderr, "unable to apply caps: operation not permitted") || lacks != 1<<unix.CAP_SYS_RESOURCE {
		t.Fatalf("--privileged is refused for another reason than a lack of CAP_SYS_RESOURCE (lacking: %#x): exit code %d: %s", lacks, o.Code, o.Stderr)
	}
	return append([]string{"--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--device-cgroup-rule=a *:* rwm",
		"--security-opt=systempaths=unconfined"}, unconfined()...)
}

// leastRights are those of docs/privileges.md. Engines before 23.0 do not know
// CAP_BPF and CAP_PERFMON: CAP_SYS_ADMIN stands in for both.
func leastRights() []string {
	out := append([]string{"--cap-drop=ALL"}, unconfined()...)
	for _, c := range []string{"NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYSLOG"} {
		out = append(out, "--cap-add="+c)
	}
	return out
}

func unconfined() []string {
	out := []string{"--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"}
	// Where even root may not look through init, the cgroup v2 root has to be
	// handed in.
	if _, err := os.Stat("/proc/1/root/sys"); err != nil {
		out = append(out, "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro")
	}
	return out
}
