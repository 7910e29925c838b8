package main

import (
	"errors"
	"strings"
	"testing"
)

// What was not looked at is said.
func TestContainersNotLookedInto(t *testing.T) {
	if got := lookedInto(3, nil, nil); got.Status != checkOK || got.Lost != "" {
		t.Errorf("%+v", got)
	}
	got := lookedInto(1, []string{"web", "api"}, errors.New("operation not permitted"))
	if got.Status != checkLost || !strings.HasSuffix(got.Lost, "inside of web, api") || !strings.Contains(got.Detail, "not into 2: operation not permitted") || got.Mend == "" {
		t.Errorf("%+v", got)
	}
}
