package l402

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits of a macaroon.
const (
	maxField   = 255 // octets
	maxCaveats = 16
)

// ErrMacaroon says that octets are no macaroon of the kind that this package takes.
var ErrMacaroon = errors.New("l402: malformed macaroon")

// A Macaroon is an identifier and caveats under a chain of HMACs.
type Macaroon struct {
	ID        []byte
	Caveats   []string
	Signature [sha256.Size]byte
}

// NewMacaroon makes one without caveats.
func NewMacaroon(root, id []byte) Macaroon {
	key := mac([]byte("macaroons-key-generator"), root)
	return Macaroon{ID: id, Signature: mac(key[:], id)}
}

// Add returns the macaroon with one more caveat. It needs no key.
func (m Macaroon) Add(caveat string) Macaroon {
	m.Caveats = append(m.Caveats[:len(m.Caveats):len(m.Caveats)], caveat)
	m.Signature = mac(m.Signature[:], []byte(caveat))
	return m
}

// Valid says whether the macaroon was made with this root, whatever was added since. It takes the same time for all
// signatures.
func (m Macaroon) Valid(root []byte) bool {
	want := NewMacaroon(root, m.ID)
	for _, c := range m.Caveats {
		want = want.Add(c)
	}
	return hmac.Equal(want.Signature[:], m.Signature[:])
}

func mac(key, message []byte) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	h.Sum(out[:0])
	return out
}

// The binary format: version ‖ section ‖ a section for each caveat ‖ end ‖ signature, a section being fields and an end,
// a field its type, length and content.
const (
	formatV2       = 2
	fieldEnd       = 0
	fieldID        = 2
	fieldSignature = 6
)

// Append appends the macaroon in binary format version 2, without location.
func (m Macaroon) Append(dst []byte) []byte {
	dst = append(dst, formatV2)
	dst = append(appendField(dst, fieldID, m.ID), fieldEnd)
	for _, c := range m.Caveats {
		dst = append(appendField(dst, fieldID, []byte(c)), fieldEnd)
	}
	return appendField(append(dst, fieldEnd), fieldSignature, m.Signature[:])
}

func appendField(dst []byte, kind byte, content []byte) []byte {
	return append(binary.AppendUvarint(append(dst, kind), uint64(len(content))), content...)
}

// ParseMacaroon reads what Append writes, and nothing else: a location, a third-party caveat, a field of more than 255
// octets or more than 16 caveats are ErrMacaroon, as is a number longer than it must be.
func ParseMacaroon(b []byte) (Macaroon, error) {
	bad := func(what string) (Macaroon, error) { return Macaroon{}, fmt.Errorf("%w: %s", ErrMacaroon, what) }
	if len(b) == 0 || b[0] != formatV2 {
		return bad("not of version 2")
	}
	rest := b[1:]
	take := func(kind byte) ([]byte, bool) {
		if len(rest) == 0 || rest[0] != kind {
			return nil, false
		}
		n, used := binary.Uvarint(rest[1:])
		if used <= 0 || n > maxField || used > 1 && n < 0x80 || uint64(len(rest)-1-used) < n {
			return nil, false
		}
		content := rest[1+used:][:n:n]
		rest = rest[1+used+int(n):]
		return content, true
	}
	end := func() bool {
		ok := len(rest) > 0 && rest[0] == fieldEnd
		if ok {
			rest = rest[1:]
		}
		return ok
	}
	id, ok := take(fieldID)
	if !ok || !end() {
		return bad("identifier")
	}
	m := Macaroon{ID: id}
	for !end() {
		c, ok := take(fieldID)
		if !ok || !end() || len(m.Caveats) == maxCaveats {
			return bad("caveat")
		}
		m.Caveats = append(m.Caveats, string(c))
	}
	signature, ok := take(fieldSignature)
	if !ok || len(signature) != sha256.Size || len(rest) > 0 {
		return bad("signature")
	}
	m.Signature = [sha256.Size]byte(signature)
	return m, nil
}
