package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWakeFollowsEachSleep(t *testing.T) {
	const event = `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SUSPEND"}` + "\n"
	for name, c := range map[string]struct {
		says string
		want int
	}{
		"awake":       {`{"QMP": {}} {"return": {}} {"event": "RTC_CHANGE"}`, 0},
		"sleeps":      {`{"QMP": {}} {"return": {}}` + event + `{"event": "WAKEUP"}`, 1},
		"twice":       {event + `{"return": {}}` + event, 2},
		"broken off":  {event + `{"even`, 1},
		"ends before": {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told strings.Builder
				begun := time.Now()
				wake(strings.NewReader(c.says), &told, sleeping)
				woken := strings.Count(told.String(), `{"execute": "system_wakeup"}`)
				if took := time.Since(begun); woken != c.want || took != time.Duration(c.want)*sleeping {
					t.Errorf("woken %d times in %v, want %d; %s", woken, took, c.want, told.String())
				}
			})
		})
	}
}
