package crash

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestCatch(t *testing.T) {
	ctx, release := Catch(t.Context())
	defer release()
	Go(func() { panic("a bug") })
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told")
	}
	var crash *Error
	if err := context.Cause(ctx); !errors.As(err, &crash) || crash.Value != "a bug" || !strings.Contains(err.Error(), "TestCatch.func1") {
		t.Errorf("got %v", err)
	}
}

// TestNobodyCatches runs itself: a panic ends the program, also after release.
func TestNobodyCatches(t *testing.T) {
	if os.Getenv("CRASH") != "" {
		_, release := Catch(t.Context())
		release()
		Go(func() { panic("a bug") })
		time.Sleep(10 * time.Second)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestNobodyCatches$")
	cmd.Env = append(os.Environ(), "CRASH=1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "panic: a bug") {
		t.Errorf("%v:\n%s", err, out)
	}
}
