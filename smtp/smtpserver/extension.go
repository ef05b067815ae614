package smtpserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
)

// An Extension is an SMTP service extension as a value (RFC 5321 §2.2): what it adds to the EHLO reply, to MAIL and RCPT,
// and to the verbs. What its parameters say reaches the Handler in Other of smtp.MailParams and smtp.RcptParams.
type Extension struct {
	// Keyword is what the EHLO reply names it by, upper case.
	Keyword string
	// Argument says for each EHLO whether the extension is offered to peer, and what follows its keyword, if anything. nil:
	// offered, and nothing.
	Argument func(peer *smtp.Peer) (arg string, offered bool)
	// MailParams and RcptParams are the keywords, upper case, of the parameters that it adds. A parameter that no
	// offered extension has is refused with 555 5.5.4.
	MailParams, RcptParams []string
	// Line is by how many octets its parameters lengthen a command line (RFC 5321 §4.1.1.11).
	Line int
	// Mail, if not nil, is asked of each MAIL once its parameters are known, before the Handler; it may change them. An error
	// refuses MAIL, as for smtp.Handler.
	Mail func(peer *smtp.Peer, p *smtp.MailParams) error
	// Verbs are the commands that it adds, by name in upper case. They come at any time after EHLO but not between
	// the chunks of BDAT. An error is told as for smtp.Handler.
	Verbs map[string]func(ctx context.Context, peer *smtp.Peer, args string) (smtp.Reply, error)
}

// BinaryMIME is the extension BINARYMIME (RFC 3030 §3), for a Handler that can keep any octets and hands them on only to
// who can take them. Messages with BODY=BINARYMIME come through BDAT and are not checked for line ends.
func BinaryMIME() Extension { return Extension{Keyword: "BINARYMIME"} }

// RequireTLS is the extension REQUIRETLS (RFC 8689), for a Handler that obeys MailParams.RequireTLS. It is offered over
// TLS only.
func RequireTLS() Extension {
	return Extension{
		Keyword:    "REQUIRETLS",
		Argument:   func(peer *smtp.Peer) (string, bool) { return "", peer.TLS != nil },
		MailParams: []string{"REQUIRETLS"},
	}
}

// DeliverBy is the extension DELIVERBY (RFC 2852), for a Handler that obeys MailParams.DeliverBy, as package smtp/queue does.
// least is the shortest time that is taken where the message is else to be returned; 0: not told, and none.
func DeliverBy(least time.Duration) Extension {
	e := Extension{Keyword: "DELIVERBY", MailParams: []string{"BY"}, Line: 17}
	if least <= 0 {
		return e
	}
	s := strconv.FormatInt(int64((least+time.Second-1)/time.Second), 10)
	e.Argument = func(*smtp.Peer) (string, bool) { return s, true }
	e.Mail = func(_ *smtp.Peer, p *smtp.MailParams) error {
		if by := p.DeliverBy; by.Mode == smtp.DeliverReturn && by.After < least {
			return smtp.NewError(555, smtp.EnhancedCode{5, 5, 4}, "Delivery takes "+s+" seconds at least")
		}
		return nil
	}
	return e
}

// FutureRelease is the extension FUTURERELEASE (RFC 4865), for a Handler that obeys MailParams.Hold, as package smtp/queue
// does. longest is how long a message may be held. A Server that is not for Submission must not have it.
func FutureRelease(longest time.Duration) Extension {
	longest = longest.Truncate(time.Second)
	bad := func(text string) error { return smtp.NewError(501, smtp.EnhancedCode{5, 5, 4}, text) }
	return Extension{
		Keyword: "FUTURERELEASE",
		Argument: func(*smtp.Peer) (string, bool) {
			until := time.Now().UTC().Add(longest).Format("2006-01-02T15:04:05Z")
			return strconv.FormatInt(int64(longest/time.Second), 10) + " " + until, true
		},
		MailParams: []string{"HOLDFOR", "HOLDUNTIL"},
		Line:       34,
		Mail: func(_ *smtp.Peer, p *smtp.MailParams) error {
			d := p.Hold.For
			if !p.Hold.Until.IsZero() {
				d = time.Until(p.Hold.Until)
			}
			switch {
			case d > longest:
				return bad("Held for " + strconv.FormatInt(int64(longest/time.Second), 10) + " seconds at most")
			case p.Hold != smtp.Hold{} && p.DeliverBy.Mode != "" && d > p.DeliverBy.After: // RFC 4865 §5.2.2
				return bad("To be held for longer than it may take")
			}
			return nil
		},
	}
}

