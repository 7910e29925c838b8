package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/hopscope/hopscope/internal/lab/outcome"
)

// The parts of a DNS message that are written here (RFC 1035, 4.1).
const (
	dnsHeader    = 12
	dnsAnswer    = 0x80 // QR, in the third byte
	dnsTruncated = 0x02 // TC, in the third byte
	dnsDesired   = 0x01 // RD, in the third byte
	dnsAvailable = 0x80 // RA, in the fourth byte
	maxDNS       = 4096
)

// nameserver is the mode "nameserver". The first label of the name that is asked
// for says what the answer is like: "silent" (there is none), "rcode-N",
// "delay-20ms", "truncated", "large-1000" (filled up with as many bytes); with any
// other it is an address.
func nameserver(ctx context.Context, args []string) (outcome.Result, error) {
	flags := flag.NewFlagSet("nameserver", flag.ExitOnError)
	port := flags.Int("port", 53, "UDP and TCP port")
	duration := flags.Duration("duration", time.Hour, "stop after this time")
	_ = flags.Parse(args) // ExitOnError: it does not return an error
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	udp, err := net.ListenPacket("udp", fmt.Sprintf(":%d", *port))
	if err != nil {
		return outcome.Result{}, err
	}
	tcp, err := net.Listen("tcp", fmt.Sprintf(":%d", *port))
	if err != nil {
		_ = udp.Close()
		return outcome.Result{}, err
	}
	context.AfterFunc(ctx, func() { _, _ = udp.Close(), tcp.Close() })
	counts := newTally()
	go answerStreams(tcp, counts)
	answerDatagrams(udp, counts)
	return counts.result(), nil
}

func answerDatagrams(socket net.PacketConn, counts *tally) {
	buf := make([]byte, maxDNS)
	for {
		n, from, err := socket.ReadFrom(buf)
		if err != nil {
			return
		}
		answer, delay := answerTo(buf[:n])
		if answer == nil {
			counts.done(0, n)
			continue
		}
		time.AfterFunc(delay, func() {
			if _, err := socket.WriteTo(answer, from); err != nil {
				counts.fail(err)
				return
			}
			counts.done(len(answer), n)
		})
	}
}

// answerStreams answers one query a connection (RFC 1035, 4.2.2).
func answerStreams(listener net.Listener, counts *tally) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		counts.connection()
		go func() {
			defer conn.Close()
			if err := answerStream(conn); err != nil {
				counts.fail(err)
			}
		}()
	}
}

func answerStream(conn net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	answer, _ := answerTo(query)
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

// answerTo gives the answer that a query asks for, nil for none.
func answerTo(query []byte) (answer []byte, delay time.Duration) {
	label, end, err := firstLabel(query)
	if err != nil || label == "silent" {
		return nil, 0
	}
	answer = append([]byte(nil), query[:end]...)
	answer[2] |= dnsAnswer
	answer[3] = dnsAvailable
	clear(answer[6:dnsHeader]) // no records, until there is one
	wish, value, _ := strings.Cut(label, "-")
	switch wish {
	case "rcode":
		code, _ := strconv.ParseUint(value, 10, 4)
		answer[3] |= byte(code)
		return answer, 0
	case "large":
		size, _ := strconv.ParseUint(value, 10, 12)
		return append(answer, make([]byte, size)...), 0
	case "truncated":
		answer[2] |= dnsTruncated
		return answer, 0
	case "delay":
		delay, _ = time.ParseDuration(value)
	}
	if binary.BigEndian.Uint16(query[end-4:]) != 1 {
		return answer, delay
	}
	answer[7] = 1 // one record: the name above, A, IN, 0 s, 198.51.100.80
	return append(answer, 0xc0, dnsHeader, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 198, 51, 100, 80), delay
}

// firstLabel is that of the name in question; end is where the question ends.
func firstLabel(query []byte) (label string, end int, err error) {
	at := dnsHeader
	for at < len(query) && query[at] != 0 {
		next := at + 1 + int(query[at])
		if at == dnsHeader && next <= len(query) {
			label = string(query[at+1 : next])
		}
		at = next
	}
	if end = at + 5; end > len(query) { // the root, type and class
		return "", 0, errors.New("no DNS query")
	}
	return label, end, nil
}
