package capability

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/internal/address"
)

// What Tags tells of an address.
var (
	// ErrNoTag says that an address has none: it is a plain one, and may well have a detail of another kind (RFC 5233).
	ErrNoTag = errors.New("capability: address without tag")
	// ErrTag says that an address has what looks like a tag, and that it is none of this host for this mailbox.
	ErrTag = errors.New("capability: tag does not verify")
	// ErrUnknown says that nothing has that ID.
	ErrUnknown = errors.New("capability: unknown id")
)

// Sizes of a tag: one octet names the key, then the ID and the MAC, in base32 without a bit to spare.
const (
	tagIDSize  = 10
	tagMACSize = 9
	// TagLength is the length of a tag in an address, in letters and digits. Of the 64 octets of a local part (RFC 5321
	// §4.5.3.1.1) it leaves 31 to the mailbox if the separator is one octet.
	TagLength = (1 + tagIDSize + tagMACSize) * 8 / 5

	minTagKey = 16
	tagLabel  = "mailbricks tag 1\x00"
)

// NewTagID returns a random ID that fits in a tag: 80 bits, then zeros.
func NewTagID() ID {
	var id ID
	_, _ = rand.Read(id[:tagIDSize]) // never fails
	return id
}

// Tags makes and checks addresses that carry a capability: "bob+TAG@example.com", which any sender can write to. What
// the capability allows is not in it but in Grants, by its ID, so it can be taken back at once and tells nothing.
//
// The tag holds for its mailbox alone. Letters count in either case, as hosts on the way fold them. Checking costs one
// HMAC and asks no store, so a guess (2^72 of them for one hit) costs nothing else.
//
// Tags is safe for concurrent use while its fields stand.
type Tags struct {
	// Keys are the secrets by number, each of 16 octets at least, 32 are fit. A key that is taken out takes back all tags
	// that it made: to change keys, add one, make it Current, and take the old one out when its tags have had their time.
	Keys map[uint8][]byte
	// Current is the number of the key that makes tags.
	Current uint8
	// Separator stands between mailbox and tag (RFC 5233 §4), "" is "+". Some sites take "-" or "=" only.
	Separator string
}

// A Tagged is an address with a tag that verified.
type Tagged struct {
	ID  ID
	Key uint8
	// Local is the mailbox's local part, as it was written. It is "" where the local part was a tag and nothing else:
	// what has the ID knows the mailbox.
	Local string
}

func (t Tags) separator() string {
	if t.Separator == "" {
		return "+"
	}
	return t.Separator
}

// Append returns the local part with a tag for a mailbox, local part and domain each by value. With local "" it is the tag
// alone, for sites that refuse a separator. The error wraps ErrSyntax: no key, an ID that NewTagID did not make, a local
// part that gets longer than 64 octets.
func (t Tags) Append(id ID, local, domain string) (string, error) {
	key := t.Keys[t.Current]
	if len(key) < minTagKey {
		return "", errSyntax("no key %d for tags", t.Current)
	}
	if id == (ID{}) || [len(id) - tagIDSize]byte(id[tagIDSize:]) != ([len(id) - tagIDSize]byte{}) {
		return "", errSyntax("id is not one for tags")
	}
	var b [1 + tagIDSize + tagMACSize]byte
	b[0] = t.Current
	copy(b[1:], id[:tagIDSize])
	sum := tagMAC(key, b[:1+tagIDSize], local, domain)
	copy(b[1+tagIDSize:], sum[:])
	tag := strings.ToLower(idText.EncodeToString(b[:]))
	if local != "" {
		tag = local + t.separator() + tag
	}
	if len(tag) > address.MaxLocal {
		return "", errSyntax("local part of %d octets with its tag", len(tag))
	}
	return tag, nil
}

// Parse looks for a tag in an address, local part and domain each by value: without quotes. The error is ErrNoTag or
// ErrTag. A local part that is nothing but what looks like a tag and does not verify is ErrNoTag: somebody may be called so.
func (t Tags) Parse(local, domain string) (Tagged, error) {
	if len(t.Keys) == 0 || len(local) < TagLength || len(local) > address.MaxLocal {
		return Tagged{}, ErrNoTag
	}
	at := len(local) - TagLength
	rest, separated := strings.CutSuffix(local[:at], t.separator())
	if at > 0 && (!separated || rest == "") {
		return Tagged{}, ErrNoTag
	}
	var b [1 + tagIDSize + tagMACSize]byte
	if !decodeTag(&b, local[at:]) {
		return Tagged{}, ErrNoTag
	}
	key, known := t.Keys[b[0]]
	if known = known && len(key) >= minTagKey; !known {
		key = make([]byte, sha256.Size) // takes as long as with a key
	}
	sum := tagMAC(key, b[:1+tagIDSize], rest, domain)
	equal := hmac.Equal(sum[:], b[1+tagIDSize:])
	switch {
	case equal && known:
		x := Tagged{Key: b[0], Local: rest}
		copy(x.ID[:], b[1:1+tagIDSize])
		return x, nil
	case rest == "":
		return Tagged{}, ErrNoTag
	}
	return Tagged{}, ErrTag
}

// decodeTag reads base32hex in either case, and reports whether it was that.
func decodeTag(b *[1 + tagIDSize + tagMACSize]byte, s string) bool {
	var upper [TagLength]byte
	for i := range upper {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'v':
			c -= 'a' - 'A'
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'V':
		default:
			return false
		}
		upper[i] = c
	}
	n, err := base32.HexEncoding.Decode(b[:], upper[:])
	return err == nil && n == len(b)
}

// tagMAC is the MAC over key number and ID for one mailbox.
func tagMAC(key, head []byte, local, domain string) [tagMACSize]byte {
	if ascii, err := address.ToASCII(domain); err == nil {
		domain = ascii
	}
	b := make([]byte, 0, 192)
	b = append(b, tagLabel...)
	b = append(b, head...)
	b = append(b, byte(len(local)))
	b = appendFolded(b, local)
	b = appendFolded(b, strings.TrimSuffix(domain, "."))
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	var sum [sha256.Size]byte
	return [tagMACSize]byte(mac.Sum(sum[:0])[:tagMACSize])
}

// appendFolded appends s with its ASCII letters in lower case: no other letter is to become another's.
func appendFolded(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// NewTagKey returns a random key for Tags.
func NewTagKey() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return key
}

// String tells the numbers of the keys, and not the keys.
func (t Tags) String() string {
	return fmt.Sprintf("tags of %d keys, current %d, separator %q", len(t.Keys), t.Current, t.separator())
}

// GoString is String: a key must not get into a log.
func (t Tags) GoString() string { return t.String() }
