package capability

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Limits of a token.
const (
	// MaxBlocks is how many blocks a token has at most, the grant's own counted.
	MaxBlocks = 8
	// MaxToken is the longest token, in octets before base64.
	MaxToken = 2048
)

const (
	version   = 1
	sigLabel  = "mailbricks capability 1\x00"
	endLabel  = "mailbricks capability 1 end\x00"
	proofOpen = 0
	proofSeal = 1
	endFlag   = 0x80 // with the number of blocks: the last has no next key, and no proof follows
)

// A Token is a grant in transferable form, with what it was narrowed by. Only Issue and ParseToken make one; its
// signatures are checked by a Verifier.
type Token struct {
	blocks []block
	seed   []byte // private half of the last key; nil: sealed
	seal   []byte // by the last key; nil if the last block has none
	grant  Grant  // with the limits of all blocks together
}

type block struct {
	payload []byte // fields, then the next public key
	end     bool   // it has no next key: nobody can add to it
	own     Limits // of them Uses and Rate, which have counters
	sig     []byte
}

// fields returns the block without the next key.
func (b block) fields() []byte {
	if b.end {
		return b.payload
	}
	return b.payload[:len(b.payload)-ed25519.PublicKeySize]
}

// Issue signs a grant. key is an Ed25519 private key; where it lives is its own affair.
func Issue(g Grant, key crypto.Signer) (Token, error) { return signGrant(g, key, false) }

// IssueSealed signs a grant that cannot be narrowed. It is 97 octets shorter than one that was sealed afterwards, and takes
// one signature to verify instead of two.
func IssueSealed(g Grant, key crypto.Signer) (Token, error) { return signGrant(g, key, true) }

func signGrant(g Grant, key crypto.Signer, end bool) (Token, error) {
	if _, ok := key.Public().(ed25519.PublicKey); !ok {
		return Token{}, fmt.Errorf("capability: %T is no Ed25519 key", key.Public())
	}
	if g.ID == (ID{}) {
		g.ID = NewID()
	}
	if err := g.Check(); err != nil {
		return Token{}, err
	}
	g.Issuer, g.Scope = strings.ToLower(g.Issuer), strings.ToLower(g.Scope)
	payload := appendBlock(nil, g)
	parsed, err := parseBlock(payload, true)
	if err != nil {
		return Token{}, err
	}
	t := Token{grant: parsed}
	return t, t.add(block{payload: payload, end: end, own: parsed.Limits}, key)
}

// add signs a block with key, and draws the next key if there is to be one.
func (t *Token) add(b block, key crypto.Signer) error {
	t.seed = nil
	if !b.end {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		b.payload, t.seed = append(b.payload, public...), private.Seed()
	}
	var err error
	if b.sig, err = key.Sign(rand.Reader, appendSigned(nil, t.blocks, b.payload, b.end), crypto.Hash(0)); err != nil {
		return fmt.Errorf("capability: sign: %w", err)
	}
	t.blocks = append(slices.Clip(t.blocks), b)
	return nil
}

// appendSigned appends the octets that the signature of a block, or the seal with a nil payload, is over: the signature
// before ties it to this very chain, and a block without next key has a label of its own, so that neither is read as the
// other.
func appendSigned(dst []byte, before []block, payload []byte, end bool) []byte {
	if end {
		dst = append(dst, endLabel...)
	} else {
		dst = append(dst, sigLabel...)
	}
	dst = append(dst, byte(len(before)))
	if n := len(before); n > 0 {
		dst = append(dst, before[n-1].sig...)
	}
	return append(dst, payload...)
}

// Grant returns what the token allows if its signatures verify.
func (t Token) Grant() Grant { return t.grant }

// Sealed reports whether the token can no longer be narrowed.
func (t Token) Sealed() bool { return t.seed == nil }

// Attenuate returns a narrower token; what l leaves at its zero value stays as it is. It needs no key and asks nobody.
// ErrWidened: l allows something that t does not. ErrSyntax: t is sealed or has MaxBlocks.
func (t Token) Attenuate(l Limits) (Token, error) { return t.attenuate(l, false) }

// AttenuateSealed is Attenuate and Seal in one, and makes a token shorter by 97 octets.
func (t Token) AttenuateSealed(l Limits) (Token, error) { return t.attenuate(l, true) }

func (t Token) attenuate(l Limits, end bool) (Token, error) {
	if t.Sealed() || len(t.blocks) >= MaxBlocks {
		return Token{}, errSyntax("sealed, or %d blocks already", len(t.blocks))
	}
	if l.Scope = strings.ToLower(l.Scope); len(l.Scope) > maxField {
		return Token{}, errSyntax("scope of more than %d octets", maxField)
	}
	if err := l.check(); err != nil {
		return Token{}, err
	}
	payload := appendBlock(nil, Grant{Limits: l})
	parsed, err := parseBlock(payload, false)
	if err != nil {
		return Token{}, err
	}
	if t.grant.Limits, err = narrow(t.grant.Limits, parsed.Limits); err != nil {
		return Token{}, err
	}
	return t, t.add(block{payload: payload, end: end, own: parsed.Limits}, ed25519.NewKeyFromSeed(t.seed))
}

func narrow(outer, l Limits) (Limits, error) {
	next := l.over(outer)
	if !next.narrows(outer) {
		return outer, ErrWidened
	}
	return next, nil
}

