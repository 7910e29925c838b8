package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// echoTimeout is how long an echo may take before it counts as lost, unless asked
// otherwise.
const echoTimeout = 500 * time.Millisecond

// sender is one run of the mode "udp".
type sender struct {
	conn    net.Conn
	size    int
	counts  *tally
	timeout time.Duration  // for each echo
	sentAt  []atomic.Int64 // by serial number, ns since start; 0: not sent or answered
	start   time.Time
}

// datagrams is the mode "udp". Datagrams are numbered from 0, in the first 8
// bytes of the payload, big endian.
func datagrams(ctx context.Context, args []string) (outcome.Result, error) {
	c := newClient("udp", 1000)
	size := c.flags.Int("size", 64, "bytes of payload, 16 to 65507")
	echo := c.flags.Bool("echo", true, "ask for echoes; without a rate, each datagram waits for the last one's")
	timeout := c.flags.Duration("timeout", echoTimeout, "wait this long for each echo")
	ctx, cancel, err := c.parse(ctx, args)
	if err != nil {
		return outcome.Result{}, err
	}
	defer cancel()
	if *size < datagramMin || *size > maxDatagram || c.count > maxSamples {
		return outcome.Result{}, fmt.Errorf("size must be %d to %d, count at most %d", datagramMin, maxDatagram, maxSamples)
	}
	conn, err := dialPatiently(ctx, "udp", c.address, c.wait)
	if err != nil {
		return outcome.Result{}, err
	}
	defer conn.Close()

	s := &sender{
		conn: conn, size: *size, timeout: *timeout, counts: newTally(), start: time.Now(), sentAt: make([]atomic.Int64, c.count),
	}
	switch {
	case !*echo:
		s.oneWay(ctx, c)
	case c.rate > 0:
		s.paced(ctx, c)
	default:
		s.pingPong(ctx, c)
	}
	return s.counts.result(), nil
}

func (s *sender) send(buf []byte, serial int, echo bool) error {
	binary.BigEndian.PutUint64(buf, uint64(serial))
	buf[echoOffset] = 0
	if echo {
		buf[echoOffset] = 1
	}
	s.sentAt[serial].Store(int64(time.Since(s.start)) + 1)
	_, err := s.conn.Write(buf)
	return err
}

// receive reads one echo and counts it.
func (s *sender) receive(buf []byte, deadline time.Time) error {
	_ = s.conn.SetReadDeadline(deadline)
	n, err := s.conn.Read(buf)
	if err != nil {
		return err
	}
	serial := binary.BigEndian.Uint64(buf)
	if n != s.size || serial >= uint64(len(s.sentAt)) {
		return errors.New("an echo that was never sent")
	}
	at := s.sentAt[serial].Swap(0)
	if at == 0 {
		return errors.New("an echo came twice")
	}
	s.counts.took(time.Since(s.start)-time.Duration(at-1), n, n)
	return nil
}

func (s *sender) oneWay(ctx context.Context, c *client) {
	buf := make([]byte, s.size)
	pacing := newPace(c.rate)
	for i := range c.count {
		pacing.before(i)
		if ctx.Err() != nil {
			return
		}
		if err := s.send(buf, i, false); err != nil {
			s.counts.fail(err)
			continue
		}
		s.counts.done(s.size, 0)
	}
}

func (s *sender) pingPong(ctx context.Context, c *client) {
	out, in := make([]byte, s.size), make([]byte, s.size)
	for i := 0; i < c.count && ctx.Err() == nil; i++ {
		if err := s.send(out, i, true); err != nil {
			s.counts.fail(err)
			continue
		}
		if err := s.receive(in, time.Now().Add(s.timeout)); err != nil {
			s.counts.fail(err)
		}
	}
}

// paced sends at a rate while echoes are read aside.
func (s *sender) paced(ctx context.Context, c *client) {
	sent := make(chan int, 1)
	go func() {
		buf := make([]byte, s.size)
		pacing := newPace(c.rate)
		n := 0
		for ; n < c.count; n++ {
			pacing.before(n)
			if ctx.Err() != nil {
				break
			}
			if err := s.send(buf, n, true); err != nil {
				s.counts.fail(err)
			}
		}
		sent <- n
	}()

	in := make([]byte, s.size)
	total := -1 // not known before the last is sent
	for answered := 0; answered != total; {
		err := s.receive(in, time.Now().Add(s.timeout))
		var timeout net.Error
		switch {
		case err == nil:
			answered++
		case errors.As(err, &timeout) && timeout.Timeout():
			if total >= 0 {
				for range total - answered {
					s.counts.fail(errors.New("no echo"))
				}
				return
			}
		default:
			s.counts.fail(err)
		}
		select {
		case total = <-sent:
		default:
		}
	}
}
