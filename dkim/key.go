package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
)

// Bounds of RSA keys, in bits: RFC 8301 §3.2, and what a verifier can be made to work.
const (
	MinRSABits = 1024
	MaxRSABits = 16384
)

// What a key record can be refused for. They are wrapped with the place.
var (
	ErrNoKey       = errors.New("dkim: no key record")
	ErrKey         = errors.New("dkim: malformed key record")
	ErrRevoked     = errors.New("dkim: key is revoked")
	ErrUnsuitable  = errors.New("dkim: key is not for this use")
	ErrKeyTooSmall = errors.New("dkim: RSA key is too small")
	ErrKeyTooBig   = errors.New("dkim: RSA key is too big")
)

// A Record is a key record (RFC 6376 §3.6.1).
type Record struct {
	Key      crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey; nil: revoked
	Hashes   []string         // h=; nil: all
	Services []string         // s=; nil: all
	Testing  bool             // t=y
	Strict   bool             // t=s: i= must be in d= itself
	Notes    string           // n=
}

// ParseRecord parses the text of one TXT record, its strings joined. Errors wrap ErrKey, ErrKeyTooSmall, ErrKeyTooBig
// or ErrRevoked.
func ParseRecord(txt string) (Record, error) {
	var r Record
	tags, err := header.ParseTags(txt)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrKey, err)
	}
	for i, t := range tags {
		if t.Name == "v" && (i > 0 || t.Value != "DKIM1") {
			return r, fmt.Errorf("%w: v=%q, or not in the first place", ErrKey, t.Value)
		}
	}
	list := func(name string) []string {
		v, ok := tags.Get(name)
		if !ok {
			return nil
		}
		var out []string
		for e := range strings.SplitSeq(v, ":") {
			out = append(out, strings.ToLower(header.TrimSpace(e)))
		}
		return out
	}
	r.Hashes, r.Services = list("h"), list("s")
	r.Notes, _ = tags.Get("n")
	for _, f := range list("t") {
		r.Testing = r.Testing || f == "y"
		r.Strict = r.Strict || f == "s"
	}
	p, ok := tags.Get("p")
	if !ok {
		return r, fmt.Errorf("%w: no p=", ErrKey)
	}
	if p == "" {
		return r, ErrRevoked
	}
	der, err := decodeBase64(p)
	if err != nil {
		return r, fmt.Errorf("%w: p=: %w", ErrKey, err)
	}
	k, ok := tags.Get("k")
	if !ok {
		k = "rsa"
	}
	r.Key, err = parseKey(k, der)
	return r, err
}

func parseKey(k string, der []byte) (crypto.PublicKey, error) {
	switch k {
	case "ed25519": // RFC 8463 §4: the 32 octets themselves
		if len(der) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: ed25519 key of %d octets", ErrKey, len(der))
		}
		if smallOrder(der) {
			return nil, fmt.Errorf("%w: ed25519 key of small order", ErrKey)
		}
		return ed25519.PublicKey(der), nil
	case "rsa":
		if len(der) > 3*MaxRSABits/8 {
			return nil, fmt.Errorf("%w: over %d bits", ErrKeyTooBig, MaxRSABits)
		}
		pub := parseRSA(der)
		if pub == nil {
			return nil, fmt.Errorf("%w: p= holds no RSA key", ErrKey)
		}
		switch n := pub.N.BitLen(); {
		case n < MinRSABits:
			return nil, fmt.Errorf("%w: %d bits", ErrKeyTooSmall, n)
		case n > MaxRSABits:
			return nil, fmt.Errorf("%w: %d bits", ErrKeyTooBig, n)
		case pub.E < 3 || pub.E%2 == 0:
			return nil, fmt.Errorf("%w: RSA exponent %d", ErrKey, pub.E)
		}
		return pub, nil
	}
	return nil, fmt.Errorf("%w: k=%q", ErrKey, k)
}

// rsaInfo is how the SubjectPublicKeyInfo of an RSA key begins behind its outer head: AlgorithmIdentifier of rsaEncryption
// with NULL (RFC 3279 §2.3.1).
const rsaInfo = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"

// parseRSA parses a SubjectPublicKeyInfo or a bare RSAPublicKey (RFC 6376 §3.6.1: the one is in use, the other in the ABNF).
// The first in its usual form is read here, in a tenth of the time that x509 takes; x509 judges all others. nil: neither.
func parseRSA(der []byte) *rsa.PublicKey {
	info, end := derValue(der, 0x30)
	if rest, ok := bytes.CutPrefix(info, []byte(rsaInfo)); ok && len(end) == 0 {
		bits, end := derValue(rest, 0x03)
		if len(bits) > 0 && bits[0] == 0 && len(end) == 0 {
			key, end := derValue(bits[1:], 0x30)
			n, e := derValue(key, 0x02)
			e, tail := derValue(e, 0x02)
			if len(end)+len(tail) == 0 && positive(n) && positive(e) && len(e) < 4 {
				exponent := 0
				for _, b := range e {
					exponent = exponent<<8 | int(b)
				}
				return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}
			}
		}
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err == nil {
		pub, _ := key.(*rsa.PublicKey)
		return pub
	}
	pub, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil
	}
	return pub
}