// MTPriority is the extension MT-PRIORITY (RFC 6710), for a Handler that obeys MailParams.Priority, as package smtp/queue
// does. profile names the Priority Assignment Policy, "" for none. Where trusted says no of a peer, a priority above 0
// becomes 0; nil trusts who has logged in.
func MTPriority(profile string, trusted func(*smtp.Peer) bool) Extension {
	if trusted == nil {
		trusted = func(peer *smtp.Peer) bool { return peer.Identity != "" }
	}
	return Extension{
		Keyword:    "MT-PRIORITY",
		Argument:   func(*smtp.Peer) (string, bool) { return profile, true },
		MailParams: []string{"MT-PRIORITY"},
		Line:       15,
		Mail: func(peer *smtp.Peer, p *smtp.MailParams) error {
			if p.Priority > 0 && !trusted(peer) {
				p.Priority = 0
			}
			return nil
		},
	}
}

// maxExtensions is how many a session can keep in mind.
const maxExtensions = 64

// prepareExtensions puts the built-in extensions and the Server's own together.
func (s *Server) prepareExtensions() error {
	s.commandLen = s.limits.CommandLine
	s.extensions = nil
	for _, e := range append(s.builtIn(), s.Extensions...) {
		if e.Keyword == "" || e.Keyword != strings.ToUpper(e.Keyword) || strings.ContainsAny(e.Keyword, " \r\n\x00") {
			return fmt.Errorf("smtpserver: bad keyword %q of an Extension", e.Keyword)
		}
		if slices.ContainsFunc(s.extensions, func(x Extension) bool { return x.Keyword == e.Keyword }) {
			return fmt.Errorf("smtpserver: Extension %s twice", e.Keyword)
		}
		if e.Keyword == "FUTURERELEASE" && s.Mode != Submission {
			return errors.New("smtpserver: Extension FUTURERELEASE outside of Submission (RFC 4865 §4.2)")
		}
		if slices.Contains(s.Without, e.Keyword) {
			continue
		}
		s.commandLen += max(e.Line, 0)
		s.extensions = append(s.extensions, e)
	}
	for _, name := range s.Without {
		if !slices.ContainsFunc(s.builtIn(), func(x Extension) bool { return x.Keyword == name }) {
			return fmt.Errorf("smtpserver: Without names %q, which is no built-in extension", name)
		}
	}
	if len(s.extensions) > maxExtensions {
		return fmt.Errorf("smtpserver: more than %d Extensions", maxExtensions)
	}
	return nil
}

// builtIn returns the extensions that the Server brings.
func (s *Server) builtIn() []Extension {
	always := func(arg string) func(*smtp.Peer) (string, bool) {
		return func(*smtp.Peer) (string, bool) { return arg, true }
	}
	size, limits := "", ""
	if s.limits.MessageSize < noLimit {
		size = strconv.FormatInt(s.limits.MessageSize, 10)
	}
	if s.limits.Recipients < noLimit {
		limits = "RCPTMAX=" + strconv.Itoa(s.limits.Recipients)
	}
	return []Extension{
		{Keyword: "PIPELINING"}, // RFC 2920
		{Keyword: "SIZE", Argument: always(size), MailParams: []string{"SIZE"}},                         // RFC 1870
		{Keyword: "8BITMIME", MailParams: []string{"BODY"}},                                             // RFC 6152
		{Keyword: "SMTPUTF8", MailParams: []string{"SMTPUTF8"}},                                         // RFC 6531
		{Keyword: "ENHANCEDSTATUSCODES"},                                                                // RFC 2034
		{Keyword: "CHUNKING"},                                                                           // RFC 3030
		{Keyword: "DSN", MailParams: []string{"RET", "ENVID"}, RcptParams: []string{"NOTIFY", "ORCPT"}}, // RFC 3461
		{Keyword: "STARTTLS", Argument: s.offerTLS},                                                     // RFC 3207
		{Keyword: "AUTH", Argument: s.offerAuth, MailParams: []string{"AUTH"}},                          // RFC 4954
		{Keyword: "XCLIENT", Argument: always(xclientAttributes)},                                       // to Server.XClient
		{Keyword: "LIMITS", Argument: func(*smtp.Peer) (string, bool) { return limits, limits != "" }},  // RFC 9422
	}
}

