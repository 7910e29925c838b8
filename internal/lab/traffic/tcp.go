package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// requester makes requests on one TCP connection, one at a time.
type requester struct {
	conn     net.Conn
	request  []byte
	response []byte
}

// dialRequester connects within patience and prepares requests like req.
func dialRequester(ctx context.Context, address string, patience time.Duration, req request) (*requester, error) {
	conn, err := dialPatiently(ctx, "tcp", address, patience)
	if err != nil {
		return nil, err
	}
	if req.want == 0 {
		req.want = 64 // a client must know how much to read
	}
	r := &requester{conn: conn, request: make([]byte, req.size), response: make([]byte, req.want)}
	req.put(r.request)
	return r, nil
}

// roundTrip sends one request, reads its whole response and gives the time
// between.
func (r *requester) roundTrip() (time.Duration, error) {
	start := time.Now()
	if _, err := r.conn.Write(r.request); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(r.conn, r.response); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// thought is what the server says it took for the latest response.
func (r *requester) thought() (took time.Duration, told bool) {
	if len(r.response) < thoughtLen {
		return 0, false
	}
	return time.Duration(binary.BigEndian.Uint64(r.response)), true
}

func (r *requester) close() { _ = r.conn.Close() }

// roundTrips is the mode "rr".
func roundTrips(ctx context.Context, args []string) (outcome.Result, error) {
	c := newClient("rr", 1000)
	connections := c.flags.Int("connections", 1, "TCP connections at once; they share count and rate")
	size := c.flags.Int("size", 64, "bytes of a request, at least 12")
	want := c.flags.Int("response", 64, "bytes of a response")
	ctx, cancel, err := c.parse(ctx, args)
	if err != nil {
		return outcome.Result{}, err
	}
	defer cancel()
	req := request{size: *size, want: *want}
	if req.size < headerLen || req.size > maxPayload || req.want < 1 || req.want > maxPayload || *connections < 1 {
		return outcome.Result{}, errors.New("size, response or connections out of bounds")
	}

	requesters := make([]*requester, 0, *connections)
	for range *connections {
		r, err := dialRequester(ctx, c.address, c.wait, req)
		if err != nil {
			return outcome.Result{}, err
		}
		defer r.close()
		requesters = append(requesters, r)
	}

	counts := newTally()
	var senders sync.WaitGroup
	for i, r := range requesters {
		counts.connection()
		share := c.count / *connections
		if i < c.count%*connections {
			share++
		}
		senders.Go(func() { c.repeat(ctx, r, share, c.rate/float64(*connections), counts) })
	}
	senders.Wait()
	return counts.result(), nil
}

// repeat makes count round trips. The connection's first error ends it.
func (c *client) repeat(ctx context.Context, r *requester, count int, rate float64, counts *tally) {
	// One more second, so that a request under way at the end is answered.
	deadline, _ := ctx.Deadline()
	_ = r.conn.SetDeadline(deadline.Add(time.Second))
	pacing := newPace(rate)
	for i := range count {
		pacing.before(i)
		if ctx.Err() != nil {
			return
		}
		latency, err := r.roundTrip()
		if err != nil {
			counts.fail(err)
			return
		}
		counts.took(latency, len(r.request), len(r.response))
		if took, told := r.thought(); told {
			counts.thought(took)
		}
	}
}

// short is the mode of the same name: its latency is the time to connect.
func short(ctx context.Context, args []string) (outcome.Result, error) {
	c := newClient("short", 100)
	ctx, cancel, err := c.parse(ctx, args)
	if err != nil {
		return outcome.Result{}, err
	}
	defer cancel()
	counts := newTally()
	pacing := newPace(c.rate)
	patience := c.wait
	for i := range c.count {
		pacing.before(i)
		if ctx.Err() != nil {
			break
		}
		start := time.Now()
		conn, err := dialPatiently(ctx, "tcp", c.address, patience)
		patience = 0 // only the first connection may wait for its server
		if err != nil {
			counts.fail(err)
			continue
		}
		latency := time.Since(start)
		counts.connection()
		_, err = conn.Write([]byte{opShort})
		if err := errors.Join(err, conn.Close()); err != nil {
			counts.fail(err)
			continue
		}
		counts.took(latency, 1, 0)
	}
	return counts.result(), nil
}

// bulk is the mode of the same name. It fails where the server counted other
// than what was sent.
func bulk(ctx context.Context, args []string) (outcome.Result, error) {
	c := newClient("bulk", 1)
	total := c.flags.Int64("bytes", 64<<20, "payload of the transfer, cut short by duration")
	ctx, cancel, err := c.parse(ctx, args)
	if err != nil {
		return outcome.Result{}, err
	}
	defer cancel()
	conn, err := dialPatiently(ctx, "tcp", c.address, c.wait)
	if err != nil {
		return outcome.Result{}, err
	}
	defer conn.Close()

	counts := newTally()
	counts.connection()
	sent, err := pour(ctx, conn, *total)
	if err != nil {
		return outcome.Result{}, err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return outcome.Result{}, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	var count [8]byte
	if _, err := io.ReadFull(conn, count[:]); err != nil {
		return outcome.Result{}, fmt.Errorf("read the server's count: %w", err)
	}
	if got := binary.BigEndian.Uint64(count[:]); got != uint64(sent) {
		return outcome.Result{}, fmt.Errorf("sent %d bytes, the server received %d", sent, got)
	}
	counts.done(int(sent), len(count))
	return counts.result(), nil
}

// pour writes opBulk and up to total bytes, until ctx ends; it gives the bytes
// after opBulk.
func pour(ctx context.Context, conn net.Conn, total int64) (int64, error) {
	if _, err := conn.Write([]byte{opBulk}); err != nil {
		return 0, err
	}
	chunk := make([]byte, 128<<10)
	var sent int64
	for sent < total && ctx.Err() == nil {
		n, err := conn.Write(chunk[:min(int64(len(chunk)), total-sent)])
		sent += int64(n)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
