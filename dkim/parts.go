package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/mailbricks/mailbricks/internal/header"
)

// What follows are the pieces of verifying and signing, for signatures of the same kind in other fields: those of ARC.

// ParseSeal parses what the value of an ARC-Seal field has of a DKIM-Signature (RFC 8617 §4.1.3): a=, b=, d=, s= and t=.
// A seal with h= is malformed. The error wraps ErrSignature.
func ParseSeal(value string) (Signature, error) {
	s := Signature{Length: -1, HeaderCanon: Relaxed}
	if len(value) > maxSignature {
		return s, errSignature("longer than %d octets", maxSignature)
	}
	tags, err := header.ParseTags(value)
	if err != nil {
		return s, errSignature("%w", err)
	}
	if _, ok := tags.Get("h"); ok {
		return s, errSignature("h= in a seal")
	}
	if err := s.setSigner(tags); err != nil {
		return s, err
	}
	return s, s.setNumbers(tags)
}

// A Header is the header section of a message, whose fields signatures cover. It is used by one goroutine.
type Header struct{ index *fieldIndex }

// NewHeader takes a header section, with or without its empty line.
func NewHeader(section []byte) *Header { return &Header{newFieldIndex(section)} }

// Sum returns the hash that a signature signs (RFC 6376 §3.7): over the fields named by s.Headers, taken from the bottom
// up, and last over own, the signature's own field, without the value of its b=. Where own shares the memory of the
// section, it is not one of the fields covered. added are the names in s.Headers, in lower case, of which there are more
// fields than the signature covers.
func (h *Header) Sum(s *Signature, own []byte) (sum [sha256.Size]byte, added []string) {
	at := -1
	for i, f := range h.index.fields {
		if len(own) > 0 && &h.index.section[f.start] == &own[0] {
			at = i
		}
	}
	return h.index.hash(s, at, s.HeaderCanon.AppendUnsigned(nil, own))
}

// AppendUnsigned appends a signature's own field as it is hashed: in canonical form, without the value of b= and without
// its final CRLF (RFC 6376 §3.7).
func (c Canonicalization) AppendUnsigned(dst, raw []byte) []byte {
	raw = withCRLF(raw)
	plain := appendWithoutB(make([]byte, 0, 2*len(raw)+4), raw)
	if dst == nil {
		dst = plain[len(plain):] // there is room behind
	}
	dst = c.AppendField(dst, plain)
	return dst[:len(dst)-2]
}

// Share has the body hashed for a signature of another field in the same pass. It is called before the first Write; what
// it returns tells, after Results, whether the body has the hash that the signature says.
func (c *Verification) Share(s *Signature) func() Check {
	h := c.bodyHash(s.BodyCanon, s.Length)
	return func() Check { return h.check(s) }
}

// check compares the hash of the body, which has ended, with that of a signature.
func (h *sharedHash) check(s *Signature) Check {
	return verdict(subtle.ConstantTimeCompare(h.sum, s.BodyHash) == 1 && (s.Length < 0 || h.Size() >= s.Length))
}

// Verify checks that the key is for this signature, and that this is its signature over a hash, as Header.Sum returns
// it. The error wraps ErrAlgorithm, ErrUnsuitable or ErrVerify.
func (r Record) Verify(s *Signature, sum []byte) error {
	if s.Algorithm != RSASHA256 && s.Algorithm != Ed25519SHA256 {
		return fmt.Errorf("%w: %.40q", ErrAlgorithm, s.Algorithm)
	}
	if err := r.suits(s); err != nil {
		return err
	}
	if !r.verify(s, sum) {
		return ErrVerify
	}
	return nil
}

func (r Record) verify(s *Signature, sum []byte) bool {
	switch pub := r.Key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum, s.Signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(pub, sum, s.Signature) // RFC 8463 §3
	}
	return false
}

// KeyAlgorithm returns what a key signs with. The error wraps ErrKeyTooSmall, or says that it is no key for DKIM.
func KeyAlgorithm(key crypto.Signer) (Algorithm, error) {
	switch pub := key.Public().(type) {
	case *rsa.PublicKey:
		if n := pub.N.BitLen(); n < MinRSABits {
			return "", fmt.Errorf("%w: %d bits", ErrKeyTooSmall, n)
		}
		return RSASHA256, nil
	case ed25519.PublicKey:
		return Ed25519SHA256, nil
	default:
		return "", fmt.Errorf("%T is no key for DKIM", pub)
	}
}

// SignSum signs a hash, as Header.Sum returns it, with the algorithm of the key.
func SignSum(key crypto.Signer, sum []byte) ([]byte, error) {
	hash := crypto.SHA256
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		hash = 0
	}
	return key.Sign(rand.Reader, sum, hash)
}
