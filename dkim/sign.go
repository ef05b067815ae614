package dkim

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
)

// A Signer makes one signature. Domain, Selector and Key must be set.
type Signer struct {
	// Domain and Selector are d= and s=, in A-labels.
	Domain, Selector string
	// Key signs: RSA or Ed25519. Where the private half lives is its own affair.
	Key crypto.Signer
	// Headers is h=; nil is DefaultHeaders as far as the message has them, each once more than it is there, so that
	// nobody adds another one (RFC 6376 §8.15). A message without a From field is refused, unless Headers names From:
	// then its absence is signed (RFC 6376 §5.4).
	Headers []string
	// HeaderCanon and BodyCanon are Relaxed unless told otherwise.
	HeaderCanon, BodyCanon Canonicalization
	// Identity is i=; "" leaves it out.
	Identity string
	// Expiration, if not 0, is how long after signing x= is.
	Expiration time.Duration
	// Now is the clock; nil is time.Now. OmitTime leaves t= out.
	Now      func() time.Time
	OmitTime bool
}

// DefaultHeaders are the fields that a Signer signs (RFC 6376 §5.4.1).
func DefaultHeaders() []string {
	return []string{"From", "Reply-To", "Subject", "Date", "To", "Cc", "Message-ID", "In-Reply-To", "References", "MIME-Version",
		"Content-Type", "Content-Transfer-Encoding", "Resent-Date", "Resent-From", "Resent-To", "Resent-Cc", "List-Id", "List-Help",
		"List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner", "List-Archive", "Sender"}
}

