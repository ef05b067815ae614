package smtpclient

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/smtp"
)

// Limits of AUTH: challenges of one dialogue, and an initial response that fits a command line of 512 octets
// (RFC 4954 §4).
const (
	maxChallenges = 8
	maxInitial    = 450
)

// upgrade is STARTTLS (RFC 3207).
func (c *Conn) upgrade(ctx context.Context) error {
	opportunistic := c.c.TLS == Opportunistic
	if !c.ext.Has("STARTTLS") {
		if opportunistic {
			return nil
		}
		return c.local("STARTTLS", 454, smtp.EnhancedCode{4, 7, 4}, c.host+" offers no TLS", ErrNoTLS)
	}
	r, err := c.say(ctx, "STARTTLS", "STARTTLS")
	switch {
	case err != nil:
		return err
	case r.Code >= 400 && r.Code != 421 && opportunistic:
		c.c.Logger.Info("plaintext after refusal of STARTTLS", "host", c.host, "reply", r.String())
		return nil
	case r.Code >= 400:
		e := c.refused("STARTTLS", r)
		e.Err = &smtp.Error{Reply: smtp.NewReply(454, smtp.EnhancedCode{4, 7, 4}, c.host+" refuses TLS"), Err: e.Err}
		return e
	case r.Code != 220:
		return c.unexpected("STARTTLS", r)
	case c.r.Buffered() > 0:
		return c.lost(ctx, "STARTTLS", ErrInjected)
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	return c.hello(ctx) // what was known before is forgotten (RFC 3207 §4.2)
}

// startTLS does the handshake on the connection.
func (c *Conn) startTLS(ctx context.Context) error {
	return c.adoptTLS(ctx, tls.Client(c.raw, c.c.tlsConfig()))
}

// adoptTLS finishes the handshake of t and speaks through it.
func (c *Conn) adoptTLS(ctx context.Context, t *tls.Conn) error {
	err := c.arm(ctx, c.c.Timeouts.Command)
	if err == nil {
		err = t.HandshakeContext(ctx)
	}
	if err != nil {
		return c.lost(ctx, "TLS", err)
	}
	state := t.ConnectionState()
	c.conn, c.tls, c.r = t, &state, smtp.NewReplyReader(t)
	c.verified = len(state.VerifiedChains) > 0 || c.c.Verify != nil
	if c.c.Trace != nil {
		c.trace(true, fmt.Sprintf("(%s %s)", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)))
	}
	return nil
}

// authenticate is AUTH (RFC 4954). That it fails is nothing a message could help: the error is temporary.
func (c *Conn) authenticate(ctx context.Context) error {
	if c.c.Credentials == nil {
		return nil
	}
	client, err := c.c.Credentials.Client(c.ext.mechanisms(), c.tls)
	var mech string
	var response []byte
	if err == nil {
		mech, response, err = client.Start()
	}
	if err != nil {
		return c.authError(smtp.Reply{}, err)
	}
	line := "AUTH " + mech
	hold := response != nil && base64.StdEncoding.EncodedLen(len(response)) > maxInitial
	if response != nil && !hold {
		line += " " + initialResponse(response)
	}
	c.out = append(append(c.out[:0], line...), "\r\n"...)
	r, err := c.secret(ctx, "AUTH "+mech+map[bool]string{true: " ***"}[response != nil && !hold])
	for n := 0; err == nil && r.Code == 334; n++ {
		if n == maxChallenges {
			return c.lost(ctx, "AUTH", errors.New("smtpclient: too many challenges"))
		}
		var challenge []byte
		challenge, err = base64.StdEncoding.DecodeString(r.Text())
		if err == nil && hold && len(challenge) == 0 {
			hold = false
		} else if err == nil {
			response, err = client.Next(challenge)
		}
		if err != nil { // give up in order (RFC 4954 §4)
			c.out = append(c.out[:0], "*\r\n"...)
			r, _ := c.exec(ctx, "AUTH", c.c.Timeouts.Command)
			return c.authError(r, err)
		}
		c.out = append(base64.StdEncoding.AppendEncode(c.out[:0], response), "\r\n"...)
		r, err = c.secret(ctx, "***")
	}
	switch {
	case err != nil:
		return err
	case r.Code >= 400:
		return c.authError(r, &smtp.Error{Reply: r})
	case r.Code != 235:
		return c.unexpected("AUTH", r)
	}
	c.authed = true
	return nil
}

// initialResponse writes an empty one as "=" (RFC 4954 §4).
func initialResponse(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// secret sends a line that is shown otherwise, and hides the challenge that comes back.
func (c *Conn) secret(ctx context.Context, shown string) (smtp.Reply, error) {
	trace := c.c.Trace
	c.trace(true, shown)
	c.c.Trace = nil
	r, err := c.exec(ctx, "AUTH", c.c.Timeouts.Command)
	c.c.Trace = trace
	switch {
	case err != nil:
	case r.Code == 334:
		c.trace(false, "334 ***")
	default:
		c.traceReply(r)
	}
	return r, err
}

func (c *Conn) authError(r smtp.Reply, cause error) *Error {
	return &Error{Op: "AUTH", Host: c.host, Reply: r,
		Err: &smtp.Error{Reply: smtp.NewReply(454, smtp.EnhancedCode{4, 7, 0}, "Authentication with "+c.host+" failed"), Err: cause}}
}
