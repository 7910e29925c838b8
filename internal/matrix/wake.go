package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// sleeping is for how long a guest that goes to sleep stays there.
const sleeping = 3 * time.Second

// wake speaks QMP (docs/interop/qmp-spec.rst of QEMU) until the emulator ends, and
// wakes the guest when it sleeps. An alarm of the guest's own may ring while it is
// still on its way there, and nothing would wake it any more.
func wake(from io.Reader, to io.Writer, after time.Duration) {
	execute := func(command string) { _, _ = fmt.Fprintf(to, "{\"execute\": %q}\n", command) } // or it has ended
	execute("qmp_capabilities")
	for dec := json.NewDecoder(from); ; {
		var said struct{ Event string }
		if err := dec.Decode(&said); err != nil {
			return
		}
		if said.Event == "SUSPEND" {
			time.Sleep(after)
			execute("system_wakeup")
		}
	}
}
