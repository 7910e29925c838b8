package main

import (
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"

	"github.com/hopscope/hopscope/pkg/journey"
)

// parseSample reads "auto" (0), "1" or "1/N".
func parseSample(s string) (uint32, error) {
	if s == "auto" {
		return 0, nil
	}
	numerator, denominator, fraction := strings.Cut(s, "/")
	if !fraction {
		denominator = "1"
	}
	n, err := strconv.ParseUint(denominator, 10, 32)
	if numerator != "1" || err != nil || n == 0 {
		return 0, fmt.Errorf("--sample %q is none of auto, 1 and 1/N", s)
	}
	return uint32(n), nil
}

// parsePercent reads "2%" or "2".
func parsePercent(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !(v > 0 && v <= 100) {
		return 0, fmt.Errorf("--max-overhead %q is no percentage above 0 and up to 100", s)
	}
	return v, nil
}

func parsePorts(ports []uint) ([]uint16, error) {
	var out []uint16
	for _, p := range ports {
		if p == 0 || p > 65535 {
			return nil, fmt.Errorf("--port %d is no port between 1 and 65535", p)
		}
		out = append(out, uint16(p))
	}
	return out, nil
}

func parseProtos(names []string) ([]uint8, error) {
	var out []uint8
	for _, name := range names {
		p, ok := journey.ParseProto(strings.ToLower(name))
		if !ok {
			return nil, fmt.Errorf("--proto %q is none of tcp, udp, icmp, icmpv6 and sctp", name)
		}
		out = append(out, p)
	}
	return out, nil
}

// ringSize is the size of the ring buffer in bytes; 0 is the default.
type ringSize int

func (r *ringSize) String() string { return strconv.Itoa(int(*r)) }

func (r *ringSize) Type() string { return "size" }

// Set reads bytes, KiB or MiB: the kernel takes a power of two that holds at
// least one page, and at most 2 GiB of address space twice.
func (r *ringSize) Set(s string) error {
	number, unit := strings.TrimRight(s, "KMiB"), 1
	switch s[len(number):] {
	case "", "B":
	case "K", "KiB":
		unit = 1 << 10
	case "M", "MiB":
		unit = 1 << 20
	default:
		return fmt.Errorf("%q is no size", s)
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is no size", s)
	}
	size := n * uint64(unit)
	if bits.OnesCount64(size) != 1 || size < uint64(os.Getpagesize()) || size > 1<<30 {
		return fmt.Errorf("%q is no power of two between the page size and 1024MiB", s)
	}
	*r = ringSize(size)
	return nil
}
