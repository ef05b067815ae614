package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"
)

// How long a token is good for (at most 24 hours, RFC 8292 §2), how long before its end another is made, and for how
// many origins tokens are kept.
const (
	tokenLife   = 12 * time.Hour
	tokenMargin = time.Hour
	maxTokens   = 1000
)

// A Signer tells push services who sends (RFC 8292). Its fields are set before the first use.
type Signer struct {
	// Key is on P-256, and for nothing else; see GenerateKey and ParseKey.
	Key *ecdsa.PrivateKey
	// Subject is where to reach who runs the server, "mailto:…" or "https://…"; "" tells nothing.
	Subject string
	// Now and Random are nil for the system's.
	Now    func() time.Time
	Random io.Reader

	mu     sync.Mutex
	tokens map[string]token // by origin
}

type token struct {
	header string
	until  time.Time
}

// GenerateKey returns a new key of a Signer. random is nil for crypto/rand.
func GenerateKey(random io.Reader) (*ecdsa.PrivateKey, error) {
	k, err := newKey(random)
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), k.Bytes())
}

// ParseKey reads a private key: 32 octets in URL-safe base64. The error is a *KeyError.
func ParseKey(s string) (*ecdsa.PrivateKey, error) {
	b, err := decode(s, 32)
	if err == nil {
		var k *ecdsa.PrivateKey
		if k, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), b); err == nil {
			return k, nil
		}
	}
	return nil, &KeyError{"private", err}
}

// FormatKey returns a private key as ParseKey reads it.
func FormatKey(k *ecdsa.PrivateKey) (string, error) {
	b, err := k.Bytes()
	return encode(b), err
}

// PublicKey returns the public key as clients take it: uncompressed, in URL-safe base64 (RFC 8292 §3.2).
func (s *Signer) PublicKey() (string, error) {
	b, err := s.Key.PublicKey.Bytes()
	return encode(b), err
}

type claims struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Subject  string `json:"sub,omitempty"`
}

const joseHeader = `{"typ":"JWT","alg":"ES256"}`

// Authorization returns the Authorization field of requests to an origin ("https://push.example.net"). One is used for
// hours.
func (s *Signer) Authorization(origin string) (string, error) {
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tokens[origin]; ok && now.Before(t.until) {
		return t.header, nil
	}
	body, err := json.Marshal(claims{origin, now.Add(tokenLife).Unix(), s.Subject})
	if err != nil {
		return "", err
	}
	signed := encode([]byte(joseHeader)) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(source(s.Random), s.Key, sum[:])
	if err != nil {
		return "", err
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	v.FillBytes(sig[32:])
	public, err := s.PublicKey()
	if err != nil {
		return "", err
	}
	header := "vapid t=" + signed + "." + encode(sig[:]) + ", k=" + public
	if s.tokens == nil {
		s.tokens = make(map[string]token)
	}
	maps.DeleteFunc(s.tokens, func(_ string, t token) bool { return !now.Before(t.until) })
	if len(s.tokens) < maxTokens {
		s.tokens[origin] = token{header, now.Add(tokenLife - tokenMargin)}
	}
	return header, nil
}

// A TokenError says why the Authorization of a push message proves nothing (RFC 8292 §4.2).
type TokenError struct{ Reason string }

func (e *TokenError) Error() string { return "webpush: authorization: " + e.Reason }

// maxAuthorization is the length of the longest Authorization that is read, in octets.
const maxAuthorization = 4096

// Verify returns the public key that an Authorization field proves the sender to have, as Signer.PublicKey has it, to a
// push service of this origin. The error is a *TokenError.
func Verify(authorization, origin string, now time.Time) (key string, err error) {
	scheme, rest, _ := strings.Cut(authorization, " ")
	if len(authorization) > maxAuthorization || !strings.EqualFold(scheme, "vapid") {
		return "", &TokenError{"not vapid"}
	}
	var jwt string
	for p := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(name) {
		case "t":
			jwt = strings.Trim(value, `"`)
		case "k":
			key = strings.Trim(value, `"`)
		}
	}
	b, err := decode(key, keyLength)
	if err != nil {
		return "", &TokenError{"no key"}
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), b)
	if err != nil {
		return "", &TokenError{"no key"}
	}
	c, err := verifyJWT(jwt, public)
	if err != nil {
		return "", &TokenError{err.Error()}
	}
	switch expires := time.Unix(c.Expires, 0); {
	case now.After(expires):
		return "", &TokenError{"expired"}
	case expires.After(now.Add(24 * time.Hour)):
		return "", &TokenError{"good for too long"}
	case !slices.Contains(c.Audience, origin):
		return "", &TokenError{"for another origin"}
	}
	return encode(b), nil
}

// An audience is one name, or a list of them (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON reads a string or a list.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

type verified struct {
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
}

var (
	errJWT       = errors.New("no token")
	errSignature = errors.New("the signature is not the key's")
)

// verifyJWT returns the claims of a token that is signed with ES256 by the key.
func verifyJWT(jwt string, public *ecdsa.PublicKey) (*verified, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, errJWT
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(p); err != nil {
			return nil, errJWT
		}
	}
	var head struct {
		Algorithm string   `json:"alg"`
		Critical  []string `json:"crit"`
	}
	if json.Unmarshal(raw[0], &head) != nil || head.Algorithm != "ES256" || len(head.Critical) > 0 {
		return nil, errJWT
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig := raw[2]
	if len(sig) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return nil, errSignature
	}
	out := new(verified)
	if err := json.Unmarshal(raw[1], out); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return out, nil
}
