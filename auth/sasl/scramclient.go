package sasl

import (
	"crypto"
	"crypto/hmac"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	gosasl "github.com/emersion/go-sasl"
)

// ScramClient is the client side of a SCRAM mechanism (RFC 5802, RFC 7677): "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
// "SCRAM-SHA-1" or "SCRAM-SHA-1-PLUS", chosen out of those that are offered. state is nil without TLS.
//
// The server has to prove that it knows the password too, within the dialogue: a client of a protocol asks Proven before it
// believes in a success. An iteration count out of bounds is refused with an *IterationsError before anything is
// computed.
func ScramClient(mechanism string, c Credentials, offered []string, state *tls.ConnectionState) (gosasl.Client, error) {
	s := &scramClient{mechanism: mechanism, c: c, header: "n,", nonce: newNonce}
	name, plus := strings.CutSuffix(mechanism, "-PLUS")
	for _, h := range scramHashes {
		if scramName(h) == name {
			s.hash = h
		}
	}
	if s.hash == 0 {
		return nil, ErrMechanism
	}
	kind := c.binding(state)
	switch {
	case plus:
		var cert *x509.Certificate
		if state != nil && len(state.PeerCertificates) > 0 {
			cert = state.PeerCertificates[0]
		}
		data, err := channelBinding(kind, state, cert)
		if err != nil {
			return nil, err
		}
		s.header, s.data = "p="+kind+",", data
	case c.Binding != "":
		return nil, ErrChannelBinding
	case kind != "" && !slices.ContainsFunc(offered, isPlus):
		s.header = "y," // the server finds out if somebody took its -PLUS away (RFC 5802 §6)
	}
	if c.Identity != "" {
		s.header += "a=" + saslName(c.Identity)
	}
	s.header += ","
	return s, nil
}

// isPlus reports whether an offered mechanism is a SCRAM with channel binding.
func isPlus(name string) bool {
	name = strings.ToUpper(name)
	return strings.HasPrefix(name, "SCRAM-") && strings.HasSuffix(name, "-PLUS")
}

// binding returns the channel binding to use on a connection, "" for none.
func (c Credentials) binding(state *tls.ConnectionState) string {
	if c.Binding == "" && state != nil && state.HandshakeComplete && state.Version >= tls.VersionTLS13 {
		return TLSExporter
	}
	return c.Binding
}

// saslName escapes a user name (RFC 5802 §5.1).
func saslName(s string) string { return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s) }

// Proven returns nil if c has done all that its mechanism asks for, to be called when the server says that the
// exchange has succeeded: with SCRAM the server, too, must have proven that it knows the password (RFC 5802 §5). Else it
// returns ErrServer. Mechanisms without such a proof are always done.
func Proven(c gosasl.Client) error {
	if p, ok := c.(interface{ proven() bool }); ok && !p.proven() {
		return ErrServer
	}
	return nil
}

type scramClient struct {
	mechanism string
	hash      crypto.Hash
	c         Credentials
	header    string // gs2-header
	data      []byte // of the channel binding
	nonce     func() string

	step      int // of the next challenge
	own       string
	bare      string
	signature []byte // what the server has to show
}

func (s *scramClient) proven() bool { return s.step == 2 }

func (s *scramClient) Start() (string, []byte, error) {
	if s.c.Username == "" || strings.IndexByte(s.c.Username+s.c.Identity, 0) >= 0 {
		return "", nil, ErrMalformed
	}
	s.own = s.nonce()
	s.bare = "n=" + saslName(s.c.Username) + ",r=" + s.own
	return s.mechanism, []byte(s.header + s.bare), nil
}

func (s *scramClient) Next(challenge []byte) ([]byte, error) {
	step := s.step
	s.step = 3
	var response []byte
	var err error
	switch step {
	case 0:
		response, err = s.final(string(challenge))
	case 1:
		response, err = []byte{}, s.verify(string(challenge))
	default:
		return nil, gosasl.ErrUnexpectedServerChallenge
	}
	if err != nil {
		return nil, err
	}
	s.step = step + 1
	return response, nil
}

// final takes the server-first-message and returns the client-final-message.
func (s *scramClient) final(message string) ([]byte, error) {
	if err := serverError(message); err != nil {
		return nil, err
	}
	parts := strings.Split(message, ",")
	if len(parts) < 3 || len(message) > 8*maxField {
		return nil, ErrMalformed
	}
	nonce, ok1 := strings.CutPrefix(parts[0], "r=")
	salt64, ok2 := strings.CutPrefix(parts[1], "s=")
	count, ok3 := strings.CutPrefix(parts[2], "i=")
	salt, err1 := decode64(salt64)
	n, err2 := parseCount(count)
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || !extensions(parts[3:]) || len(nonce) > 2*maxField || !printable(nonce[min(len(s.own), len(nonce)):]) ||
		!strings.HasPrefix(nonce, s.own) {
		return nil, ErrMalformed
	}
	if err := (Keys{Salt: salt, Iterations: n}).check(); err != nil {
		return nil, err
	}
	salted, err := saltedPassword(s.hash, s.c.Password, salt, n)
	if err != nil {
		return nil, err
	}
	without := "c=" + base64.StdEncoding.EncodeToString(append([]byte(s.header), s.data...)) + ",r=" + nonce
	text := s.bare + "," + message + "," + without
	key := mac(s.hash, salted, "Client Key")
	proof := exclusiveOr(key, mac(s.hash, digest(s.hash, key), text))
	s.signature = mac(s.hash, mac(s.hash, salted, "Server Key"), text)
	return []byte(without + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// verify takes the server-final-message.
func (s *scramClient) verify(message string) error {
	if err := serverError(message); err != nil {
		return err
	}
	first, rest, more := strings.Cut(message, ",")
	v, ok := strings.CutPrefix(first, "v=")
	got, err := decode64(v)
	if !ok || err != nil || more && !extensions(strings.Split(rest, ",")) {
		return ErrMalformed
	}
	if !hmac.Equal(got, s.signature) {
		return ErrServer
	}
	return nil
}

// serverError returns what a server-error says.
func serverError(message string) error {
	e, ok := strings.CutPrefix(message, "e=")
	if !ok {
		return nil
	}
	switch e, _, _ := strings.Cut(e, ","); e {
	case "invalid-proof", "unknown-user":
		return ErrCredentials
	case "channel-bindings-dont-match", "server-does-support-channel-binding", "channel-binding-not-supported", "unsupported-channel-binding-type":
		return ErrChannelBinding
	}
	return fmt.Errorf("sasl: the server gives up")
}
