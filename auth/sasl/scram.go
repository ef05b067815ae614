package sasl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SCRAM makes the SCRAM mechanisms (RFC 5802, RFC 7677), with which neither the connection nor the server sees the
// password. The zero values of its fields are the strict ones.
//
// A user that does not exist gets the same dialogue as a wrong password: a salt that stays the same, DefaultIterations
// and a check of the proof that fails. That holds for Keys with a salt of 16 octets and that count of iterations.
type SCRAM struct {
	// Keys finds the keys of a user; it must be set. Users.Keys is one.
	Keys KeyFinder
	// SHA1 offers SCRAM-SHA-1 and SCRAM-SHA-1-PLUS too, for clients that know nothing better.
	SHA1 bool
	// WithoutTLS offers the mechanisms without TLS too, where whoever reads along can guess at the password at leisure
	// (RFC 5802 §9).
	WithoutTLS bool
	// Certificate returns the certificate that was shown to the client, for the binding tls-server-end-point; nil:
	// only tls-exporter is known.
	Certificate func(*tls.ConnectionState) *x509.Certificate
	// Secret makes the salts of users that do not exist. It should outlive the process where the keys do; nil: random.
	Secret []byte

	nonce func() string // nil: random
}

// DefaultIterations is the count of iterations of PBKDF2 that Users has: about 5 ms of one core for a log-in with
// SCRAM on the side of the client, or with PLAIN on the side of the server.
const DefaultIterations = 15000

// Mechanisms returns the mechanisms, best first: those with channel binding (-PLUS), which are offered over TLS only, then
// those without. Used with New they go together: a client that could have bound to the channel and was told
// that the server cannot is refused (RFC 5802 §6).
func (s SCRAM) Mechanisms() []Mechanism {
	hashes := scramHashes[:1]
	if s.SHA1 {
		hashes = scramHashes[:]
	}
	if s.Secret == nil {
		s.Secret = make([]byte, 32)
		rand.Read(s.Secret)
	}
	s.Secret = slices.Clone(s.Secret)
	var out []Mechanism
	for _, plus := range []bool{true, false} {
		for _, h := range hashes {
			m := Mechanism{Name: scramName(h), Plaintext: !s.WithoutTLS}
			if plus {
				m.Name += "-PLUS"
				m.Offer = func(c Conn) bool { return c.TLS != nil && s.canBind(c.TLS) }
			}
			m.Start = func(ctx context.Context, c Conn) (Exchange, error) {
				return &scramExchange{s: &s, ctx: ctx, conn: c, hash: h, plus: plus, mechanism: m.Name}, nil
			}
			out = append(out, m)
		}
	}
	return out
}

// canBind reports whether any channel binding works.
func (s *SCRAM) canBind(state *tls.ConnectionState) bool {
	for _, kind := range []string{TLSExporter, TLSServerEndPoint} {
		if _, err := channelBinding(kind, state, s.certificate(state)); err == nil {
			return true
		}
	}
	return false
}

func (s *SCRAM) certificate(state *tls.ConnectionState) *x509.Certificate {
	if s.Certificate == nil {
		return nil
	}
	return s.Certificate(state)
}

func newNonce() string {
	b := make([]byte, 18)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

type scramExchange struct {
	s         *SCRAM
	ctx       context.Context
	conn      Conn
	hash      crypto.Hash
	plus      bool
	mechanism string

	step    int
	id      Identity
	keys    Keys
	known   bool
	authz   string
	nonce   string
	binding []byte // what c= must say
	text    string // of the AuthMessage up to here
}

func (e *scramExchange) Identity() Identity { return e.id }

// Next implements go-sasl's Server. The server's proof is the last challenge and answered by nothing, since not every
// protocol has room for it in its success (RFC 4422 §3.6).
func (e *scramExchange) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil && e.step == 0 {
		return []byte{}, false, nil
	}
	step := e.step
	e.step = 3
	switch step {
	case 0:
		challenge, err = e.first(string(response))
	case 1:
		challenge, err = e.final(string(response))
	case 2:
		if len(response) == 0 {
			return nil, true, nil
		}
		return nil, false, ErrMalformed
	default:
		return nil, false, ErrMalformed
	}
	if err != nil {
		return nil, false, err
	}
	e.step = step + 1
	return challenge, false, nil
}

// first takes the client-first-message and returns the server-first-message.
func (e *scramExchange) first(message string) ([]byte, error) {
	m, err := parseClientFirst(message)
	if err != nil {
		return nil, err
	}
	e.id = Identity{Name: m.user, Mechanism: e.mechanism}
	e.authz = m.authz
	e.binding = []byte(m.header)
	switch {
	case e.plus != (m.flag == 'p'):
		return nil, ErrChannelBinding
	case m.flag == 'y' && e.conn.plus: // somebody hid the -PLUS mechanism from the client (RFC 5802 §6)
		return nil, ErrChannelBinding
	case e.plus:
		data, err := channelBinding(m.binding, e.conn.TLS, e.s.certificate(e.conn.TLS))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrChannelBinding, err)
		}
		e.binding = append(e.binding, data...)
	}
	if e.keys, err = e.s.find(e.ctx, m.user, e.hash); errors.Is(err, ErrCredentials) {
		e.keys = e.s.decoy(m.user, e.hash)
	} else if err != nil {
		return nil, err
	} else {
		e.known = true
	}
	own := newNonce
	if e.s.nonce != nil {
		own = e.s.nonce
	}
	e.nonce = m.nonce + own()
	b := append([]byte("r="), e.nonce...)
	b = base64.StdEncoding.AppendEncode(append(b, ",s="...), e.keys.Salt)
	b = strconv.AppendInt(append(b, ",i="...), int64(e.keys.Iterations), 10)
	e.text = m.bare + "," + string(b) + ","
	return b, nil
}

