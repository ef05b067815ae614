package smtpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	"github.com/mailbricks/mailbricks/smtp"
)

// What a caller may decide on, found with errors.Is.
var (
	// ErrClosed says that the connection is closed, or no longer in order.
	ErrClosed = errors.New("smtpclient: connection is closed")
	// ErrInjected says that text came in plaintext after the reply to STARTTLS, as an attacker on the way would put it
	// there.
	ErrInjected = errors.New("smtpclient: text after the reply to STARTTLS")
	// ErrNoTLS says that the server does not offer the TLS that is required.
	ErrNoTLS = errors.New("smtpclient: server does not offer STARTTLS")
	// ErrEightBit says that a message is not ASCII and that the server does not take such.
	ErrEightBit = errors.New("smtpclient: message is not ASCII")
)

// An Error is every error of this package. Its chain holds a *smtp.Error with the reply to tell (but for an error of a
// body that could not be read, which stays as it is): the server's where it refused, and one that says what happened where it did not: 4.4.1 no connection, 4.4.2 connection
// lost or timed out, 4.5.0 no SMTP, 4.7.x no TLS or no AUTH. What belongs to the connection alone and not to the
// message is temporary, whatever the server called it; but a 5yz greeting, and a 5yz to EHLO, say for good that there
// is no mail service.
type Error struct {
	// Op is where it happened: "connect", "greeting", "EHLO", "STARTTLS", "TLS" (the handshake), "AUTH", "MAIL",
	// "RCPT", "DATA", "BDAT", "body" (the message on its way), "end of data", "RSET", "NOOP".
	Op string
	// Host is the server's name.
	Host string
	// Reply is what the server said; zero if it said nothing.
	Reply smtp.Reply
	// Err is the cause.
	Err error
}

// Error names the host, the place and the cause.
func (e *Error) Error() string {
	s := "smtpclient: " + e.Host + ": " + e.Op + ": "
	if e.Reply.Code != 0 {
		return s + e.Reply.String()
	}
	cause := e.Err
	if se, ok := errors.AsType[*smtp.Error](cause); ok && se.Err != nil {
		cause = se.Err
	}
	return s + cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// refused is the server's own refusal.
func (c *Conn) refused(op string, r smtp.Reply) *Error {
	return &Error{Op: op, Host: c.host, Reply: r, Err: &smtp.Error{Reply: r, RemoteMTA: c.host}}
}

// local is a refusal of ours that leaves the connection as it is.
func (c *Conn) local(op string, code int, enhanced smtp.EnhancedCode, text string, cause error) *Error {
	return &Error{Op: op, Host: c.host, Err: &smtp.Error{Reply: smtp.NewReply(code, enhanced, text), Err: cause}}
}

// unexpected is a reply that has no place where it came.
func (c *Conn) unexpected(op string, r smtp.Reply) *Error {
	l := r.String()
	return c.lost(context.Background(), op, &smtp.ReplyError{Reason: "unexpected reply", Line: l[:min(len(l), 100)]})
}

// lost makes the Conn unusable and says why.
func (c *Conn) lost(ctx context.Context, op string, cause error) *Error {
	c.kill()
	if err := ctx.Err(); err != nil {
		cause = context.Cause(ctx)
	}
	e := lostError(op, c.host, cause)
	c.c.Logger.Debug("connection given up", "host", c.host, "op", op, "err", cause)
	return e
}

func lostError(op, host string, cause error) *Error {
	reply := smtp.NewReply(451, smtp.EnhancedCode{4, 4, 2}, "Connection with "+host+" lost in "+op)
	_, bad := errors.AsType[*smtp.ReplyError](cause)
	switch {
	case errors.Is(cause, os.ErrDeadlineExceeded), errors.Is(cause, context.DeadlineExceeded):
		reply = smtp.NewReply(451, smtp.EnhancedCode{4, 4, 2}, "Connection with "+host+" timed out in "+op)
	case bad, errors.Is(cause, ErrInjected):
		reply = smtp.NewReply(451, smtp.EnhancedCode{4, 5, 0}, "Bad reply from "+host+" in "+op)
	case op == "connect":
		reply = smtp.NewReply(451, smtp.EnhancedCode{4, 4, 1}, "No answer from "+host)
	case op == "TLS" && isCertificate(cause):
		reply = smtp.NewReply(454, smtp.EnhancedCode{4, 7, 5}, "Certificate of "+host+" not valid")
	case op == "TLS":
		reply = smtp.NewReply(454, smtp.EnhancedCode{4, 7, 5}, "TLS with "+host+" failed")
	}
	return &Error{Op: op, Host: host, Err: &smtp.Error{Reply: reply, Err: cause}}
}

func isCertificate(err error) bool {
	_, a := errors.AsType[*tls.CertificateVerificationError](err)
	_, b := errors.AsType[x509.HostnameError](err)
	return a || b
}

// VerifyPKIX checks the certificate that a server showed against the authorities in roots (nil: those of the system)
// and name (RFC 6125), as TLS does of itself under Required. It is for those who want to know without insisting, as
// MTA-STS does in testing mode.
func VerifyPKIX(state tls.ConnectionState, name string, roots *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("smtpclient: server showed no certificate")
	}
	o := x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(o)
	return err
}
