package human

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0ns", 7: "7ns", 999: "999ns", 1000: "1.00µs", 1234: "1.23µs", 9994: "9.99µs", 9996: "10.0µs",
		45_678: "45.7µs", 99_960: "100µs", 999_499: "999µs", 999_500: "1.00ms", 999_999: "1.00ms",
		12_345_678: "12.3ms", 1_000_000_000: "1.00s", 15_000_000_000: "15.0s", 7_200_000_000_000: "7200s", -1500: "-1.50µs",
	} {
		if got := Duration(ns); got != want {
			t.Errorf("Duration(%d) = %s, want %s", ns, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range [][2]string{
		{Bytes(0), "0B"}, {Bytes(999), "999B"}, {Bytes(1234), "1.23kB"}, {Bytes(45_600_000), "45.6MB"}, {Bytes(999_999), "1.00MB"},
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(1234567), "1,234,567"},
		{Rate(15, 10*time.Second), "1.50/s"}, {Rate(12345, time.Second), "12.3k/s"}, {Rate(1, 0), "-/s"},
		{Percent(0), "0.0%"}, {Percent(0.0004), "<0.1%"}, {Percent(0.971), "97.1%"}, {Percent(0.9996), "100%"}, {Percent(1), "100%"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %s, want %s", c[0], c[1])
		}
	}
}
