package lab

import (
	"bytes"
	"sync"
	"time"
)

// patience is how long [Eventually] waits.
const patience = 20 * time.Second

// Eventually waits up to 20 s for a condition; what says what was waited for.
func Eventually(t TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// Output keeps what a program writes and may be read meanwhile. Its zero value
// is empty.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

// String is what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
