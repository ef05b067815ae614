package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// Defaults of [Servers].
const (
	DefaultTryTimeout = 3 * time.Second
	DefaultTries      = 2
)

// udpSize is the size of answers asked for: the DNS flag day value that no path has to fragment.
const udpSize = 1232

// Servers is a Transport to recursive resolvers: over UDP, and over TCP where an answer is truncated or one came with a
// wrong id. The servers are tried in order, each in every round.
type Servers struct {
	// Addrs holds the servers as host:port.
	Addrs []string
	// TryTimeout bounds one try of one server; 0 is DefaultTryTimeout.
	TryTimeout time.Duration
	// Tries is how many rounds are made; 0 is DefaultTries.
	Tries int
}

// System returns the servers that /etc/resolv.conf names.
func System() (*Servers, error) { return systemFrom("/etc/resolv.conf") }

func systemFrom(file string) (*Servers, error) {
	conf, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("resolver configuration: %w", err)
	}
	s := &Servers{Tries: conf.Attempts, TryTimeout: time.Duration(conf.Timeout) * time.Second}
	for _, host := range conf.Servers {
		s.Addrs = append(s.Addrs, net.JoinHostPort(host, conf.Port))
	}
	if len(s.Addrs) == 0 {
		return nil, fmt.Errorf("%s names no server", file)
	}
	return s, nil
}

// Exchange implements [Transport].
func (s *Servers) Exchange(ctx context.Context, query []byte) ([]byte, error) {
	var errs []error
	for range or(s.Tries, DefaultTries) {
		for _, addr := range s.Addrs {
			answer, err := s.try(ctx, addr, query)
			if err == nil {
				return answer, nil
			}
			errs = append(errs, fmt.Errorf("server %s: %w", addr, err))
			if ctx.Err() != nil {
				return nil, errors.Join(errs...)
			}
		}
	}
	if len(errs) == 0 {
		return nil, errors.New("no server to ask")
	}
	return nil, errs[len(errs)-1]
}

func (s *Servers) try(ctx context.Context, addr string, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, or(s.TryTimeout, DefaultTryTimeout))
	defer cancel()
	answer, err := converse(ctx, "udp", addr, query)
	if errors.Is(err, errForged) || err == nil && truncated(answer) {
		answer, err = converse(ctx, "tcp", addr, query)
	}
	if err != nil {
		return nil, err
	}
	if rcode := answer[3] & 15; rcode == dns.RcodeServerFailure || rcode == dns.RcodeRefused {
		// Worth asking the next server; the last one's answer stands.
		if len(s.Addrs) > 1 && addr != s.Addrs[len(s.Addrs)-1] {
			return nil, fmt.Errorf("says %s", dns.RcodeToString[int(rcode)])
		}
	}
	return answer, nil
}

func truncated(packet []byte) bool { return packet[2]&2 != 0 }

// errForged is the answer to a question with another id: a forger's guess, or a server gone wrong. RFC 5452 §9.
var errForged = errors.New("answer with a wrong id or question")

// headerSize is the size of the header of every DNS packet.
const headerSize = 12

// converse sends one query over a connection of its own and returns the answer that fits it.
func converse(ctx context.Context, network, addr string, query []byte) ([]byte, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	out := query
	if network == "tcp" {
		out = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := conn.Write(out); err != nil {
		return nil, err
	}
	in, err := receive(conn, network)
	if err != nil {
		return nil, err
	}
	if len(in) < headerSize || !sameQuestion(in, query) {
		return nil, errForged
	}
	return in, nil
}

func receive(conn net.Conn, network string) ([]byte, error) {
	size := 4096 // more than was asked for, in case a server does not care
	if network == "udp" {
		in := make([]byte, size)
		n, err := conn.Read(in)
		return in[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	in := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, in)
	return in, err
}

// sameQuestion reports whether a packet answers the query.
func sameQuestion(in, query []byte) bool {
	q, m := new(dns.Msg), new(dns.Msg)
	return q.Unpack(query) == nil && m.Unpack(in) == nil && answers(m, q)
}
