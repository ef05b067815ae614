package jmapserver

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/mailbricks/mailbricks/auth/sasl"
)

// Auth authenticates requests by their Authorization field: Basic (RFC 7617) as SASL PLAIN, Bearer (RFC 6750) by a
// function. Without TLS both are refused, as they show the secret.
type Auth struct {
	// SASL checks names and passwords; nil: no Basic.
	SASL sasl.Authenticator
	// Token returns the user of a token, or an error that wraps sasl.ErrCredentials; nil: no Bearer. It compares in
	// constant time.
	Token func(ctx context.Context, token string) (user string, err error)
	// AllowPlaintext lets secrets pass without TLS, which RFC 7617 §4 and RFC 6750 §5.3 forbid off loopback.
	AllowPlaintext bool
	// CredentialKey is the secret, 32 octets that last, by which Credential tells passwords apart; nil: it does not.
	CredentialKey []byte
	// Realm is shown by browsers; "" is "mail".
	Realm string
}

// An AuthError refuses a request for who makes it.
type AuthError struct {
	Status    int      // 401, 403, 429 or 503
	Challenge []string // the WWW-Authenticate fields of a 401
	Detail    string
	Err       error // the cause, not told to the client
}

func (e *AuthError) Error() string {
	if e.Err != nil {
		return "jmapserver: " + e.Detail + ": " + e.Err.Error()
	}
	return "jmapserver: " + e.Detail
}

// Unwrap returns the cause.
func (e *AuthError) Unwrap() error { return e.Err }

// User returns the user of a request. The error is an *AuthError.
func (a *Auth) User(r *http.Request) (string, error) {
	if r.TLS == nil && !a.AllowPlaintext {
		return "", &AuthError{Status: http.StatusForbidden, Detail: "TLS is needed to log in"}
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	var user string
	var err error
	switch {
	case strings.EqualFold(scheme, "Basic") && a.SASL != nil:
		name, password, ok := r.BasicAuth()
		if !ok {
			return "", a.unauthorized("malformed credentials", nil)
		}
		user, err = a.plain(r, name, password)
	case strings.EqualFold(scheme, "Bearer") && a.Token != nil:
		user, err = a.Token(r.Context(), strings.TrimSpace(value))
	default:
		return "", a.unauthorized("log in first", nil)
	}
	switch {
	case err == nil:
		return user, nil
	case errors.Is(err, sasl.ErrCredentials), errors.Is(err, sasl.ErrMalformed):
		return "", a.unauthorized("invalid credentials", err)
	case errors.Is(err, sasl.ErrLocked):
		return "", &AuthError{Status: http.StatusTooManyRequests, Detail: "too many failures, try again later", Err: err}
	case errors.Is(err, sasl.ErrEncryption), errors.Is(err, sasl.ErrMechanism):
		return "", &AuthError{Status: http.StatusForbidden, Detail: "this way to log in is not allowed here", Err: err}
	}
	return "", &AuthError{Status: http.StatusServiceUnavailable, Detail: "cannot check credentials now", Err: err}
}

func (a *Auth) unauthorized(detail string, err error) *AuthError {
	realm := a.Realm
	if realm == "" {
		realm = "mail"
	}
	realm = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm)
	e := &AuthError{Status: http.StatusUnauthorized, Detail: detail, Err: err}
	if a.SASL != nil {
		e.Challenge = append(e.Challenge, `Basic realm="`+realm+`", charset="UTF-8"`)
	}
	if a.Token != nil {
		e.Challenge = append(e.Challenge, `Bearer realm="`+realm+`"`)
	}
	return e
}

// plain runs the PLAIN exchange (RFC 4616).
func (a *Auth) plain(r *http.Request, name, password string) (string, error) {
	if strings.ContainsRune(name, 0) || strings.ContainsRune(password, 0) {
		return "", sasl.ErrMalformed
	}
	conn := sasl.Conn{Service: "jmap", TLS: r.TLS, AllowPlaintext: a.AllowPlaintext}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		conn.Remote = ap.Addr()
	}
	x, err := a.SASL.Start(r.Context(), conn, "PLAIN")
	if err != nil {
		return "", err
	}
	_, done, err := x.Next([]byte("\x00" + name + "\x00" + password))
	if err != nil {
		return "", err
	}
	if !done {
		return "", sasl.ErrMalformed
	}
	return x.Identity().Name, nil
}
