package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// asker is one run of the mode "ask".
type asker struct {
	name    string
	timeout time.Duration
	again   int
	open    bool
	server  *net.UDPAddr
}

// ask is the mode "ask": DNS queries to a name server, one after the other and
// each from a socket of its own, as resolver libraries do. Unlike theirs, what
// is sent is what was asked for.
func ask(ctx context.Context, args []string) (outcome.Result, error) {
	c := newClient("ask", 100)
	a := &asker{}
	c.flags.StringVar(&a.name, "name", "plain.test", "the name; see nameserver for what its first label asks for")
	c.flags.DurationVar(&a.timeout, "timeout", time.Second, "wait this long for each answer")
	c.flags.IntVar(&a.again, "again", 0, "send each query this many times more, at once")
	c.flags.BoolVar(&a.open, "unconnected", false, "do not connect the socket")
	ctx, cancel, err := c.parse(ctx, args)
	if err != nil {
		return outcome.Result{}, err
	}
	defer cancel()
	if a.server, err = net.ResolveUDPAddr("udp", c.address); err != nil {
		return outcome.Result{}, err
	}
	counts, pacing := newTally(), newPace(c.rate)
	for i := 0; i < c.count && ctx.Err() == nil; i++ {
		pacing.before(i)
		start := time.Now()
		if err := a.once(); err != nil {
			counts.fail(err)
			continue
		}
		counts.took(time.Since(start), 0, 0)
	}
	return counts.result(), nil
}

func (a *asker) once() error {
	conn, err := a.socket()
	if err != nil {
		return err
	}
	defer conn.Close()
	query := queryFor(a.name)
	for range a.again + 1 {
		if a.open {
			_, err = conn.WriteTo(query, a.server)
		} else {
			_, err = conn.Write(query)
		}
		if err != nil {
			return err
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(a.timeout))
	for buf, heard := make([]byte, maxDNS), 0; heard <= a.again; heard++ {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if n < dnsHeader || buf[0] != query[0] || buf[1] != query[1] {
			return errors.New("an answer to another query")
		}
	}
	return nil
}

func (a *asker) socket() (*net.UDPConn, error) {
	if a.open {
		return net.ListenUDP("udp", nil)
	}
	return net.DialUDP("udp", nil, a.server)
}

// queryFor asks for the IPv4 address of a name.
func queryFor(name string) []byte {
	query := binary.BigEndian.AppendUint16(nil, uint16(rand.Uint32()))
	query = append(query, dnsDesired, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for label := range strings.SplitSeq(name, ".") {
		query = append(query, byte(len(label)))
		query = fmt.Append(query, label)
	}
	return append(query, 0, 0, 1, 0, 1)
}
