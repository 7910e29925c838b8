package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const listed = `linux-image-6.1.0-9-cloud-amd64
linux-image-6.1.0-56-cloud-amd64
linux-image-6.1.0-56-cloud-amd64-unsigned
linux-image-6.1.0-56-amd64
linux-headers-6.1.0-57-cloud-amd64
linux-image-6.18.15+deb13-cloud-amd64
linux-image-7.2.1+deb14-cloud-amd64
linux-binary-7.2.1+deb14-cloud-amd64
linux-modules-7.2.1+deb14-cloud-amd64
linux-base-7.2.1+deb14-cloud-amd64
linux-image-7.3.4+deb13-cloud-amd64
linux-modules-7.3.4+deb13-cloud-amd64
`

func TestPickTakesTheNewestThatIsComplete(t *testing.T) {
	images := completeImages(listed)
	for release, want := range map[string][]string{
		"6.1":  {"linux-image-6.1.0-56-cloud-amd64"},
		"6.18": {"linux-image-6.18.15+deb13-cloud-amd64"},
		// 7.3.4 is listed, but a part of it is gone.
		"newest": {"linux-binary-7.2.1+deb14-cloud-amd64", "linux-modules-7.2.1+deb14-cloud-amd64", "linux-base-7.2.1+deb14-cloud-amd64"},
	} {
		got, err := pick(images, release)
		if err != nil || !slices.Equal(got.packages, want) {
			t.Errorf("%s: %v, %v; want %v", release, got.packages, err, want)
		}
	}
	for _, release := range []string{"6.12", "7.3"} {
		if got, err := pick(images, release); err == nil {
			t.Errorf("%s: found %v", release, got)
		}
	}
}

func TestCompareVersionsByNumber(t *testing.T) {
	ascending := []string{"5.10.0-46", "6.1.0-9", "6.1.0-56", "6.12.117+deb13", "6.18.2", "6.18.15+deb13", "7.3.4"}
	for i, x := range ascending {
		for j, y := range ascending {
			if got := compareVersions(x, y); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s and %s: %d", x, y, got)
			}
		}
	}
}

// An archive that refuses, or that never answers, is told of and not waited for.
func TestArchiveThatDoesNotAnswer(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil && testing.Short() {
		t.Skip(err)
	}
	t.Setenv("no_proxy", "127.0.0.1")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, c := range []struct {
		name string
		at   net.Addr
		says string
	}{{"refuses", closed.Addr(), closed.Addr().String()}, {"is silent", silent.Addr(), "too slow"}} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("too slow"))
			defer cancel()
			begun := time.Now()
			_, err := newArchive(ctx, t.TempDir(), fmt.Appendf(nil, "deb [trusted=yes] http://%s/debian bullseye main\n", c.at))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q in it", err, c.says)
			}
			t.Log(err)
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// A kernel that is there needs no archive, also where a newer one is looked for.
func TestKernelStaysWithoutAnArchive(t *testing.T) {
	cache := t.TempDir()
	dir := kernelDir(cache, "6.1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "version"), []byte("6.1.0-56\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	unreachable, cancel := context.WithCancel(t.Context())
	cancel()
	for _, refresh := range []bool{false, true} {
		kernels, err := getKernels(unreachable, cache, []string{"6.1"}, refresh)
		if err != nil || len(kernels) != 1 || kernels[0].version != "6.1.0-56" {
			t.Errorf("refresh %v: %+v, %v", refresh, kernels, err)
		}
	}
	if kernels, err := getKernels(unreachable, cache, []string{"6.1", "5.10"}, false); err == nil {
		t.Errorf("5.10 is not there, and nothing to get it from: %+v", kernels)
	}
}
