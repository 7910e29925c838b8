package lab

import (
	"context"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestRunCleansUpInReverseWhateverFails(t *testing.T) {
	var order []string
	var dir string
	err := Run("test", func(_ context.Context, t TB) {
		dir = t.TempDir()
		t.Cleanup(func() { order = append(order, "first") })
		t.Cleanup(func() { panic("in a clean-up") })
		t.Cleanup(func() { t.Fatalf("in another") })
		t.Cleanup(func() { order = append(order, "last") })
		t.Fatalf("in the %s", "run")
	})
	if err == nil || err.Error() != "in the run" {
		t.Errorf("Run = %v, want the first failure", err)
	}
	if want := []string{"last", "first"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("temporary directory is left: %v", err)
	}
}

func TestRunEndsItsContextOnSIGTERM(t *testing.T) {
	cleaned := false
	err := Run("test", func(ctx context.Context, t TB) {
		t.Cleanup(func() { cleaned = true })
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatalf("kill: %v", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
			t.Fatalf("the context does not end")
		}
	})
	if err != nil || !cleaned {
		t.Errorf("Run = %v, cleaned up: %v", err, cleaned)
	}
}

func TestRunReportsAPanic(t *testing.T) {
	err := Run("test", func(context.Context, TB) { panic("here") })
	if err == nil || err.Error() != "panic: here" {
		t.Errorf("Run = %v", err)
	}
}
