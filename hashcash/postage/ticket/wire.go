package ticket

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/hashcash"
)

const (
	tokenType  = 2   // RFC 9578 §8.2.2: Blind RSA (2048-bit)
	modulus    = 256 // octets of a signature, Nk
	inputSize  = 2 + 3*sha256.Size
	tokenSize  = inputSize + modulus
	reqSize    = 3 + modulus
	maxName    = 255 // octets of a server name that this package takes
	contextLen = sha256.Size
)

// ErrWire says that octets are no challenge, request, response or refund. What Parse functions return wraps it.
var ErrWire = errors.New("ticket: malformed")

// A Challenge is what a ticket is for (RFC 9577 §2.1.1).
type Challenge struct {
	Issuer  string // server name
	Context []byte // empty, or 32 octets
	Origin  string // recipient's domain; more than one with commas
}

// Append appends the octets of a challenge. Names longer than 255 octets, an empty issuer or a context of another length
// are ErrWire.
func (c Challenge) Append(dst []byte) ([]byte, error) {
	if c.Issuer == "" || len(c.Issuer) > maxName || len(c.Origin) > maxName || len(c.Context) != 0 && len(c.Context) != contextLen {
		return nil, fmt.Errorf("%w: challenge of %q for %q with a context of %d octets", ErrWire, c.Issuer, c.Origin, len(c.Context))
	}
	dst = binary.BigEndian.AppendUint16(dst, tokenType)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(c.Issuer)))
	dst = append(dst, c.Issuer...)
	dst = append(append(dst, byte(len(c.Context))), c.Context...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(c.Origin)))
	return append(dst, c.Origin...), nil
}

// ParseChallenge is the reverse of Append.
func ParseChallenge(b []byte) (Challenge, error) {
	var c Challenge
	rest := b
	take := func(n int) []byte {
		if rest == nil || n > len(rest) {
			rest = nil
			return nil
		}
		out := rest[:n:n]
		rest = rest[n:]
		return out
	}
	length := func(octets int) (n int) {
		for _, x := range take(octets) {
			n = n<<8 | int(x)
		}
		return n
	}
	kind := length(2)
	c.Issuer = string(take(length(2)))
	c.Context = take(length(1))
	c.Origin = string(take(length(2)))
	if rest == nil || len(rest) != 0 || kind != tokenType {
		return Challenge{}, fmt.Errorf("%w: challenge of type %d and %d octets", ErrWire, kind, len(b))
	}
	if _, err := c.Append(nil); err != nil {
		return Challenge{}, err
	}
	return c, nil
}

// digest is what a token has of its challenge.
func (c Challenge) digest() ([sha256.Size]byte, error) {
	b, err := c.Append(nil)
	return sha256.Sum256(b), err
}

// A token is a ticket (RFC 9577 §2.2.1).
type token [tokenSize]byte

func (t *token) input() []byte     { return t[:inputSize] }
func (t *token) nonce() []byte     { return t[2:34] }
func (t *token) challenge() []byte { return t[34:66] }
func (t *token) keyID() KeyID      { return KeyID(t[66:98]) }
func (t *token) signature() []byte { return t[inputSize:] }

// ticketCode is strict: of two spellings of one ticket, one would be another.
var ticketCode = base64.RawURLEncoding.Strict()

func (t *token) String() string { return ticketCode.EncodeToString(t[:]) }

// parseToken reads a ticket. The error wraps hashcash.ErrSyntax.
func parseToken(text string) (*token, error) {
	if len(text) != ticketCode.EncodedLen(tokenSize) {
		return nil, fmt.Errorf("%w: a ticket has %d octets, not %d", hashcash.ErrSyntax, ticketCode.EncodedLen(tokenSize), len(text))
	}
	var t token
	// The decoder skips ends of lines, so that fewer octets come out.
	if n, err := ticketCode.Decode(t[:], []byte(text)); err != nil || n != tokenSize {
		return nil, fmt.Errorf("%w: not base64url", hashcash.ErrSyntax)
	}
	if kind := binary.BigEndian.Uint16(t[:]); kind != tokenType {
		return nil, fmt.Errorf("%w: ticket of type %d", hashcash.ErrSyntax, kind)
	}
	return &t, nil
}

// request returns what asks an issuer for a signature (RFC 9578 §6.1).
func request(id KeyID, blinded []byte) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, reqSize), tokenType)
	return append(append(b, id[len(id)-1]), blinded...)
}
