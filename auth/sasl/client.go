package sasl

import (
	"crypto/tls"
	"slices"
	"strconv"
	"strings"

	gosasl "github.com/emersion/go-sasl"
)

// Credentials are what a client authenticates with: a password, a bearer token, or the client certificate that it has
// shown.
type Credentials struct {
	Username, Password string
	// Identity is the authorization identity, "" for the user's own (RFC 4422 §3.4.1).
	Identity string
	// Token is a bearer token (RFC 6750); it goes before the password.
	Token string
	// Host and Port are what the client connected to, told with a token (RFC 7628 §3.1); "" and 0: not told.
	Host string
	Port int
	// External authenticates with the client certificate of the connection (EXTERNAL) where there is neither a token nor
	// a password.
	External bool
	// Binding is TLSExporter or TLSServerEndPoint: only a mechanism with that channel binding will do, so that nobody who
	// ends TLS in between can pass the log-in on. "": tls-exporter where the server offers -PLUS over TLS 1.3, else none.
	Binding string
	// AllowPlaintext lets the secret be shown without TLS. RFC 4954 §4 and RFC 9051 §11.1 forbid that outside of tests
	// and loopback.
	AllowPlaintext bool
}

// Client returns the client side of the best mechanism that is offered and fits: OAUTHBEARER, else XOAUTH2 for a token;
// for a password SCRAM with channel binding, SCRAM, PLAIN, LOGIN in this order, and SCRAM-SHA-256 before SCRAM-SHA-1. state is
// nil without TLS. The error is ErrEncryption where only TLS is missing, and ErrMechanism where nothing fits. When the
// server says that it has succeeded, Proven tells whether that may be believed.
func (c Credentials) Client(offered []string, state *tls.ConnectionState) (gosasl.Client, error) {
	has := func(name string) bool {
		return slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, name) })
	}
	if state == nil && !c.AllowPlaintext {
		return nil, ErrEncryption
	}
	if c.Token != "" && c.Binding == "" {
		switch {
		case has("OAUTHBEARER"):
			return BearerClient(c), nil
		case has("XOAUTH2"):
			return XOAuth2Client(c), nil
		}
	}
	if c.Password != "" {
		for _, name := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"} {
			if plus := isPlus(name); !has(name) || plus && c.binding(state) == "" || !plus && c.Binding != "" {
				continue
			}
			return ScramClient(name, c, offered, state)
		}
	}
	switch {
	case c.Binding != "":
	case c.Password != "" && has("PLAIN"):
		return PlainClient(c), nil
	case c.Password != "" && c.Identity == "" && has("LOGIN"):
		return LoginClient(c), nil
	case c.External && c.Password == "" && c.Token == "" && state != nil && has("EXTERNAL"):
		return ExternalClient(c), nil
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
		s += "a=" + saslName(name)
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

// XOAuth2Client is the client side of XOAUTH2. The user is Identity, else Username.
func XOAuth2Client(c Credentials) gosasl.Client {
	name := c.Identity
	if name == "" {
		name = c.Username
	}
	return &oneShot{mechanism: "XOAUTH2", response: []byte("user=" + name + "\x01auth=Bearer " + c.Token + "\x01\x01"), last: []byte{},
		bad: strings.IndexByte(name+c.Token, 1) >= 0}
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