func (s *Server) offerTLS(peer *smtp.Peer) (string, bool) { return "", s.TLS != nil && peer.TLS == nil }

func (s *Server) offerAuth(peer *smtp.Peer) (string, bool) {
	if s.Authenticator == nil {
		return "", false
	}
	names := s.Authenticator.Mechanisms(s.saslConn(peer))
	return strings.Join(names, " "), len(names) > 0
}

func (s *Server) saslConn(peer *smtp.Peer) sasl.Conn {
	return sasl.Conn{Service: "smtp", Remote: peer.IP(), TLS: peer.TLS, AllowPlaintext: s.AllowPlaintextAuth}
}

// offers reports whether the extension was offered at the last EHLO.
func (s *session) offers(keyword string) bool {
	return s.any(func(e *Extension) bool { return e.Keyword == keyword })
}

// any reports whether f holds for an extension that was offered at the last EHLO.
func (s *session) any(f func(*Extension) bool) bool {
	for i := range s.srv.extensions {
		if s.offered&(1<<i) != 0 && f(&s.srv.extensions[i]) {
			return true
		}
	}
	return false
}

// checkMailParams returns the refusal of the first parameter that is not offered, or nil.
func (s *session) checkMailParams(p *smtp.MailParams) error {
	has := func(given bool, keyword string) error {
		if !given || s.any(func(e *Extension) bool { return slices.Contains(e.MailParams, keyword) }) {
			return nil
		}
		return unknownParam(keyword)
	}
	for _, err := range [...]error{
		has(p.Size != 0, "SIZE"), has(p.Body != "", "BODY"), has(p.UTF8, "SMTPUTF8"), has(p.RequireTLS, "REQUIRETLS"),
		has(p.Auth != "", "AUTH"), has(p.Return != "", "RET"), has(p.EnvelopeID != "", "ENVID"),
		has(p.DeliverBy.Mode != "", "BY"), has(p.Hold.For != 0, "HOLDFOR"), has(!p.Hold.Until.IsZero(), "HOLDUNTIL"),
		has(p.Prioritized, "MT-PRIORITY"),
	} {
		if err != nil {
			return err
		}
	}
	for _, q := range p.Other {
		if err := has(true, q.Keyword); err != nil {
			return err
		}
	}
	if p.Body == smtp.BodyBinaryMIME && !(s.offers("BINARYMIME") && s.offers("CHUNKING")) {
		return smtp.NewError(555, smtp.EnhancedCode{5, 5, 4}, "BODY=BINARYMIME is not offered")
	}
	return nil
}

// checkRcptParams is checkMailParams for RCPT.
func (s *session) checkRcptParams(p *smtp.RcptParams) error {
	has := func(given bool, keyword string) error {
		if !given || s.any(func(e *Extension) bool { return slices.Contains(e.RcptParams, keyword) }) {
			return nil
		}
		return unknownParam(keyword)
	}
	if err := has(p.Notify != 0, "NOTIFY"); err != nil {
		return err
	}
	if err := has(p.OriginalType != "", "ORCPT"); err != nil {
		return err
	}
	for _, q := range p.Other {
		if err := has(true, q.Keyword); err != nil {
			return err
		}
	}
	return nil
}

func unknownParam(keyword string) error {
	return smtp.NewError(555, smtp.EnhancedCode{5, 5, 4}, "Parameter "+keyword+" is not offered")
}