// Seal returns the token in the form that is shown to others: it cannot be narrowed any more, by nobody. It adds a
// signature; AttenuateSealed narrows and seals with one.
func (t Token) Seal() Token {
	if t.Sealed() {
		return t
	}
	t.seal = ed25519.Sign(ed25519.NewKeyFromSeed(t.seed), appendSigned(nil, t.blocks, nil, false))
	t.seed = nil
	return t
}

// counters returns what a use of the token counts against: each block that limits uses or their rate has counters of its
// own, so that what a holder hands on is counted within what it holds.
func (t Token) counters() []Counter {
	var out []Counter
	for i, b := range t.blocks {
		if b.own.Uses == 0 && b.own.Rate == (Rate{}) {
			continue
		}
		key := t.grant.ID
		if i > 0 {
			sum := sha256.Sum256(b.sig)
			copy(key[:], sum[:])
		}
		out = b.own.appendCounters(out, key)
	}
	return out
}

// appendCounters appends the counters of limits.
func (l Limits) appendCounters(dst []Counter, key ID) []Counter {
	if l.Uses > 0 {
		dst = append(dst, Counter{Key: key, Max: l.Uses})
	}
	if l.Rate != (Rate{}) {
		dst = append(dst, Counter{Key: key, Max: l.Rate.Count, Per: l.Rate.Per})
	}
	return dst
}

// verify checks the chain of signatures from the issuer's key on.
func (t Token) verify(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return ErrSignature // where ed25519 panics
	}
	var buf [512]byte // enough for all but the longest names
	for i, b := range t.blocks {
		if !ed25519.Verify(key, appendSigned(buf[:0], t.blocks[:i], b.payload, b.end), b.sig) {
			return ErrSignature
		}
		if b.end {
			return nil // ParseToken has seen that it is the last
		}
		key = b.payload[len(b.payload)-ed25519.PublicKeySize:]
	}
	if t.Sealed() {
		if !ed25519.Verify(key, appendSigned(buf[:0], t.blocks, nil, false), t.seal) {
			return ErrSignature
		}
		return nil
	}
	if !key.Equal(ed25519.NewKeyFromSeed(t.seed).Public()) {
		return ErrSignature
	}
	return nil
}

// Append appends the token's octets.
func (t Token) Append(dst []byte) []byte {
	n := byte(len(t.blocks))
	end := n > 0 && t.blocks[n-1].end
	if end {
		n |= endFlag
	}
	dst = append(dst, version, n)
	for _, b := range t.blocks {
		dst = binary.AppendUvarint(dst, uint64(len(b.payload)))
		dst = append(append(dst, b.payload...), b.sig...)
	}
	switch {
	case end:
		return dst
	case t.Sealed():
		return append(append(dst, proofSeal), t.seal...)
	}
	return append(append(dst, proofOpen), t.seed...)
}

// String returns the token in base64url without padding, fit for an ESMTP parameter and a header field.
func (t Token) String() string { return base64.RawURLEncoding.EncodeToString(t.Append(nil)) }

// ParseToken reads what String returns. Blocks that widen what came before give ErrWidened, all else ErrSyntax; the
// signatures are not checked here.
func ParseToken(s string) (Token, error) {
	if len(s) > base64.RawURLEncoding.EncodedLen(MaxToken) {
		return Token{}, errSyntax("longer than %d octets", MaxToken)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return Token{}, errSyntax("base64url")
	}
	if len(b) < 2 || b[0] != version || b[1]&^endFlag == 0 || b[1]&^endFlag > MaxBlocks {
		return Token{}, errSyntax("version or number of blocks")
	}
	n, end := int(b[1]&^endFlag), b[1]&endFlag != 0
	t := Token{blocks: make([]block, 0, n)}
	var scratch [binary.MaxVarintLen64]byte
	b = b[2:]
	for i := range n {
		last, least := end && i == n-1, uint64(ed25519.PublicKeySize)
		if last {
			least = 0
		}
		size, w := binary.Uvarint(b)
		if w != len(binary.AppendUvarint(scratch[:0], size)) || size < least || size > uint64(len(b)) || len(b)-w < int(size)+ed25519.SignatureSize {
			return Token{}, errSyntax("block %d is cut short", i)
		}
		b = b[w:]
		blk := block{payload: b[:size:size], end: last, sig: b[size : size+ed25519.SignatureSize : size+ed25519.SignatureSize]}
		b = b[int(size)+ed25519.SignatureSize:]
		g, err := parseBlock(blk.fields(), i == 0)
		if err != nil {
			return Token{}, err
		}
		if i == 0 {
			t.grant = g
		} else if t.grant.Limits, err = narrow(t.grant.Limits, g.Limits); err != nil {
			return Token{}, err
		}
		blk.own = g.Limits
		t.blocks = append(t.blocks, blk)
	}
	switch {
	case end && len(b) == 0:
	case end:
		return Token{}, errSyntax("more than the last block")
	case len(b) == 1+ed25519.SeedSize && b[0] == proofOpen:
		t.seed = b[1:]
	case len(b) == 1+ed25519.SignatureSize && b[0] == proofSeal:
		t.seal = b[1:]
	default:
		return Token{}, errSyntax("proof")
	}
	return t, nil
}
