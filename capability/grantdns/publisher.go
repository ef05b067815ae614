package grantdns

import (
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/capability"
)

// A Publisher writes records as lines of a master file.
type Publisher struct {
	// TTL of the records; 0 or more than MaxTTL is MaxTTL. Parts of a second are cut off.
	TTL time.Duration
}

// AppendKey appends the line of an issuer's key with that number. The error wraps ErrName, or ErrRecord for a key of
// another size.
func (p Publisher) AppendKey(dst []byte, issuer string, number uint8, k Key) ([]byte, error) {
	name, err := KeyName(issuer, number)
	if err != nil {
		return dst, err
	}
	text := k.Append(nil)
	if _, err := ParseKey(string(text)); err != nil {
		return dst, err
	}
	return p.append(dst, name, text), nil
}

// AppendGrant appends the line of a grant. The error wraps ErrName, or ErrRecord for a state that is none.
func (p Publisher) AppendGrant(dst []byte, g capability.Grant, s Status) ([]byte, error) {
	name, err := GrantName(g)
	if err != nil {
		return dst, err
	}
	text := s.Append(nil)
	if _, err := ParseStatus(string(text)); err != nil {
		return dst, err
	}
	return p.append(dst, name, text), nil
}

// append appends a line; the text has nothing in it that would have to be escaped, and fits in one string.
func (p Publisher) append(dst []byte, name string, text []byte) []byte {
	ttl := p.TTL
	if ttl < time.Second || ttl > MaxTTL {
		ttl = MaxTTL
	}
	return fmt.Appendf(dst, "%s. %d IN TXT \"%s\"\n", name, ttl/time.Second, text)
}
