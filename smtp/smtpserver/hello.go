package smtpserver

import (
	"crypto/tls"
	"log/slog"
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
