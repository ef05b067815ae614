package payword

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Limits of a commitment.
const (
	MaxWords = 10_000
	MaxValue = 1_000_000 // units of one word
	maxName  = 255
)

// Errors of commitments and claims.
var (
	// ErrSyntax says that octets are no commitment or claim.
	ErrSyntax = errors.New("payword: malformed")
	// ErrSignature says that a commitment was not signed by its payer.
	ErrSignature = errors.New("payword: not signed by the payer")
	// ErrWord says that a word is not of the chain.
	ErrWord = errors.New("payword: word is not of the chain")
	// ErrChain says that a chain is not known, or that the recipient does not take it.
	ErrChain = errors.New("payword: chain is not accepted")
)

// A Word is one hash of a chain.
type Word [sha256.Size]byte

// An ID names a chain: the first half of the SHA-256 of its commitment without the signature.
type ID [sha256.Size / 2]byte

// A Commitment is the promise to pay for the words of a chain. Only ParseCommitment and Scheme make one.
type Commitment struct {
	Payer, Payee string // domains
	Value        int    // of one word, in the broker's unit
	Words        int    // length of the chain
	Start, End   time.Time
	Root         Word // w0

	signed []byte // as it is signed, and the signature
}

// A commitment is written as: commitMark ‖ payer ‖ payee, each with its length in one octet ‖ value, words (4 octets
// each) ‖ start, end (8 octets each, Unix seconds) ‖ root ‖ Ed25519 signature over all before it. Numbers are big-endian.
const commitMark = "mailbricks payword 1\x00"

func sign(c Commitment, key ed25519.PrivateKey) (Commitment, error) {
	b := []byte(commitMark)
	for _, name := range []string{c.Payer, c.Payee} {
		if name == "" || len(name) > maxName {
			return c, fmt.Errorf("%w: domain of %d octets", ErrSyntax, len(name))
		}
		b = append(append(b, byte(len(name))), name...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(c.Value))
	b = binary.BigEndian.AppendUint32(b, uint32(c.Words))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Start.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(c.End.Unix()))
	b = append(b, c.Root[:]...)
	return ParseCommitment(append(b, ed25519.Sign(key, b)...))
}

// ParseCommitment reads what Append wrote. It does not check the signature. The error wraps ErrSyntax.
func ParseCommitment(b []byte) (Commitment, error) {
	c := Commitment{signed: append([]byte(nil), b...)}
	rest := c.signed
	take := func(n int) []byte {
		if rest == nil || len(rest) < n {
			rest = nil
			return make([]byte, n)
		}
		out := rest[:n]
		rest = rest[n:]
		return out
	}
	mark := string(take(len(commitMark)))
	c.Payer = string(take(int(take(1)[0])))
	c.Payee = string(take(int(take(1)[0])))
	c.Value = int(binary.BigEndian.Uint32(take(4)))
	c.Words = int(binary.BigEndian.Uint32(take(4)))
	start, end := int64(binary.BigEndian.Uint64(take(8))), int64(binary.BigEndian.Uint64(take(8)))
	c.Root = Word(take(len(c.Root)))
	if rest == nil || len(rest) != ed25519.SignatureSize || mark != commitMark || c.Payer == "" || c.Payee == "" {
		return Commitment{}, fmt.Errorf("%w: commitment of %d octets", ErrSyntax, len(b))
	}
	const distant = 1 << 40 // seconds: so that no arithmetic on times overflows
	if c.Value < 1 || c.Value > MaxValue || c.Words < 1 || c.Words > MaxWords || start < 0 || start >= end || end > distant {
		return Commitment{}, fmt.Errorf("%w: %d words of value %d, from %d to %d", ErrSyntax, c.Words, c.Value, start, end)
	}
	c.Start, c.End = time.Unix(start, 0).UTC(), time.Unix(end, 0).UTC()
	return c, nil
}

// Append appends the commitment with its signature.
func (c Commitment) Append(dst []byte) []byte { return append(dst, c.signed...) }

// ID returns the name of the chain.
func (c Commitment) ID() ID {
	sum := sha256.Sum256(c.body())
	return ID(sum[:len(ID{})])
}

func (c Commitment) body() []byte { return c.signed[:max(0, len(c.signed)-ed25519.SignatureSize)] }

// Verify checks the signature. The error is ErrSignature.
func (c Commitment) Verify(payer ed25519.PublicKey) error {
	if len(payer) != ed25519.PublicKeySize || !ed25519.Verify(payer, c.body(), c.signed[len(c.body()):]) {
		return ErrSignature
	}
	return nil
}

// back returns what n words before w is.
func (w Word) back(n int) Word {
	for range n {
		w = sha256.Sum256(w[:])
	}
	return w
}

// A Claim is what a recipient shows the broker: the highest word of a chain.
type Claim struct {
	Commitment Commitment
	Number     int
	Word       Word
}

// Append appends the claim: number (4 octets) ‖ word ‖ commitment.
func (c Claim) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.Number))
	return c.Commitment.Append(append(dst, c.Word[:]...))
}

// ParseClaim reads what Append wrote. The error wraps ErrSyntax.
func ParseClaim(b []byte) (Claim, error) {
	const head = 4 + sha256.Size
	if len(b) < head {
		return Claim{}, fmt.Errorf("%w: claim of %d octets", ErrSyntax, len(b))
	}
	commitment, err := ParseCommitment(b[head:])
	if err != nil {
		return Claim{}, err
	}
	c := Claim{commitment, int(binary.BigEndian.Uint32(b)), Word(b[4:head])}
	if c.Number < 1 || c.Number > commitment.Words {
		return Claim{}, fmt.Errorf("%w: word %d of %d", ErrSyntax, c.Number, commitment.Words)
	}
	return c, nil
}

// Check returns what the payer of a chain owes its payee in all, claims before this one included. payer is the payer's
// public key. The error is ErrSignature or ErrWord.
func (c Claim) Check(payer ed25519.PublicKey) (units int, err error) {
	if err := c.Commitment.Verify(payer); err != nil {
		return 0, err
	}
	if c.Number < 0 || c.Number > c.Commitment.Words || c.Word.back(c.Number) != c.Commitment.Root {
		return 0, ErrWord
	}
	return c.Number * c.Commitment.Value, nil
}
