package smtpserver

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/internal/line"
	"github.com/mailbricks/mailbricks/smtp"
)

// greet does EHLO, HELO and LHLO.
func (s *session) greet(cmd smtp.Command) {
	if (cmd.Verb == "LHLO") != (s.srv.Mode == LMTP) { // RFC 2033 §4.1
		s.fault("500 5.5.1 " + map[bool]string{true: "LHLO", false: "EHLO"}[s.srv.Mode == LMTP] + " is the greeting here\r\n")
		return
	}
	name, err := smtp.ParseHello(cmd.Args)
	if err != nil {
		s.faultErr(err)
		return
	}
	if s.srv.RefuseEarly && s.r.Buffered() > 0 {
		s.early()
		return
	}
	s.reset() // RFC 5321 §4.1.4
	s.hello, s.extended, s.offered, s.peers = name, cmd.Verb != "HELO", 0, [2]*smtp.Peer{}
	if !s.extended {
		s.w.say("250 " + s.srv.hostname + "\r\n")
		return
	}
	last := len(s.w.out)
	out := append(append(append(s.w.out, "250-"...), s.srv.hostname...), "\r\n"...)
	peer := s.peer(false)
	for i := range s.srv.extensions {
		e := &s.srv.extensions[i]
		if e.Keyword == "XCLIENT" && !s.trusted {
			continue
		}
		arg := ""
		if e.Argument != nil {
			offered := false
			if arg, offered = e.Argument(peer); !offered || strings.ContainsAny(arg, "\r\n\x00") {
				continue
			}
		}
		s.offered |= 1 << i
		last = len(out)
		out = append(append(out, "250-"...), e.Keyword...)
		if arg != "" {
			out = append(append(out, ' '), arg...)
		}
		out = append(out, "\r\n"...)
	}
	out[last+3] = ' '
	s.w.out = out
}

// startTLS does STARTTLS (RFC 3207).
func (s *session) startTLS(cmd smtp.Command) {
	switch {
	case s.tls != nil:
		s.fault("503 5.5.1 TLS is active already\r\n")
		return
	case s.srv.TLS == nil || !s.offers("STARTTLS"):
		s.fault("502 5.5.1 STARTTLS is not offered\r\n")
		return
	case cmd.Args != "":
		s.fault("501 5.5.4 STARTTLS has no argument\r\n")
		return
	case s.r.Buffered() > 0: // CVE-2011-0411
		s.log(slog.LevelWarn, "plain text behind STARTTLS")
		s.bye("554 5.7.0 Text behind STARTTLS\r\n")
		s.talking = true
		return
	}
	s.w.say("220 2.0.0 Go ahead\r\n")
	if err := s.w.flush(); err != nil {
		s.lost(err)
		return
	}
	s.w.begin(s.srv.timeouts.TLS, 0, false)
	if !s.handshake(tls.Server(s.w.c, s.srv.TLS)) {
		return
	}
	s.reset() // RFC 3207 §4.2: nothing that was said before counts
	s.hello, s.extended, s.offered, s.identity = "", false, 0, ""
	s.r = line.NewReader(&s.w, smallBuffer)
}

const xclientAttributes = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"

// trusts reports whether the word of a peer is taken by XCLIENT.
func (s *Server) trusts(peer net.Addr) bool {
	a, ok := peer.(*net.TCPAddr)
	return ok && slices.ContainsFunc(s.XClient, func(p netip.Prefix) bool { return p.Contains(a.AddrPort().Addr().Unmap()) })
}

// xclient does XCLIENT: from here on the session is that of another client, who has said nothing yet but what HELO and PROTO
// tell. It is refused, and nothing is taken over, where one attribute is wrong.
func (s *session) xclient(args string) {
	switch {
	case !s.trusted:
		s.fault("550 5.7.0 XCLIENT is not for you\r\n")
		return
	case s.tx != nil:
		s.fault("503 5.5.1 Transaction under way\r\n")
		return
	case args == "":
		s.fault("501 5.5.4 Syntax: XCLIENT attribute=value\r\n")
		return
	}
	x := client{remote: endOf(s.remote), local: endOf(s.local), identity: s.identity}
	for attribute := range strings.FieldsSeq(args) {
		if !x.set(attribute) {
			s.fault("501 5.5.4 Bad attribute of XCLIENT\r\n")
			return
		}
	}
	s.remote, s.local = net.TCPAddrFromAddrPort(x.remote), net.TCPAddrFromAddrPort(x.local)
	s.hello, s.extended, s.identity = x.hello, x.extended && x.hello != "", x.identity
	s.offered, s.peers = 0, [2]*smtp.Peer{}
	s.w.say("220 " + s.srv.hostname + " " + s.protocol() + "\r\n")
}

func endOf(a net.Addr) netip.AddrPort {
	if a, ok := a.(*net.TCPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// A client is what XCLIENT says of one.
type client struct {
	remote, local   netip.AddrPort
	hello, identity string
	extended        bool
}

// set takes one attribute. What the sender does not know is [UNAVAILABLE], or [TEMPUNAVAIL]: the zero value.
func (x *client) set(attribute string) bool {
	name, text, ok := strings.Cut(attribute, "=")
	value, err := smtp.ParseXtext(text)
	if !ok || err != nil || strings.ContainsAny(value, "\r\n\x00") {
		return false
	}
	known := value != "[UNAVAILABLE]" && value != "[TEMPUNAVAIL]"
	if !known {
		value = ""
	}
	switch strings.ToUpper(name) {
	case "NAME": // of the address: whoever needs it looks it up
	case "ADDR", "DESTADDR":
		var ip netip.Addr
		if known {
			v6 := len(value) > 5 && strings.EqualFold(value[:5], "IPV6:")
			if v6 {
				value = value[5:]
			}
			if ip, err = netip.ParseAddr(value); err != nil || ip.Is6() != v6 || ip.Zone() != "" {
				return false
			}
		}
		end := x.end(name)
		*end = netip.AddrPortFrom(ip, end.Port())
	case "PORT", "DESTPORT":
		port := uint64(0)
		if known {
			if port, err = strconv.ParseUint(value, 10, 16); err != nil {
				return false
			}
		}
		end := x.end(name)
		*end = netip.AddrPortFrom(end.Addr(), uint16(port))
	case "PROTO":
		if !strings.EqualFold(value, "SMTP") && !strings.EqualFold(value, "ESMTP") {
			return false
		}
		x.extended = strings.EqualFold(value, "ESMTP")
	case "HELO":
		x.hello = value
	case "LOGIN":
		x.identity = value
	default:
		return false
	}
	return true
}

func (x *client) end(name string) *netip.AddrPort {
	if len(name) > 4 { // DEST...
		return &x.local
	}
	return &x.remote
}
