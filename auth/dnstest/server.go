package dnstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/miekg/dns"
)

// A Server answers for a zone over UDP and TCP on one address until it is closed.
type Server struct {
	addr string
	udp  *dns.Server
	tcp  *dns.Server
	done sync.WaitGroup
}

// Serve starts a DNS server for the zone; addr "" is a free port of 127.0.0.1. Close the server to end it.
func (z *Zone) Serve(addr string) (*Server, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, pc, err := listen(addr)
	if err != nil {
		return nil, err
	}
	s := &Server{addr: ln.Addr().String()}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_, udp := w.RemoteAddr().(*net.UDPAddr)
		if m := z.reply(q, udp); m != nil {
			_ = w.WriteMsg(m) // the asker is gone: nobody to tell
		}
	})
	s.udp = &dns.Server{PacketConn: pc, Handler: handler}
	s.tcp = &dns.Server{Listener: ln, Handler: handler}
	var ready sync.WaitGroup
	for _, srv := range []*dns.Server{s.udp, s.tcp} {
		ready.Add(1)
		srv.NotifyStartedFunc = ready.Done
		s.done.Go(func() { _ = srv.ActivateAndServe() }) // ends with Shutdown
	}
	ready.Wait()
	return s, nil
}

// listen opens TCP and UDP on the same port, trying a few ports when the choice is free.
func listen(addr string) (net.Listener, net.PacketConn, error) {
	var errs []error
	for range 16 {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		pc, err := net.ListenPacket("udp", ln.Addr().String())
		if err == nil {
			return ln, pc, nil
		}
		ln.Close()
		errs = append(errs, err)
	}
	return nil, nil, fmt.Errorf("no port free for both TCP and UDP: %w", errors.Join(errs...))
}

// Addr returns the address served, as host:port.
func (s *Server) Addr() string { return s.addr }

// Close ends the server, returning when its goroutines have ended.
func (s *Server) Close() error {
	err := errors.Join(s.udp.Shutdown(), s.tcp.Shutdown())
	s.done.Wait()
	return err
}

// Exchange answers one DNS packet as a server would over TCP, so that a zone is a transport of auth/resolver. A name
// that fails with [Timeout] waits for the end of ctx.
func (z *Zone) Exchange(ctx context.Context, query []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	m := z.reply(q, false)
	if m == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.Pack()
}

// reply returns the message that answers q, or nil for silence.
func (z *Zone) reply(q *dns.Msg, udp bool) *dns.Msg {
	m := new(dns.Msg)
	if len(q.Question) != 1 || q.Opcode != dns.OpcodeQuery {
		return m.SetRcode(q, dns.RcodeNotImplemented)
	}
	m.SetReply(q)
	m.RecursionAvailable = true
	r := z.resolve(dns.CanonicalName(q.Question[0].Name), q.Question[0].Qtype)
	if r.failure == Timeout {
		return nil
	}
	m.Rcode = r.rcode
	m.Answer = r.answer
	if r.soa != nil {
		m.Ns = []dns.RR{r.soa}
	}
	size := dns.MinMsgSize
	opt := q.IsEdns0()
	if opt != nil {
		m.SetEdns0(dns.DefaultMsgSize, opt.Do())
		size = max(size, int(opt.UDPSize()))
	}
	m.AuthenticatedData = r.secure && (q.AuthenticatedData || opt != nil && opt.Do())
	if udp {
		if r.failure == WrongID {
			m.Id++
		}
		if r.failure == Truncate {
			m.Answer, m.Ns, m.Truncated = nil, nil, true
		} else {
			m.Truncate(size)
		}
	}
	return m
}
