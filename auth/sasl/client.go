package sasl

import (
	"crypto/tls"
	"slices"
	"strconv"
	"strings"

	gosasl "github.com/emersion/go-sasl"
)

// Credentials are what a client authenticates with: a password, or a bearer token.
type Credentials struct {
	Username, Password string
	// Identity is the authorization identity, "" for the user's own (RFC 4422 §3.4.1).
	Identity string
	// Token is a bearer token (RFC 6750); it goes before the password.
	Token string
	// Host and Port are what the client connected to, told with a token (RFC 7628 §3.1); "" and 0: not told.
	Host string
	Port int
	// AllowPlaintext lets the secret be shown without TLS. RFC 4954 §4 and RFC 9051 §11.1 forbid that outside of tests
	// and loopback.
	AllowPlaintext bool
}

// Client returns the client side of the best mechanism that is offered and fits: OAUTHBEARER for a token, else PLAIN,
// else LOGIN. state is nil without TLS. The error is ErrEncryption where only TLS is missing, and ErrMechanism where
// nothing fits.
func (c Credentials) Client(offered []string, state *tls.ConnectionState) (gosasl.Client, error) {
	has := func(name string) bool {
		return slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, name) })
	}
	if state == nil && !c.AllowPlaintext {
		return nil, ErrEncryption
	}
	switch {
	case c.Token != "" && has("OAUTHBEARER"):
		return BearerClient(c), nil
	case c.Password != "" && has("PLAIN"):
		return PlainClient(c), nil
	case c.Password != "" && c.Identity == "" && has("LOGIN"):
		return LoginClient(c), nil
	}
	return nil, ErrMechanism
}

// PlainClient is the client side of PLAIN (RFC 4616).
func PlainClient(c Credentials) gosasl.Client {
	return &oneShot{mechanism: "PLAIN", response: []byte(c.Identity + "\x00" + c.Username + "\x00" + c.Password),
		bad: strings.IndexByte(c.Identity+c.Username+c.Password, 0) >= 0}
}

// BearerClient is the client side of OAUTHBEARER (RFC 7628).
func BearerClient(c Credentials) gosasl.Client {
	s := "n,"
	if name := c.Identity + c.Username; name != "" {
		if c.Identity != "" {
			name = c.Identity
		}
		s += "a=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(name)
	}
	s += ",\x01"
	if c.Host != "" {
		s += "host=" + c.Host + "\x01"
	}
	if c.Port != 0 {
		s += "port=" + strconv.Itoa(c.Port) + "\x01"
	}
	s += "auth=Bearer " + c.Token + "\x01\x01"
	return &oneShot{mechanism: "OAUTHBEARER", response: []byte(s), last: []byte{1},
		bad: strings.IndexByte(c.Identity+c.Username+c.Host+c.Token, 1) >= 0}
}

// oneShot is the client side of a mechanism with one message.
type oneShot struct {
	mechanism string
	response  []byte
	last      []byte // answers a challenge that tells a failure; nil: a challenge is an error
	bad       bool   // a separator stands within a field
}

func (o *oneShot) Start() (string, []byte, error) {
	if o.bad {
		return "", nil, ErrMalformed
	}
	return o.mechanism, o.response, nil
}

func (o *oneShot) Next([]byte) ([]byte, error) {
	if o.last == nil {
		return nil, gosasl.ErrUnexpectedServerChallenge
	}
	return o.last, nil
}

// LoginClient is the client side of LOGIN. It sends no initial response, which some servers do not take, and
// whatever the two prompts say.
func LoginClient(c Credentials) gosasl.Client {
	return &loginClient{answers: [][]byte{[]byte(c.Username), []byte(c.Password)}}
}

type loginClient struct{ answers [][]byte }

func (l *loginClient) Start() (string, []byte, error) { return "LOGIN", nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, gosasl.ErrUnexpectedServerChallenge
	}
	a := l.answers[0]
	l.answers = l.answers[1:]
	return a, nil
}
