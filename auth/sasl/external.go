package sasl

import (
	"context"
	"unicode/utf8"

	gosasl "github.com/emersion/go-sasl"
)

// A CertificateChecker says whose client certificate c.TLS has; its VerifiedChains are never empty. username is the user
// the client asked for, "" if it did not say; name is the user whose mail it is. The error is ErrCredentials for a
// certificate that is not that user's; any other error is a temporary failure.
type CertificateChecker func(ctx context.Context, c Conn, username string) (name string, err error)

// External is the EXTERNAL mechanism (RFC 4422 appendix A) for client certificates. It is offered to clients that have
// shown one which the tls.Config could verify.
func External(check CertificateChecker) Mechanism {
	return Mechanism{Name: "EXTERNAL", Plaintext: true,
		Offer: func(c Conn) bool { return c.TLS != nil && len(c.TLS.VerifiedChains) > 0 },
		Start: func(ctx context.Context, c Conn) (Exchange, error) {
			return &oneExchange{mechanism: "EXTERNAL", check: func(user string) (string, error) { return check(ctx, c, user) }}, nil
		}}
}

// Anonymous is the ANONYMOUS mechanism (RFC 4505): guests. admit is given what they say of themselves, an address or
// anything else of up to 255 characters or "", which nobody has checked. It returns the name of the user that guests are;
// an error of ErrCredentials refuses.
func Anonymous(admit func(ctx context.Context, c Conn, trace string) (name string, err error)) Mechanism {
	return Mechanism{Name: "ANONYMOUS", Start: func(ctx context.Context, c Conn) (Exchange, error) {
		return &oneExchange{mechanism: "ANONYMOUS", guest: true, check: func(trace string) (string, error) { return admit(ctx, c, trace) }}, nil
	}}
}

// oneExchange is the server side of a mechanism with one message that is a text.
type oneExchange struct {
	mechanism string
	guest     bool
	check     func(text string) (string, error)
	over      bool
	id        Identity
}

func (e *oneExchange) Identity() Identity { return e.id }

func (e *oneExchange) Next(response []byte) ([]byte, bool, error) {
	if e.over {
		return nil, false, ErrMalformed
	}
	if response == nil {
		return []byte{}, false, nil
	}
	e.over = true
	limit := maxField
	if e.guest {
		limit = 255 * utf8.UTFMax
	}
	for _, r := range string(response) {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return nil, false, ErrMalformed
		}
	}
	if len(response) > limit || e.guest && utf8.RuneCount(response) > 255 {
		return nil, false, ErrMalformed
	}
	e.id = Identity{Mechanism: e.mechanism}
	if !e.guest {
		e.id.Name = string(response)
	}
	name, err := e.check(string(response))
	if err == nil && name == "" {
		err = ErrCredentials
	}
	if err != nil {
		return nil, false, err
	}
	e.id.Name = name
	return nil, true, nil
}

// ExternalClient is the client side of EXTERNAL. It asks to act as Identity, "" for whom the certificate says.
func ExternalClient(c Credentials) gosasl.Client {
	return &oneShot{mechanism: "EXTERNAL", response: []byte(c.Identity)}
}

// AnonymousClient is the client side of ANONYMOUS. trace is an address or any other text of up to 255 characters that
// says who calls, or "".
func AnonymousClient(trace string) gosasl.Client {
	return &oneShot{mechanism: "ANONYMOUS", response: []byte(trace), bad: utf8.RuneCountInString(trace) > 255}
}