// find returns keys that can be used.
func (s *SCRAM) find(ctx context.Context, user string, h crypto.Hash) (Keys, error) {
	k, err := s.Keys(ctx, user, h)
	if err != nil {
		return Keys{}, err
	}
	if err := k.check(); err != nil {
		return Keys{}, err
	}
	if k.Name == "" || k.Hash != h || len(k.StoredKey) != h.Size() || len(k.ServerKey) != h.Size() {
		return Keys{}, errKeys
	}
	return k, nil
}

// decoy returns keys for a user that does not exist: always the same salt, and keys that no password has.
func (s *SCRAM) decoy(user string, h crypto.Hash) Keys {
	derive := func(what string) []byte {
		return mac(crypto.SHA256, s.Secret, what+"\x00"+scramName(h)+"\x00"+fold(user))
	}
	return Keys{Hash: h, Salt: derive("salt")[:saltLen], Iterations: DefaultIterations,
		StoredKey: derive("stored")[:h.Size()], ServerKey: derive("server")[:h.Size()]}
}

// final takes the client-final-message and returns the server-final-message.
func (e *scramExchange) final(message string) ([]byte, error) {
	without, proof, ok := cutLast(message, ",p=")
	parts := strings.Split(without, ",")
	if !ok || len(message) > 8*maxField || len(parts) < 2 {
		return nil, ErrMalformed
	}
	c, ok1 := strings.CutPrefix(parts[0], "c=")
	nonce, ok2 := strings.CutPrefix(parts[1], "r=")
	binding, err1 := decode64(c)
	given, err2 := decode64(proof)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || len(given) != e.hash.Size() || !extensions(parts[2:]) {
		return nil, ErrMalformed
	}
	text := e.text + without
	// Recover the client's key from the proof, and compare what is stored of it (RFC 5802 §3).
	key := exclusiveOr(given, mac(e.hash, e.keys.StoredKey, text))
	proven := hmac.Equal(digest(e.hash, key), e.keys.StoredKey)
	signature := mac(e.hash, e.keys.ServerKey, text)
	switch {
	case !hmac.Equal([]byte(nonce), []byte(e.nonce)):
		return nil, ErrCredentials
	case !hmac.Equal(binding, e.binding):
		return nil, ErrChannelBinding
	case !proven || !e.known:
		return nil, ErrCredentials
	case e.authz != "" && e.authz != e.id.Name && e.authz != e.keys.Name:
		return nil, ErrCredentials
	}
	if e.keys.Name != e.id.Name {
		e.id.Authenticated = e.id.Name
	}
	e.id.Name = e.keys.Name
	return base64.StdEncoding.AppendEncode([]byte("v="), signature), nil
}

// clientFirst is a client-first-message (RFC 5802 §7).
type clientFirst struct {
	flag         byte   // 'n', 'y', 'p'
	binding      string // after 'p'
	authz        string
	header, bare string // gs2-header, client-first-message-bare
	user, nonce  string
}

func parseClientFirst(s string) (clientFirst, error) {
	var m clientFirst
	flag, rest, ok1 := strings.Cut(s, ",")
	authz, bare, ok2 := strings.Cut(rest, ",")
	if !ok1 || !ok2 || len(s) > 8*maxField || !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return m, ErrMalformed
	}
	switch name, p := strings.CutPrefix(flag, "p="); {
	case p && name != "":
		m.flag, m.binding = 'p', name
	case flag == "n" || flag == "y":
		m.flag = flag[0]
	default:
		return m, ErrMalformed
	}
	if authz != "" {
		name, a := strings.CutPrefix(authz, "a=")
		var ok bool
		if m.authz, ok = gs2Name(name); !a || !ok || len(m.authz) > maxField {
			return m, ErrMalformed
		}
	}
	m.header, m.bare = s[:len(s)-len(bare)], bare
	parts := strings.Split(bare, ",") // "m=", which stands first, is an extension that must be refused
	if len(parts) < 2 {
		return m, ErrMalformed
	}
	name, n := strings.CutPrefix(parts[0], "n=")
	user, ok := gs2Name(name)
	nonce, r := strings.CutPrefix(parts[1], "r=")
	if !n || !ok || len(user) > maxField || !r || !printable(nonce) || !extensions(parts[2:]) {
		return m, ErrMalformed
	}
	m.user, m.nonce = user, nonce
	return m, nil
}

// printable reports whether s is the value of a nonce.
func printable(s string) bool {
	return s != "" && len(s) <= maxField && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' || r == ',' })
}

// extensions reports whether all that follows is attr-val, which is ignored.
func extensions(parts []string) bool {
	for _, p := range parts {
		if len(p) < 3 || p[1] != '=' || !(p[0] >= 'A' && p[0] <= 'Z' || p[0] >= 'a' && p[0] <= 'z') || !utf8.ValidString(p) {
			return false
		}
	}
	return true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// decode64 decodes base64 without line ends.
func decode64(s string) ([]byte, error) {
	if s == "" || bytes.ContainsAny([]byte(s), "\r\n") {
		return nil, ErrMalformed
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}