// oversigned are those that are signed although absent: what a reader is shown, and what changes its meaning.
func oversigned() []string {
	return []string{"From", "Reply-To", "Subject", "Date", "To", "Cc", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
}

// A Signing is one message being signed by any number of signers. Write takes the body once; then Fields signs.
type Signing struct {
	index   *fieldIndex
	signers []Signer
	hashes  []*sharedHash
	body    []*sharedHash // one a signer
}

// NewSigning takes the header section of a message, with or without its empty line. An error says which signer or
// which message cannot be.
func NewSigning(headerSection []byte, signers ...Signer) (*Signing, error) {
	s := &Signing{index: newFieldIndex(headerSection), signers: slices.Clone(signers)}
	var shared Verification
	for i := range s.signers {
		g := &s.signers[i]
		if g.HeaderCanon == "" {
			g.HeaderCanon = Relaxed
		}
		if g.BodyCanon == "" {
			g.BodyCanon = Relaxed
		}
		g.Domain, g.Selector = strings.ToLower(g.Domain), strings.ToLower(g.Selector)
		if !validDomain(g.Domain, 2) || !validDomain(g.Selector, 1) || g.Key == nil {
			return nil, fmt.Errorf("dkim: signer of domain %q, selector %q: a domain, a selector and a key are needed", g.Domain, g.Selector)
		}
		if g.Headers == nil && s.index.count("From") == 0 {
			return nil, errors.New("dkim: message has no From field")
		} else if g.Headers == nil {
			g.Headers = s.index.defaultHeaders()
		} else if !slices.ContainsFunc(g.Headers, func(h string) bool { return strings.EqualFold(h, "From") }) {
			return nil, errors.New("dkim: From must be signed (RFC 6376 §5.4)")
		} else if i := slices.IndexFunc(g.Headers, func(h string) bool { return !validName(h) }); i >= 0 {
			return nil, fmt.Errorf("dkim: %q is no name of a field", g.Headers[i])
		}
		s.body = append(s.body, shared.bodyHash(g.BodyCanon, -1))
	}
	s.hashes = shared.hashes
	return s, nil
}

func (x *fieldIndex) defaultHeaders() []string {
	var out []string
	for _, name := range DefaultHeaders() {
		n := x.count(name)
		if slices.Contains(oversigned(), name) {
			n++
		}
		for range n {
			out = append(out, name)
		}
	}
	return out
}

// Write takes the next piece of the body, with CRLF line ends. It never fails.
func (s *Signing) Write(p []byte) (int, error) {
	for _, h := range s.hashes {
		h.BodyHash.Write(p)
	}
	return len(p), nil
}

// Fields ends the body and returns the DKIM-Signature fields, one a signer, each with its final CRLF, to be put on top
// of the header. Errors are those of keys.
func (s *Signing) Fields() ([]byte, error) {
	for _, h := range s.hashes {
		h.sum = h.Sum()
	}
	var out []byte
	for i, g := range s.signers {
		field, err := s.sign(g, s.body[i].sum)
		if err != nil {
			return nil, fmt.Errorf("dkim: signer %s of %s: %w", g.Selector, g.Domain, err)
		}
		out = append(out, field...)
	}
	return out, nil
}

func (s *Signing) sign(g Signer, bodyHash []byte) ([]byte, error) {
	sig := Signature{HeaderCanon: g.HeaderCanon, Headers: g.Headers}
	var err error
	if sig.Algorithm, err = KeyAlgorithm(g.Key); err != nil {
		return nil, err
	}
	field := s.field(g, sig.Algorithm, bodyHash)
	// The hash is over the field as it will stand, with b= empty and without final CRLF.
	unsigned := sig.HeaderCanon.AppendField(nil, append(slices.Clone(field), "\r\n"...))
	sum, _ := s.index.hash(&sig, -1, unsigned[:len(unsigned)-2])
	b, err := SignSum(g.Key, sum[:])
	if err != nil {
		return nil, err
	}
	line := 3 // " b="
	for _, c := range base64.StdEncoding.AppendEncode(nil, b) {
		if line == 76 {
			field = append(field, "\r\n "...)
			line = 1
		}
		field = append(field, c)
		line++
	}
	return append(field, "\r\n"...), nil
}

// field writes the field up to "b=", folded before column 77.
func (s *Signing) field(g Signer, a Algorithm, bodyHash []byte) []byte {
	out := []byte("DKIM-Signature: v=1;")
	line := len(out)
	put := func(t string) {
		if line+1+len(t) > 76 {
			out = append(out, "\r\n"...)
			line = 0
		}
		out = append(append(out, ' '), t...)
		line += 1 + len(t)
	}
	put("a=" + string(a) + ";")
	put("c=" + string(g.HeaderCanon) + "/" + string(g.BodyCanon) + ";")
	put("d=" + g.Domain + ";")
	put("s=" + g.Selector + ";")
	if g.Identity != "" {
		put("i=" + encodeQP(g.Identity) + ";")
	}
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	t := now()
	if !g.OmitTime {
		put("t=" + strconv.FormatInt(t.Unix(), 10) + ";")
	}
	if g.Expiration > 0 {
		put("x=" + strconv.FormatInt(t.Add(g.Expiration).Unix(), 10) + ";")
	}
	for i, name := range g.Headers {
		switch {
		case len(g.Headers) == 1:
			put("h=" + name + ";")
		case i == 0:
			put("h=" + name)
		case i == len(g.Headers)-1:
			put(":" + name + ";")
		default:
			put(":" + name)
		}
	}
	put("bh=" + base64.StdEncoding.EncodeToString(bodyHash) + ";")
	out = append(out, "\r\n b="...)
	return out
}

// encodeQP encodes dkim-quoted-printable (RFC 6376 §2.11).
func encodeQP(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == ';' || c == '=' {
			fmt.Fprintf(&b, "=%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Sign signs a whole message and returns the DKIM-Signature fields, one a signer, to be put on top of it. Lines of r
// end with CRLF, as for Verifier.Verify.
func Sign(r io.Reader, signers ...Signer) ([]byte, error) {
	section, body, err := header.Split(r)
	if err != nil {
		return nil, fmt.Errorf("dkim: read: %w", err)
	}
	s, err := NewSigning(section, signers...)
	if err != nil {
		return nil, err
	}
	if _, err := body.WriteTo(s); err != nil {
		return nil, fmt.Errorf("dkim: read: %w", err)
	}
	return s.Fields()
}
