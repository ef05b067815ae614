package smtpclient

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/smtp"
)

// A TLSPolicy says when a connection is encrypted.
type TLSPolicy uint8

const (
	// Opportunistic takes STARTTLS where the server offers it, without looking at the certificate, and goes on in
	// plaintext where it is not offered or fails (RFC 7435). With Credentials, unless they AllowPlaintext, or with a
	// Verify, it is Required.
	Opportunistic TLSPolicy = iota
	// Required asks for STARTTLS and a certificate that is valid for ServerName, or that Verify takes.
	Required
	// None never encrypts.
	None
	// Implicit begins with TLS (RFC 8314 §3.3, port 465), with a certificate as for Required.
	Implicit
)

// A Config says how to speak to a server. Its zero value is an anonymous client with opportunistic TLS.
type Config struct {
	// Hostname is the argument of EHLO or LHLO, a domain or an address literal; "" is the literal of the connection's
	// own address (RFC 5321 §4.1.3).
	Hostname string
	// TLS is when the connection is encrypted.
	TLS TLSPolicy
	// TLSConfig is what TLS starts from: authorities, certificates of the client, session cache. It is cloned; nil is the
	// default one. ServerName and the verification are set from the fields here.
	TLSConfig *tls.Config
	// ServerName is the server's name: for SNI, for the check of its certificate, and as RemoteMTA in results. "" is
	// the host of the address that is dialed.
	ServerName string
	// Verify takes the place of the check of chain and name (RFC 5280, RFC 6125): a nil error is a good certificate.
	// DANE is one.
	Verify func(tls.ConnectionState) error
	// VerifyID names what Verify checks, so that a pool never gives a connection to one who would check otherwise.
	VerifyID string
	// Credentials are what to authenticate with; nil: no AUTH. They are never shown without TLS unless they themselves
	// AllowPlaintext.
	Credentials *sasl.Credentials
	// LMTP speaks LMTP (RFC 2033): LHLO, and one reply for each recipient.
	LMTP bool
	// Chunking sends every message with BDAT where CHUNKING is offered (RFC 3030); without it BDAT carries
	// BINARYMIME messages alone.
	Chunking bool
	// Normalize makes CRLF of a bare CR or bare LF in a message and leaves NUL out. Without it such a message is
	// refused with 554 5.6.0, since RFC 5321 §2.3.8 forbids to send it.
	Normalize bool
	// Dial opens connections; nil is a net.Dialer's DialContext. Timeouts.Connect bounds its context.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Opened is asked about each new connection once it is ready for mail: for those who keep account of its TLS, or do
	// not want it. Its error ends the connection and becomes that of Dial. It must only ask what the Conn knows.
	Opened func(*Conn) error
	// Timeouts bound every phase.
	Timeouts Timeouts
	// Trace is told every line of the dialogue, on the goroutine that speaks. It must not call the Conn.
	Trace func(TraceEvent)
	// Logger is told of plaintext fallbacks and of connections that were lost; nil is silent.
	Logger *slog.Logger
}

// Timeouts are absolute for their phase: octets that trickle in do not extend them. 0 is the default.
type Timeouts struct {
	// Connect bounds one dial; 30 s.
	Connect time.Duration
	// Greeting is from the connection to the end of the 220; 5 min (RFC 5321 §4.5.3.2.1).
	Greeting time.Duration
	// Command is for one command and its reply, and for a TLS handshake; 5 min (RFC 5321 §4.5.3.2.2).
	Command time.Duration
	// Envelope is for MAIL, all RCPT and DATA of one Deliver together; 15 min.
	Envelope time.Duration
	// Data is for the reply to DATA; 2 min (RFC 5321 §4.5.3.2.4).
	Data time.Duration
	// Body is for the whole message, to which each MinRate octets add a second; 3 min (RFC 5321 §4.5.3.2.5).
	Body time.Duration
	// MinRate is the least rate in octets a second at which the server must take a message; 1024.
	MinRate int
	// Final is from the end of the message to its reply, for each reply of LMTP; 10 min (RFC 5321 §4.5.3.2.6).
	Final time.Duration
	// Quit bounds QUIT and its reply; 2 s. Nothing hangs on it.
	Quit time.Duration
}

func def[T time.Duration | int](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

func (t Timeouts) withDefaults() Timeouts {
	return Timeouts{
		Connect: def(t.Connect, 30*time.Second), Greeting: def(t.Greeting, 5*time.Minute), Command: def(t.Command, 5*time.Minute),
		Envelope: def(t.Envelope, 15*time.Minute), Data: def(t.Data, 2*time.Minute), Body: def(t.Body, 3*time.Minute),
		MinRate: def(t.MinRate, 1024), Final: def(t.Final, 10*time.Minute), Quit: def(t.Quit, 2*time.Second),
	}
}

// A TraceEvent is one line of a dialogue.
type TraceEvent struct {
	Time time.Time
	// Host is the server's name, Remote its address.
	Host   string
	Remote net.Addr
	// Sent is true for a line to the server.
	Sent bool
	// Line is the line without its CRLF. What AUTH sends is "***", a message is shown by its size on the wire, and the start of TLS
	// by version and cipher, both in parentheses.
	Line string
}

// withDefaults fills in what can be filled in, and tightens the TLS policy.
func (c Config) withDefaults() (Config, error) {
	c.Timeouts = c.Timeouts.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.TLS == Opportunistic && (c.Verify != nil || c.Credentials != nil && !c.Credentials.AllowPlaintext) {
		c.TLS = Required
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Hostname != "" {
		if _, err := smtp.ParseHello(c.Hostname); err != nil {
			return c, &smtp.Error{Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 3, 5}, "System incorrectly configured"), Err: err}
		}
	}
	return c, nil
}

// tlsConfig returns the configuration of the handshake.
func (c Config) tlsConfig() *tls.Config {
	t := &tls.Config{}
	if c.TLSConfig != nil {
		t = c.TLSConfig.Clone()
	}
	t.ServerName = strings.TrimSuffix(c.ServerName, ".")
	if c.TLS == Opportunistic || c.Verify != nil {
		t.InsecureSkipVerify = true
	}
	if verify := c.Verify; verify != nil {
		t.VerifyConnection = verify
	}
	return t
}
