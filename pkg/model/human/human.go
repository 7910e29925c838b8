// Package human writes numbers for people: durations and sizes with three digits.
package human

import (
	"fmt"
	"strconv"
	"time"
)

// Duration writes nanoseconds with three digits: 999ns, 1.23µs, 45.6ms, 789s.
func Duration(ns int64) string {
	if ns < 0 {
		return "-" + Duration(-ns)
	}
	if ns < 1000 {
		return strconv.FormatInt(ns, 10) + "ns"
	}
	return scaled(float64(ns)/1e3, 1e3, []string{"µs", "ms", "s"})
}

// Bytes writes a size in decimal units: 999B, 1.23kB, 45.6MB.
func Bytes(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + "B"
	}
	return scaled(float64(n)/1e3, 1e3, []string{"kB", "MB", "GB", "TB", "PB"})
}

// scaled divides v by step until it has at most three digits before the point;
// the last unit takes what remains.
func scaled(v, step float64, units []string) string {
	last := len(units) - 1
	i := 0
	for i < last && v >= 999.5 {
		v /= step
		i++
	}
	return digits(v) + units[i]
}

// digits rounds to three digits, more where more stand before the point.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// Count groups the digits of a number by thousands: 1,234,567.
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Rate is how many a second: 823/s, 1.23k/s.
func Rate(n uint64, over time.Duration) string {
	if over <= 0 {
		return "-/s"
	}
	v := float64(n) / over.Seconds()
	if v < 999.5 {
		return digits(v) + "/s"
	}
	return scaled(v/1e3, 1e3, []string{"k", "M", "G"}) + "/s"
}

// Percent writes a share (0 to 1) with one decimal: 97.1%, 100%.
func Percent(share float64) string {
	p := share * 100
	switch {
	case p >= 99.95:
		return "100%"
	case p > 0 && p < 0.05:
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", p)
}