// derValue returns the value of the first element of der, if it has that tag and the shortest form of a length up to 65535,
// and what follows it; nil and nil else.
func derValue(der []byte, tag byte) (value, rest []byte) {
	if len(der) < 2 || der[0] != tag {
		return nil, nil
	}
	n, head := int(der[1]), 2
	switch {
	case n == 0x81 && len(der) > 2 && der[2] >= 0x80:
		n, head = int(der[2]), 3
	case n == 0x82 && len(der) > 3 && der[2] > 0:
		n, head = int(der[2])<<8|int(der[3]), 4
	case n >= 0x80:
		return nil, nil
	}
	if len(der)-head < n {
		return nil, nil
	}
	return der[head : head+n], der[head+n:]
}

// positive reports whether b is an INTEGER over 0 in its shortest form.
func positive(b []byte) bool {
	return len(b) > 0 && b[0] < 0x80 && (b[0] > 0 || len(b) > 1 && b[1] >= 0x80)
}

// decodeBase64 decodes base64 with white space in it (RFC 6376 §2.10).
func decodeBase64(s string) ([]byte, error) {
	var buf [1 << 10]byte
	text := header.AppendStripped(buf[:0], s)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	return out[:n], err
}

// smallOrder reports whether an ed25519 key is one of those with which anybody can sign anything: a point of order 8 or
// less, in any of its encodings.
func smallOrder(key []byte) bool {
	for _, y := range []string{
		"\x00", "\x01", // of order 4; neutral
		"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05", // of order 8
		"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a", // of order 8
		"\xec" + ones + "\x7f", "\xed" + ones + "\x7f", "\xee" + ones + "\x7f", // p-1, of order 2; p and p+1, not canonical
	} {
		var point [ed25519.PublicKeySize]byte
		copy(point[:], y)
		if point[len(point)-1]&0x7f == key[len(key)-1]&0x7f && bytes.Equal(point[:len(point)-1], key[:len(point)-1]) { // the sign does not matter
			return true
		}
	}
	return false
}

const ones = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

// AppendRecord appends the TXT record for a public key, without quotes.
func AppendRecord(dst []byte, key crypto.PublicKey) ([]byte, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		dst = append(dst, "v=DKIM1; k=ed25519; p="...)
		return base64.StdEncoding.AppendEncode(dst, k), nil
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return dst, fmt.Errorf("dkim: %w", err)
		}
		return base64.StdEncoding.AppendEncode(append(dst, "v=DKIM1; k=rsa; p="...), der), nil
	}
	return dst, fmt.Errorf("dkim: %T is no key for DKIM", key)
}

// Resolver is what a Verifier asks of DNS; *net.Resolver is one. Its errors are *net.DNSError: IsNotFound where there
// is no record.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// SecureResolver tells the DNSSEC state too.
type SecureResolver interface {
	LookupTXTSecure(ctx context.Context, name string) (txt []string, secure bool, err error)
}

// LookupKey looks up and parses the key of a selector. secure is the DNSSEC state, false without sr. Of several records
// the first that is a key counts (RFC 6376 §3.6.2.2 leaves the choice). The error is ErrNoKey, one of ParseRecord's,
// or DNS's own, which is temporary. sr is asked if it is not nil, else r.
func LookupKey(ctx context.Context, r Resolver, sr SecureResolver, selector, domain string) (rec Record, secure bool, err error) {
	var l keyLookup
	l.txts, l.secure, l.err = lookupTXT(ctx, r, sr, keyName(selector, domain))
	rec, err = l.record()
	return rec, l.secure, err
}

func keyName(selector, domain string) string { return selector + "._domainkey." + domain }

func lookupTXT(ctx context.Context, r Resolver, sr SecureResolver, name string) (txts []string, secure bool, err error) {
	switch {
	case sr != nil:
		txts, secure, err = sr.LookupTXTSecure(ctx, name)
	case r != nil:
		txts, err = r.LookupTXT(ctx, name)
	default:
		err = errors.New("dkim: no resolver")
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound || err == nil && len(txts) == 0 {
		err = ErrNoKey
	}
	return txts, secure && (err == nil || err == ErrNoKey), err
}

// record parses the answer.
func (l *keyLookup) record() (Record, error) {
	if l.err != nil {
		return Record{}, l.err
	}
	var first error
	for _, txt := range l.txts {
		rec, err := ParseRecord(txt)
		if err == nil {
			return rec, nil
		}
		if first == nil {
			first = err
		}
	}
	return Record{}, first
}

// GenerateKey returns a new private key for an algorithm: 2048 bits for RSASHA256.
func GenerateKey(a Algorithm) (crypto.Signer, error) {
	switch a {
	case RSASHA256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case Ed25519SHA256:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("dkim: unknown algorithm %q", a)
}

// AppendPrivateKey appends a private key in PEM (PKCS #8).
func AppendPrivateKey(dst []byte, key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return dst, fmt.Errorf("dkim: %w", err)
	}
	return append(dst, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

// ErrPrivateKey says that a text holds no private key for DKIM; it is wrapped with the cause.
var ErrPrivateKey = errors.New("dkim: not a private key for DKIM")

// ParsePrivateKey parses a private key in PEM, PKCS #8 or PKCS #1. Errors wrap ErrPrivateKey.
func ParsePrivateKey(text []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: not one block of PEM", ErrPrivateKey)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrivateKey, err)
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, fmt.Errorf("%w: %T", ErrPrivateKey, key)
}
