package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError says what is wrong with a flag in the operator's words: what the
// flag library says of a value is Go's (strconv.ParseUint: ... invalid syntax).
func flagError(_ *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return usage(err)
	}
	f, value := bad.GetFlag(), bad.GetValue()
	wanted := "value for it"
	switch f.Value.Type() {
	case "uintSlice":
		wanted = "port number" // the only flag of this type
	case "duration":
		wanted = "duration such as 30s or 5ms"
		if _, err := time.ParseDuration(value + "s"); err == nil {
			wanted += ": the unit is missing"
		}
	case "bool":
		return usage(fmt.Errorf("--%s %q is neither true nor false", f.Name, value))
	default: // types of this program say what they want
		if cause := bad.Unwrap(); cause != nil {
			return usage(fmt.Errorf("--%s %s", f.Name, strings.TrimSuffix(cause.Error(), "\n")))
		}
	}
	return usage(fmt.Errorf("--%s %q is no %s", f.Name, value, wanted))
}
