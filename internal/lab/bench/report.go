package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// Report is everything that was measured; its JSON form is what --json prints.
type Report struct {
	Schema     string     `json:"schema"`
	StartedAt  time.Time  `json:"started_at"`
	Release    string     `json:"kernel"`
	CPUs       int        `json:"cpus"`
	Load       string     `json:"load_average"`   // of the last minute, before the run
	Containers string     `json:"container_cpus"` // on which both containers run
	Rounds     int        `json:"rounds"`
	SliceNs    int64      `json:"slice_ns"`
	Throughput Throughput `json:"throughput"`
	Kernel     Kernel     `json:"programs"`
	Sockets    Sockets    `json:"sockets"`
}

func newReport(o options) *Report {
	r := &Report{
		Schema: "hopscope/bench/v1", StartedAt: time.Now().UTC(), CPUs: runtime.NumCPU(),
		Rounds: o.rounds, SliceNs: o.slice.Nanoseconds(), Containers: o.cpus,
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		r.Release = unix.ByteSliceToString(u.Release[:])
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.Load, _, _ = strings.Cut(string(load), " ")
	}
	return r
}

// lost fails where hopscope lost a packet that it tracked.
func (r *Report) lost() error {
	for _, c := range r.Throughput.Cases {
		if strings.HasPrefix(c.Name, "hopscope") && c.Account.Lost > 0 {
			return fmt.Errorf("%s: lost %d of %d tracked packets", c.Name, c.Account.Lost, c.Account.Packets)
		}
	}
	return nil
}

func (r *Report) print(w io.Writer, whole bool) error {
	fmt.Fprintf(w, "Linux %s, %d CPUs, load average %s before; containers on CPU %s; %d rounds, slices of %s\n\n",
		r.Release, r.CPUs, r.Load, r.Containers, r.Rounds, time.Duration(r.SliceNs))
	tables := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if whole {
		r.Throughput.print(tables)
		r.Kernel.print(tables)
	}
	r.Sockets.print(tables)
	return tables.Flush()
}

func (t Throughput) print(w io.Writer) {
	fmt.Fprintln(w, "As a ratio to the untraced slice of the same round: median (min - max)")
	fmt.Fprintln(w, "\tround trips per s\tper s of CPU\tbulk per s\tper s of CPU\t")
	for _, c := range t.Cases {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", c.Name,
			ratio(c.RoundTrips), ratio(c.RoundTripsCPU), ratio(c.Bulk), ratio(c.BulkCPU))
	}
	fmt.Fprintln(w, "\nWhat the tracers saw, over all slices\n\tpackets\tlost\tsuppressed\town CPU\t")
	for _, c := range t.Cases {
		if c.Account.Packets == 0 {
			continue
		}
		cpu := "-"
		if c.UserCPU != nil {
			cpu = fmt.Sprintf("%.0f %%", c.UserCPU.Median)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t\n", c.Name, c.Account.Packets, c.Account.Lost, c.Account.Suppressed, cpu)
	}
	fmt.Fprintf(w, "\nFor scale, untraced: %.0f round trips/s (%.0f - %.0f), %.2f GB/s (%.2f - %.2f)\n\n",
		t.RoundTripsPerSecond.Median, t.RoundTripsPerSecond.Min, t.RoundTripsPerSecond.Max,
		t.BytesPerSecond.Median/1e9, t.BytesPerSecond.Min/1e9, t.BytesPerSecond.Max/1e9)
}

func (k Kernel) print(w io.Writer) {
	fmt.Fprintf(w, "Kernel programs under round trips, ns less an empty program's %s: median (min - max)\n", ns(k.FloorNs))
	fmt.Fprintf(w, "\truns/packet\tns/run\tns/run, 1 of %d\tns/packet\n", sparse)
	for _, p := range k.Programs {
		fmt.Fprintf(w, "%s\t%.2f\t%s\t%s\t%.0f\n", p.Name, p.RunsPerPacket, ns(p.RunNs), ns(p.SparseRunNs), p.PacketNs)
	}
	fmt.Fprintf(w, "\na packet\t%s ns\n", ns(k.PacketNs))
	fmt.Fprintf(w, "a packet, 1 of %d tracked\t%s ns\n", sparse, ns(k.SparseNs))
	fmt.Fprintf(w, "a stop\t%s ns\t%.2f stops a packet\n", ns(k.StopNs), k.Stops)
	fmt.Fprintf(w, "a record\t%.0f bytes\n", k.RecordBytes)
	u := k.Userspace
	fmt.Fprintf(w, "user space, one CPU\t%.0f records/s (%.0f - %.0f)\t%.3f allocations a record\n",
		u.RecordsPerSecond.Median, u.RecordsPerSecond.Min, u.RecordsPerSecond.Max, u.AllocsPerRecord)
	fmt.Fprintf(w, "that is\t%.0f times (%.0f - %.0f) what the traffic made\n", u.Headroom.Median, u.Headroom.Min, u.Headroom.Max)
}

func ratio(s Spread) string { return fmt.Sprintf("%.3f (%.3f - %.3f)", s.Median, s.Min, s.Max) }

func ns(s Spread) string { return fmt.Sprintf("%.0f (%.0f - %.0f)", s.Median, s.Min, s.Max) }
