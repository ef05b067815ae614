package sasl

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxField limits an authentication identity, an authorization identity and a password in octets. RFC 4616 §2 asks
// for 255 at least.
const maxField = 1024

// A PasswordChecker says whose password it is. name is the user whose mail it is, mostly username itself in its
// canonical spelling. The error is ErrCredentials if the password is wrong or there is no such user, and takes as
// long for the one as for the other; any other error is a temporary failure. It is called by several goroutines at
// once.
type PasswordChecker func(ctx context.Context, username, password string) (name string, err error)

// Plain is the PLAIN mechanism (RFC 4616). An authorization identity other than the user's own is refused.
func Plain(check PasswordChecker) Mechanism {
	return Mechanism{Name: "PLAIN", Plaintext: true, Start: func(ctx context.Context, _ Conn) (Exchange, error) {
		return &plainExchange{password: password{ctx: ctx, check: check}}, nil
	}}
}

// LoginMechanism is the LOGIN mechanism (draft-murchison-sasl-login), which old clients know instead of PLAIN.
func LoginMechanism(check PasswordChecker) Mechanism {
	return Mechanism{Name: "LOGIN", Plaintext: true, Start: func(ctx context.Context, _ Conn) (Exchange, error) {
		return &loginExchange{password: password{ctx: ctx, check: check}}, nil
	}}
}

// Login authenticates with a user name and a password as IMAP LOGIN, POP3 USER and PASS, and HTTP Basic send them: it
// runs the PLAIN mechanism of a. The errors are those of Start and Next.
func Login(ctx context.Context, a Authenticator, c Conn, username, password string) (Identity, error) {
	e, err := a.Start(ctx, c, "PLAIN")
	if err != nil {
		return Identity{}, err
	}
	if strings.IndexByte(username, 0) >= 0 || strings.IndexByte(password, 0) >= 0 {
		return Identity{}, ErrMalformed
	}
	if username == "" || password == "" {
		return Identity{}, ErrCredentials
	}
	_, done, err := e.Next([]byte("\x00" + username + "\x00" + password))
	if err != nil {
		return Identity{}, err
	}
	if !done {
		return Identity{}, ErrMechanism
	}
	return e.Identity(), nil
}

// password is what PLAIN and LOGIN share: one check at the end.
type password struct {
	ctx   context.Context
	check PasswordChecker
	over  bool
	id    Identity
}

func (p *password) Identity() Identity { return p.id }

// finish checks the password. authz is "" or the authorization identity asked for.
func (p *password) finish(mechanism, authz, user, pass string) error {
	p.over = true
	p.id = Identity{Name: user, Mechanism: mechanism}
	name, err := p.check(p.ctx, user, pass)
	if err != nil {
		return err
	}
	if authz != "" && authz != user && authz != name {
		return ErrCredentials
	}
	p.id.Name = name
	if name != user {
		p.id.Authenticated = user
	}
	return nil
}

type plainExchange struct{ password }

func (e *plainExchange) Next(response []byte) ([]byte, bool, error) {
	if e.over {
		return nil, false, ErrMalformed
	}
	if response == nil {
		return []byte{}, false, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 || len(parts[2]) == 0 || slices.ContainsFunc(parts, badField) {
		e.over = true
		return nil, false, ErrMalformed
	}
	err := e.finish("PLAIN", string(parts[0]), string(parts[1]), string(parts[2]))
	return nil, err == nil, err
}

type loginExchange struct {
	password
	user string
}

func (e *loginExchange) Next(response []byte) ([]byte, bool, error) {
	switch {
	case e.over:
		return nil, false, ErrMalformed
	case response == nil && e.user == "":
		return []byte("Username:"), false, nil
	case len(response) == 0 || badField(response) || bytes.IndexByte(response, 0) >= 0:
		e.over = true
		return nil, false, ErrMalformed
	case e.user == "":
		e.user = string(response)
		return []byte("Password:"), false, nil
	}
	err := e.finish("LOGIN", "", e.user, string(response))
	return nil, err == nil, err
}

func badField(b []byte) bool { return len(b) > maxField || !utf8.Valid(b) }
