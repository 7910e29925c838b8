package capture

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childPath tells this test program to write a capture until it is killed.
const childPath = "HOPSCOPE_CAPTURE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		writeForever(path)
	}
	if path := os.Getenv(readPath); path != "" {
		if err := readAndTell(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// writeForever says after each flush how many journeys are in the file.
func writeForever(path string) {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	w, err := Create(path, Options{Head: testHead(), FlushEvery: 3 * time.Millisecond})
	must(err)
	made := newTraffic(9)
	for n := 1; ; n++ {
		must(w.Journey(made.next(), nil))
		if n%500 == 0 {
			must(w.Flush())
			fmt.Println(n)
		}
	}
}

// TestKilled kills a writer at random moments. Whatever was flushed is there.
// (TestEveryCut has the moments before anything was.)
func TestKilled(t *testing.T) {
	rounds := 4
	if os.Getenv("HOPSCOPE_LONG") != "" {
		rounds = 100
	}
	cut := 0
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "x.hop")
		flushed := writeAndKill(t, path, time.Duration(rand.Int64N(int64(60*time.Millisecond))))
		c, damage, _ := read(t, path)
		if !damage.NoEnd || damage.Skipped != 0 || damage.Blocks != 0 || len(c.journeys) < flushed {
			t.Errorf("round %d: %d journeys of at least %d, %+v", round, len(c.journeys), flushed, damage)
		}
		if damage.Cut > 0 {
			cut++
		}
		made := newTraffic(9)
		for i, got := range c.journeys {
			if want := made.next(); want.Start != got.Start || want.Sig != got.Sig || want.Total() != got.Total() {
				t.Fatalf("round %d: journey %d is another", round, i)
			}
		}
	}
	t.Logf("%d of %d files end in half a block", cut, rounds)
}

// writeAndKill gives how many journeys the child said to be in the file, when it
// was killed a while after it had said so first.
func writeAndKill(t *testing.T, path string, after time.Duration) int {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childPath+"="+path)
	var stderr strings.Builder
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	ok(t, err)
	ok(t, child.Start())
	flushed := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if flushed == 0 {
			time.AfterFunc(after, func() { _ = child.Process.Kill() })
		}
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			flushed = n
		}
	}
	_ = child.Wait() // was killed
	if flushed == 0 {
		t.Error("nothing was flushed before it ended")
	}
	if stderr.Len() > 0 {
		t.Fatal(stderr.String())
	}
	return flushed
}
