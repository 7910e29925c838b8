package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// archive is Debian's package archive, read with an apt state of its own: the
// machine's sources, lists and packages stay as they are.
type archive struct{ dir string }

// suites hold the kernels of the matrix; security suites have the newest of
// the older ones.
var suites = []struct {
	label, suite string
	has          []string // releases
}{
	{"Debian", "bullseye", []string{"5.10"}},
	{"Debian-Security", "bullseye-security", []string{"5.10"}},
	{"Debian", "bookworm", []string{"6.1"}},
	{"Debian-Security", "bookworm-security", []string{"6.1"}},
	{"Debian", "trixie", []string{"6.12"}},
	{"Debian-Security", "trixie-security", []string{"6.12"}},
	{"Debian", "trixie-backports", []string{"6.18", newest}},
	{"Debian", "sid", []string{newest}},
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// newArchive fetches the lists of the sources; see sourcesList.
func newArchive(ctx context.Context, dir string, sources []byte) (archive, error) {
	a := archive{dir: dir}
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return a, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), sources, 0o644); err != nil {
		return a, err
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return a, err
	}
	_, err := a.apt(ctx, dir, "apt-get", "-q", "update")
	return a, err
}

// sourcesList names the suites that have a release, all for one that is not of
// the matrix, at the addresses that the machine itself uses.
func sourcesList(ctx context.Context, release string) ([]byte, error) {
	bases := map[string]string{}
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)").Output()
	if err != nil {
		return nil, fmt.Errorf("ask apt for its sources: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		label, uri, _ := strings.Cut(strings.TrimSpace(line), " ")
		bases[label] = uri
	}
	var list bytes.Buffer
	for _, s := range suites {
		if slices.Contains(releases, release) && !slices.Contains(s.has, release) {
			continue
		}
		if bases[s.label] == "" {
			return nil, fmt.Errorf("apt knows no source labelled %s: run apt-get update", s.label)
		}
		fmt.Fprintf(&list, "deb [arch=amd64 signed-by=%s] %s %s main\n", keyring, bases[s.label], s.suite)
	}
	return list.Bytes(), nil
}

// apt runs an apt program in dir, on the archive's own state.
func (a archive) apt(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	set := map[string]string{
		"Dir::Etc::sourcelist":  filepath.Join(a.dir, "sources.list"),
		"Dir::Etc::sourceparts": "/dev/null",
		"Dir::State::lists":     filepath.Join(a.dir, "lists"),
		"Dir::State::status":    filepath.Join(a.dir, "status"),
		"Dir::Cache":            filepath.Join(a.dir, "cache"),
		"APT::Sandbox::User":    "", // it could not write below a home directory
		"APT::Architecture":     "amd64",
		"Acquire::Languages":    "none",
		"Acquire::Retries":      "2",
		// An archive that does not answer, or not for all suites, is an error: apt
		// would go on with what it has.
		"Acquire::http::Timeout":                             "20",
		"Acquire::https::Timeout":                            "20",
		"APT::Update::Error-Mode":                            "any",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
	}
	var full []string
	for k, v := range set {
		full = append(full, "-o", k+"="+v)
	}
	cmd := exec.CommandContext(ctx, program, append(full, args...)...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second // apt's own children may outlive it
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &exit):
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return out, nil
}

// image is a kernel of the archive and the packages that make it up.
type image struct {
	version  string // such as 6.1.0-56-cloud-amd64
	packages []string
}

var packageName = regexp.MustCompile(`^linux-(image|binary|modules|base)-([0-9]+\.[0-9]+\..*-cloud-amd64)$`)

// images lists the archive's complete kernels, the oldest first.
func (a archive) images(ctx context.Context) ([]image, error) {
	out, err := a.apt(ctx, a.dir, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return nil, err
	}
	return completeImages(string(out)), nil
}

// completeImages reads a list of package names. Up to 6.18 all of a kernel is in
// linux-image; later linux-image is empty and refers to the three others, of
// which superseded versions are only in part still there.
func completeImages(names string) []image {
	parts := map[string][]string{}
	for line := range strings.Lines(names) {
		if m := packageName.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			parts[m[2]] = append(parts[m[2]], m[1])
		}
	}
	var images []image
	for version, kinds := range parts {
		needed := []string{"image"}
		if compareVersions(version, "6.19") >= 0 {
			needed = []string{"binary", "modules", "base"}
		}
		img := image{version: version}
		for _, kind := range needed {
			if slices.Contains(kinds, kind) {
				img.packages = append(img.packages, "linux-"+kind+"-"+version)
			}
		}
		if len(img.packages) == len(needed) {
			images = append(images, img)
		}
	}
	slices.SortFunc(images, func(x, y image) int { return compareVersions(x.version, y.version) })
	return images
}

// pick finds the newest image of a release, such as 6.1, or of all.
func pick(images []image, release string) (image, error) {
	for _, img := range slices.Backward(images) {
		if release == newest || strings.HasPrefix(img.version, release+".") {
			return img, nil
		}
	}
	return image{}, fmt.Errorf("the package archive has no complete cloud kernel %s", release)
}

var digits = regexp.MustCompile(`[0-9]+`)

// compareVersions compares the numbers in two versions, from left to right.
func compareVersions(x, y string) int {
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // digits alone
		return n
	}
	return slices.CompareFunc(digits.FindAllString(x, -1), digits.FindAllString(y, -1),
		func(p, q string) int { return cmp.Compare(number(p), number(q)) })
}
