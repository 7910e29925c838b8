package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// server answers on one port, over TCP and UDP, IPv4 and IPv6.
type server struct {
	think    time.Duration
	response int
	upstream string
	reset    int
	pause    time.Duration
	tally    *tally
}

// serve runs a server until its time is over or it is told to stop.
func serve(ctx context.Context, args []string) (outcome.Result, error) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	port := flags.Int("port", 8000, "TCP and UDP port")
	s := &server{tally: newTally()}
	flags.DurationVar(&s.think, "think", 0, "wait this long before each response")
	flags.IntVar(&s.response, "response", 64, "bytes of a response whose client does not say")
	flags.StringVar(&s.upstream, "upstream", "", "HOST:PORT that is asked before each response")
	flags.IntVar(&s.reset, "reset", 0, "answer each N-th connection with a reset, 0: none")
	flags.DurationVar(&s.pause, "pause", 0, "send each response in two halves, this long apart")
	duration := flags.Duration("duration", time.Hour, "stop after this time")
	_ = flags.Parse(args) // ExitOnError: it does not return an error

	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	tcp, err := net.Listen("tcp", fmt.Sprintf(":%d", *port))
	if err != nil {
		return outcome.Result{}, err
	}
	udp, err := net.ListenPacket("udp", fmt.Sprintf(":%d", *port))
	if err != nil {
		_ = tcp.Close()
		return outcome.Result{}, err
	}

	var loops sync.WaitGroup
	loops.Go(func() { s.accept(ctx, tcp) })
	loops.Go(func() { s.echo(udp) })
	<-ctx.Done()
	_ = tcp.Close()
	_ = udp.Close()
	loops.Wait()
	return s.tally.result(), nil
}

// accept serves connections until the listener is closed.
func (s *server) accept(ctx context.Context, listener net.Listener) {
	for n := 1; ; n++ {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.tally.connection()
		go func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			if s.reset > 0 && n%s.reset == 0 {
				reset(conn)
				return
			}
			if err := s.converse(ctx, conn); err != nil && ctx.Err() == nil {
				s.tally.fail(err)
			}
		}()
	}
}

// reset waits for a request, and has the connection's end answer it with a RST.
func reset(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.(*net.TCPConn).SetLinger(0)
}

// converse serves one connection up to its end.
func (s *server) converse(ctx context.Context, conn net.Conn) error {
	reader := bufio.NewReaderSize(conn, 64<<10)
	next := &upstream{address: s.upstream}
	defer next.close()
	for {
		op, err := reader.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch op {
		case opRequest:
			err = s.answer(ctx, conn, reader, next)
		case opBulk:
			return s.swallow(conn, reader)
		case opShort:
			s.tally.done(0, 1)
		default:
			err = fmt.Errorf("unknown operation %q", op)
		}
		if err != nil {
			return err
		}
	}
}

// answer reads one request and writes its response.
func (s *server) answer(ctx context.Context, conn net.Conn, reader io.Reader, next *upstream) error {
	req, err := readRequest(reader)
	if err != nil {
		return err
	}
	begin := time.Now()
	if s.think > 0 {
		pause(s.think)
	}
	if s.upstream != "" {
		if err := next.ask(ctx, req); err != nil {
			return err
		}
	}
	if req.want == 0 {
		req.want = s.response
	}
	response := make([]byte, req.want)
	if len(response) >= thoughtLen {
		binary.BigEndian.PutUint64(response, uint64(time.Since(begin)))
	}
	if s.pause > 0 {
		half := len(response) / 2
		if _, err := conn.Write(response[:half]); err != nil {
			return err
		}
		response = response[half:]
		pause(s.pause)
	}
	if _, err := conn.Write(response); err != nil {
		return err
	}
	s.tally.done(req.want, req.size)
	return nil
}

// spin is longer than a sleeper is late: Go waits for timers in whole
// milliseconds.
const spin = 2 * time.Millisecond

// pause is time.Sleep to the microsecond: tests compare with it.
func pause(d time.Duration) {
	until := time.Now().Add(d)
	time.Sleep(d - spin)
	for time.Now().Before(until) {
	}
}

// swallow counts a bulk transfer and sends the count back.
func (s *server) swallow(conn net.Conn, reader io.Reader) error {
	n, err := io.Copy(io.Discard, reader)
	if err != nil {
		return err
	}
	var count [8]byte
	binary.BigEndian.PutUint64(count[:], uint64(n))
	if _, err := conn.Write(count[:]); err != nil {
		return err
	}
	s.tally.done(len(count), int(n)+1)
	return nil
}

// echo returns the datagrams that ask for it until the socket is closed.
func (s *server) echo(socket net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := socket.ReadFrom(buf)
		if err != nil {
			return
		}
		sent := 0
		if n >= datagramMin && buf[echoOffset] != 0 {
			if sent, err = socket.WriteTo(buf[:n], from); err != nil {
				s.tally.fail(err)
				continue
			}
		}
		s.tally.done(sent, n)
	}
}

// upstream is a server's own connection to the next service, made when it is
// first needed.
type upstream struct {
	address string
	client  *requester
}

func (u *upstream) ask(ctx context.Context, req request) error {
	if u.client == nil {
		client, err := dialRequester(ctx, u.address, 5*time.Second, req)
		if err != nil {
			return fmt.Errorf("upstream: %w", err)
		}
		u.client = client
	}
	if _, err := u.client.roundTrip(); err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	return nil
}

func (u *upstream) close() {
	if u.client != nil {
		u.client.close()
	}
}
