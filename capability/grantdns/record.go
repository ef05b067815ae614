package grantdns

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/header"
)

// MaxTTL is the longest time to live of a record: how long a revocation may take.
const MaxTTL = 300 * time.Second

// MaxRecord is the longest record, in octets.
const MaxRecord = 1024

const version = "MCAP1"

// What a record or a name is refused for.
var (
	// ErrRecord says that a record is malformed; it is wrapped with the place.
	ErrRecord = errors.New("grantdns: malformed record")
	// ErrOther says that a TXT record is none of ours.
	ErrOther = errors.New("grantdns: not a record of " + version)
	// ErrName says that an issuer has no name in DNS.
	ErrName = errors.New("grantdns: issuer has no name in DNS")
)

// A Key is what a key's record says.
type Key struct {
	// Public is nil for a key that was taken back.
	Public ed25519.PublicKey
	// Epoch is the issuer's: grants with a lower one are revoked.
	Epoch uint32
	// Listed says that every grant that is live has a record.
	Listed bool
}

// A Status is what a grant's record says.
type Status string

// States of a grant.
const (
	Live    Status = "live"
	Revoked Status = "revoked"
)

// KeyName returns the owner name of an issuer's key, without a final dot: of an address its mailbox's own, of a domain the
// domain's. The error wraps ErrName.
func KeyName(issuer string, key uint8) (string, error) {
	local, domain, err := split(issuer)
	if err != nil {
		return "", err
	}
	name := strconv.Itoa(int(key)) + "."
	if local != "" {
		name += hash("mailbox", local+"@"+domain) + "."
	}
	return fit(name + "_mailcap." + domain)
}

// GrantName returns the owner name of a grant's record.
func GrantName(g capability.Grant) (string, error) {
	_, domain, err := split(g.Issuer)
	if err != nil {
		return "", err
	}
	return fit(hash("grant", string(g.ID[:])) + "._grant._mailcap." + domain)
}

// split returns the two parts of an issuer in canonical form.
func split(issuer string) (local, domain string, err error) {
	at := strings.LastIndexByte(issuer, '@')
	if at >= 0 {
		local = lower(issuer[:at])
	}
	domain, err = address.ToASCII(strings.TrimSuffix(issuer[at+1:], "."))
	if err != nil || address.CheckDomain(domain) != nil || at == 0 {
		return "", "", fmt.Errorf("%w: %.80q", ErrName, issuer)
	}
	return local, lower(domain), nil
}

func lower(s string) string {
	return strings.Map(func(r rune) rune { // ASCII alone: no letter is to become another's
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// fit refuses what is longer than a name can be (RFC 1035 §2.3.4).
func fit(name string) (string, error) {
	if len(name) > 253 {
		return "", fmt.Errorf("%w: name of %d octets", ErrName, len(name))
	}
	return name, nil
}

// hash returns 160 bits as a label of 32 letters and digits.
func hash(kind, s string) string {
	sum := sha256.Sum256([]byte("mailbricks mailcap 1 " + kind + "\x00" + s))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:20]))
}

// Append appends the text of the record.
func (k Key) Append(dst []byte) []byte {
	dst = append(dst, "v="+version+"; k=ed25519; p="...)
	dst = base64.StdEncoding.AppendEncode(dst, k.Public)
	if k.Epoch > 0 {
		dst = fmt.Appendf(dst, "; e=%d", k.Epoch)
	}
	if k.Listed {
		dst = append(dst, "; g=listed"...)
	}
	return dst
}

// ParseKey reads a key's record. Tags that are not known are skipped. The error is ErrOther or wraps ErrRecord.
func ParseKey(txt string) (Key, error) {
	tags, err := parse(txt)
	if err != nil {
		return Key{}, err
	}
	if kind, ok := tags.Get("k"); ok && kind != "ed25519" {
		return Key{}, fmt.Errorf("%w: key of kind %.40q", ErrRecord, kind)
	}
	var k Key
	text, ok := tags.Get("p")
	if !ok {
		return Key{}, fmt.Errorf("%w: no p", ErrRecord)
	}
	if text != "" {
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(b) != ed25519.PublicKeySize {
			return Key{}, fmt.Errorf("%w: p", ErrRecord)
		}
		k.Public = b
	}
	if text, ok := tags.Get("e"); ok {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || strconv.FormatUint(n, 10) != text {
			return Key{}, fmt.Errorf("%w: e %.40q", ErrRecord, text)
		}
		k.Epoch = uint32(n)
	}
	if text, ok := tags.Get("g"); ok {
		if text != "listed" { // it may say that less is live than we know of
			return Key{}, fmt.Errorf("%w: g %.40q", ErrRecord, text)
		}
		k.Listed = true
	}
	return k, nil
}

// Append appends the text of the record.
func (s Status) Append(dst []byte) []byte {
	return append(append(dst, "v="+version+"; s="...), s...)
}

// ParseStatus reads a grant's record. The error is ErrOther or wraps ErrRecord.
func ParseStatus(txt string) (Status, error) {
	tags, err := parse(txt)
	if err != nil {
		return "", err
	}
	s, _ := tags.Get("s")
	if s := Status(s); s == Live || s == Revoked {
		return s, nil
	}
	return "", fmt.Errorf("%w: s %.40q", ErrRecord, s)
}

// parse reads the tags of a record that begins with its version.
func parse(txt string) (header.Tags, error) {
	if len(txt) > MaxRecord {
		return nil, fmt.Errorf("%w: %d octets", ErrRecord, len(txt))
	}
	first, _, _ := strings.Cut(txt, ";")
	name, v, ok := strings.Cut(first, "=")
	if !ok || strings.TrimSpace(name) != "v" || strings.TrimSpace(v) != version {
		return nil, ErrOther
	}
	tags, err := header.ParseTags(txt)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return tags, nil
}
