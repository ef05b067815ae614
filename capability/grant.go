package capability

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"
)

// What a Verifier refuses a token for. ErrRate, ErrReserved and ErrStore are temporary: try again later. To a stranger all of
// them are told as "Unknown sender, capability not established".
var (
	ErrSyntax    = errors.New("capability: malformed")
	ErrSignature = errors.New("capability: signature does not verify")
	ErrWidened   = errors.New("capability: a block widens the grant")
	ErrNotYet    = errors.New("capability: not valid yet")
	ErrExpired   = errors.New("capability: expired")
	ErrScope     = errors.New("capability: sender is not in the grant's scope")
	ErrRecipient = errors.New("capability: not for this recipient")
	ErrTooBig    = errors.New("capability: message larger than the grant allows")
	ErrIssuer    = errors.New("capability: issuer is not known")
	ErrRevoked   = errors.New("capability: revoked")
	ErrUsedUp    = errors.New("capability: used up")
	ErrClass     = errors.New("capability: not the class of mail that the grant is for")
	ErrRate      = errors.New("capability: too many messages for now")
	ErrReserved  = errors.New("capability: in use by another delivery")
	ErrStore     = errors.New("capability: store is not available")
)

// An ID names a grant.
type ID [16]byte

// NewID returns a random ID.
func NewID() ID {
	var id ID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

var idText = base32.HexEncoding.WithPadding(base32.NoPadding)

// String returns the ID as 26 lower-case letters and digits.
func (id ID) String() string { return strings.ToLower(idText.EncodeToString(id[:])) }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// ParseID reads what String returns, in any case.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := idText.DecodeString(strings.ToUpper(s))
	if err != nil || len(b) != len(id) {
		return ID{}, errSyntax("id %q", s)
	}
	copy(id[:], b)
	if id.String() != strings.ToLower(s) {
		return ID{}, errSyntax("id %q", s) // unused bits of the last letter
	}
	return id, nil
}

// A Grant is what a Token allows. The zero value of a limit is no limit.
type Grant struct {
	ID ID
	// Issuer is who gives it: an address, or a domain for all its addresses. It is the recipient of what the grant
	// lets in.
	Issuer string
	// Key tells the issuer's keys apart, so that they can be changed while older grants live.
	Key uint8
	// Limits are those of the grant and, of a token that was narrowed, those of all its blocks together.
	Limits
	// Epoch is the issuer's counter when it was given; raising the counter revokes all that came before.
	Epoch uint32
}

// Limits are what a grant can be narrowed by.
type Limits struct {
	// Scope is who may send: "" whoever holds the token, "a@example.com" that address, "example.com" that domain,
	// "*.example.com" its subdomains at any depth. ASCII, compared without regard to case.
	Scope string
	// NotBefore and Expires bound the time, to the second.
	NotBefore, Expires time.Time
	// Uses is how many messages; 0 is any number.
	Uses uint32
	// Size is the largest message, in octets; 0 is any.
	Size uint64
	// Rate is how many messages in how long.
	Rate Rate
	// Class is the loudest class of mail; 0 is any.
	Class Class
}

// narrows reports whether every message that l lets in is let in by outer too.
func (l Limits) narrows(outer Limits) bool {
	return scopeWithin(l.Scope, outer.Scope) &&
		(outer.NotBefore.IsZero() || !l.NotBefore.IsZero() && !l.NotBefore.Before(outer.NotBefore)) &&
		(outer.Expires.IsZero() || !l.Expires.IsZero() && !l.Expires.After(outer.Expires)) &&
		(outer.Uses == 0 || l.Uses != 0 && l.Uses <= outer.Uses) &&
		(outer.Size == 0 || l.Size != 0 && l.Size <= outer.Size) &&
		l.Rate.within(outer.Rate) &&
		(outer.Class == 0 || l.Class != 0 && l.Class <= outer.Class)
}

// over returns outer with what l says put over it: what l leaves open stays as it is.
func (l Limits) over(outer Limits) Limits {
	if l.Scope != "" {
		outer.Scope = l.Scope
	}
	if !l.NotBefore.IsZero() {
		outer.NotBefore = l.NotBefore
	}
	if !l.Expires.IsZero() {
		outer.Expires = l.Expires
	}
	if l.Uses != 0 {
		outer.Uses = l.Uses
	}
	if l.Size != 0 {
		outer.Size = l.Size
	}
	if l.Rate != (Rate{}) {
		outer.Rate = l.Rate
	}
	if l.Class != 0 {
		outer.Class = l.Class
	}
	return outer
}

// Check reports, wrapping ErrSyntax, why a grant cannot be issued: it has no ID, or its issuer or scope is malformed, or its
// Rate or Class is none.
func (g Grant) Check() error {
	_, err := g.MarshalBinary()
	return err
}

// MarshalBinary implements encoding.BinaryMarshaler: the form of a grant in a store, which is that in a token, unsigned. Names
// are put into lower case, times cut to the second. The error is that of Check.
func (g Grant) MarshalBinary() ([]byte, error) {
	g.Issuer, g.Scope = strings.ToLower(g.Issuer), strings.ToLower(g.Scope)
	if len(g.Issuer) > maxField || len(g.Scope) > maxField {
		return nil, errSyntax("issuer or scope of more than %d octets", maxField)
	}
	if err := g.Limits.check(); err != nil {
		return nil, err
	}
	b := appendBlock(nil, g)
	if _, err := parseBlock(b, true); err != nil {
		return nil, err
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. The error wraps ErrSyntax.
func (g *Grant) UnmarshalBinary(b []byte) (err error) {
	*g, err = parseBlock(b, true)
	return err
}
