package main

import (
	"fmt"
	"io"
)

// Sockets is what following TCP sockets adds to the same programs without it.
type Sockets struct {
	Points      []SocketPoint `json:"points"`
	EntryNs     Spread        `json:"entry_ns"`      // to enter one more program, per message
	RoundTripNs Spread        `json:"round_trip_ns"` // untraced
	Every       SocketCost    `json:"every_exchange"`
	Sparse      SocketCost    `json:"one_of_64"`
}

// SocketPoint is the part of one trace point, in ns a message.
type SocketPoint struct {
	Name   string `json:"name"`
	Every  Spread `json:"ns_per_message"`
	Sparse Spread `json:"ns_per_message_sampled"`
}

// SocketCost is what a round trip, which has two messages, costs more: all
// points and the entry.
type SocketCost struct {
	Ns      Spread  `json:"ns_per_round_trip"`
	Percent float64 `json:"percent_of_round_trip"` // medians
}

func newSockets(slices map[uint32][]socketSlice, e entry) Sockets {
	s := Sockets{EntryNs: e.ns, RoundTripNs: e.roundTrip}
	for _, name := range followed {
		s.Points = append(s.Points, SocketPoint{
			Name:   name,
			Every:  extraAt(name, slices[1]),
			Sparse: extraAt(name, slices[sparse]),
		})
	}
	s.Every, s.Sparse = s.cost(slices[1]), s.cost(slices[sparse])
	return s
}

func extraAt(name string, slices []socketSlice) Spread {
	return bothOrders(slices, func(s socketSlice) float64 { return s.extra(name) })
}

// bothOrders is the spread of the rounds' means, each over a slice in either order.
func bothOrders(slices []socketSlice, value func(socketSlice) float64) Spread {
	var means []float64
	for i := 1; i < len(slices); i += 2 {
		means = append(means, (value(slices[i-1])+value(slices[i]))/2)
	}
	return spreadOf(means)
}

// extra is in ns a message. Where the other variant has no program, an empty one
// stands for it.
func (s socketSlice) extra(name string) float64 {
	with, without := s.with[name], s.without[name]
	if name == readPoint {
		without = s.empty
	}
	if with.count == 0 || without.count == 0 {
		return 0
	}
	return (with.nsPerRun() - without.nsPerRun()) * float64(with.count) / float64(s.messages)
}

func (s Sockets) cost(slices []socketSlice) SocketCost {
	c := SocketCost{Ns: bothOrders(slices, func(slice socketSlice) float64 {
		sum := s.EntryNs.Median
		for _, name := range followed {
			sum += slice.extra(name)
		}
		return 2 * sum
	})}
	c.Percent = 100 * c.Ns.Median / s.RoundTripNs.Median
	return c
}

func (s Sockets) print(w io.Writer) {
	fmt.Fprintln(w, "\nFollowing TCP sockets, ns more than without it: median (min - max)")
	fmt.Fprintf(w, "\tevery exchange\t1 of %d\n", sparse)
	for _, p := range s.Points {
		fmt.Fprintf(w, "%s, a message\t%s\t%s\n", p.Name, ns(p.Every), ns(p.Sparse))
	}
	fmt.Fprintf(w, "entering %s, a message\t%s\tthe same\n", readPoint, ns(s.EntryNs))
	fmt.Fprintf(w, "a round trip\t%s\t%s\n", ns(s.Every.Ns), ns(s.Sparse.Ns))
	fmt.Fprintf(w, "of %.1f µs untraced\t%.2f %%\t%.2f %%\n", s.RoundTripNs.Median/1000, s.Every.Percent, s.Sparse.Percent)
}
