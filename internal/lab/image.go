package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// trafficPackage is the import path of the traffic program.
const trafficPackage = "github.com/hopscope/hopscope/internal/lab/traffic"

// imageName is followed by the hash of the program.
const imageName = "hopscope-lab/traffic"

// program is the built traffic program.
type program struct {
	path string // kept in the user's cache directory
	hash string // of its content
}

// buildOnce builds the traffic program once a process; the go command keeps
// its own cache, so that an unchanged program costs next to nothing.
var buildOnce = sync.OnceValues(build)

func build() (program, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "hopscope-lab")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return program{}, err
	}
	tmp, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return program{}, err
	}
	defer os.RemoveAll(tmp)

	built := filepath.Join(tmp, "traffic")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", built, trafficPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return program{}, fmt.Errorf("go build: %w\n%s", err, out)
	}
	content, err := os.ReadFile(built)
	if err != nil {
		return program{}, err
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:6])
	path := filepath.Join(dir, "traffic-"+hash)
	// Renaming is atomic: another process may use the same path right now.
	return program{path: path, hash: hash}, os.Rename(built, path)
}

// TrafficProgram is the path of the traffic program, built when it is first
// asked for.
func TrafficProgram(t TB) string {
	t.Helper()
	p, err := buildOnce()
	must(t, err, "build the traffic program")
	return p.path
}

// trafficImage is the name of an image that holds the traffic program and
// nothing else, made unless the engine has it.
func trafficImage(t TB, engine *client.Client) string {
	t.Helper()
	p, err := buildOnce()
	must(t, err, "build the traffic program")
	name := imageName + ":" + p.hash
	ctx := context.Background()
	_, err = engine.ImageInspect(ctx, name)
	if err == nil {
		return name
	}
	if !cerrdefs.IsNotFound(err) {
		t.Fatalf("look for image %s: %v", name, err)
	}

	layer, err := layerOf(p.path)
	must(t, err, "pack the traffic program")
	answer, err := engine.ImageImport(ctx, image.ImportSource{Source: layer, SourceName: "-"}, name,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/traffic"]`, `CMD ["sleep"]`, "LABEL " + label + "=1"}})
	must(t, err, "import image %s", name)
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer) // the import ends with its answer
	must(t, err, "import image %s", name)
	return name
}

// layerOf is a file system of one file, /traffic.
func layerOf(path string) (io.Reader, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	header := &tar.Header{Name: "traffic", Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	return &layer, w.Close()
}
