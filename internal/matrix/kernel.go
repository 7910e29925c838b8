package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// kernel is one that lies unpacked in the cache.
type kernel struct {
	release string // as asked for: 6.1, newest
	version string // as uname -r tells it
	root    string // what its packages hold
}

// vmlinuz lies in /boot; since 7.1 with the modules.
func (k kernel) vmlinuz() string {
	return firstThere(filepath.Join(k.root, "boot", "vmlinuz-"+k.version), filepath.Join(k.moduleDir(), "vmlinuz"))
}

// moduleDir is /lib/modules/VERSION; newer packages put it below /usr.
func (k kernel) moduleDir() string {
	return firstThere(filepath.Join(k.root, "usr/lib/modules", k.version), filepath.Join(k.root, "lib/modules", k.version))
}

// firstThere is the first path that exists, else the last.
func firstThere(paths ...string) string {
	for _, path := range paths[:len(paths)-1] {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return paths[len(paths)-1]
}

// getting is how long the archive may take for all kernels, some 300 MB.
const getting = 10 * time.Minute

// getKernels takes the kernels from the cache, those that are not there (or all,
// if refresh) from the archive.
func getKernels(ctx context.Context, cache string, wanted []string, refresh bool) ([]kernel, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, getting,
		fmt.Errorf("the package archive did not give all kernels within %s", getting))
	defer cancel()
	kernels := make([]kernel, 0, len(wanted))
	for _, release := range wanted {
		k, ok := cached(kernelDir(cache, release), release)
		if !ok || refresh {
			got, err := getKernel(ctx, cache, release)
			switch {
			case err == nil:
				k = got
			case !ok:
				return nil, err
			default:
				fmt.Fprintf(os.Stderr, "matrix: staying with Linux %s: %v\n", k.version, err)
			}
		}
		kernels = append(kernels, k)
	}
	return kernels, nil
}

func kernelDir(cache, release string) string { return filepath.Join(cache, "kernels", release) }

// getKernel asks the archive's suites of one release alone: those of another may
// be out of reach.
func getKernel(ctx context.Context, cache, release string) (kernel, error) {
	sources, err := sourcesList(ctx, release)
	if err != nil {
		return kernel{}, err
	}
	a, err := newArchive(ctx, filepath.Join(cache, "apt", release), sources)
	if err != nil {
		return kernel{}, err
	}
	images, err := a.images(ctx)
	if err != nil {
		return kernel{}, err
	}
	img, err := pick(images, release)
	if err != nil {
		return kernel{}, err
	}
	return unpack(ctx, a, img, kernelDir(cache, release), release)
}

// cached reads the file "version", which is written when all else is there.
func cached(dir, release string) (kernel, bool) {
	version, err := os.ReadFile(filepath.Join(dir, "version"))
	if err != nil {
		return kernel{}, false
	}
	return kernel{release: release, version: strings.TrimSpace(string(version)), root: filepath.Join(dir, "root")}, true
}

// unpack downloads and unpacks an image's packages; none is installed. What was
// in dir is replaced when all is there.
func unpack(ctx context.Context, a archive, img image, dir, release string) (kernel, error) {
	if k, ok := cached(dir, release); ok && k.version == img.version {
		return k, nil
	}
	fmt.Fprintf(os.Stderr, "matrix: getting Linux %s\n", img.version)
	fresh := dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return kernel{}, err
	}
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		return kernel{}, err
	}
	if err := a.extract(ctx, img, fresh); err != nil {
		return kernel{}, err
	}
	if err := os.WriteFile(filepath.Join(fresh, "version"), []byte(img.version+"\n"), 0o644); err != nil {
		return kernel{}, err
	}
	k, _ := cached(fresh, release)
	if _, err := os.Stat(k.vmlinuz()); err != nil {
		return k, fmt.Errorf("packages of Linux %s: %w", img.version, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return kernel{}, err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return kernel{}, err
	}
	k, _ = cached(dir, release)
	return k, nil
}

// extract downloads an image's packages into dir and unpacks them into dir/root.
func (a archive) extract(ctx context.Context, img image, dir string) error {
	if _, err := a.apt(ctx, dir, "apt-get", append([]string{"-q", "download"}, img.packages...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, filepath.Join(dir, "root")).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", filepath.Base(deb), err, out)
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	return nil
}
