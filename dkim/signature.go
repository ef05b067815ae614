package dkim

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
)

// Algorithm is a signature's a= tag.
type Algorithm string

// Algorithms.
const (
	RSASHA256     Algorithm = "rsa-sha256"     // RFC 6376 §3.3.2
	Ed25519SHA256 Algorithm = "ed25519-sha256" // RFC 8463
)

// Limits of a signature.
const (
	maxSignature = 16 << 10 // octets of the field
	maxHeaders   = 256      // names in h=
)

// A Signature is a parsed DKIM-Signature field (RFC 6376 §3.5).
type Signature struct {
	Algorithm              Algorithm
	Domain, Selector       string // d= and s=, in lower case
	HeaderCanon, BodyCanon Canonicalization
	Headers                []string // h=, as given
	BodyHash, Signature    []byte
	Identity               string    // i=, decoded; "" if absent
	Length                 int64     // l=; -1 if absent
	Time, Expires          time.Time // t= and x=; zero if absent
}

// ErrSignature says that a DKIM-Signature field is malformed; it is wrapped with the place.
var ErrSignature = errors.New("dkim: malformed signature")

func errSignature(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrSignature}, args...)...)
}

// ParseSignature parses the value of a DKIM-Signature field. What it could read is in the Signature even with an
// error, for reports. The error wraps ErrSignature.
func ParseSignature(value string) (Signature, error) { return parseSignature(value, false) }

// ParseMessageSignature parses the value of an ARC-Message-Signature field (RFC 8617 §4.1.2), which is a DKIM-Signature
// but for v=, which does not count, i=, which is not read here, and h=, which may lack From. Without c= it is relaxed,
// as those who write ARC take it, where RFC 6376 §3.5 has simple. The error wraps ErrSignature.
func ParseMessageSignature(value string) (Signature, error) { return parseSignature(value, true) }

func parseSignature(value string, arc bool) (Signature, error) {
	s := Signature{Length: -1, HeaderCanon: Simple, BodyCanon: Simple}
	if arc {
		s.HeaderCanon, s.BodyCanon = Relaxed, Relaxed
	}
	if len(value) > maxSignature {
		return s, errSignature("longer than %d octets", maxSignature)
	}
	tags, err := header.ParseTags(value)
	if err != nil {
		return s, errSignature("%w", err)
	}
	get := func(name string) string { v, _ := tags.Get(name); return v }
	s.Domain, s.Selector = strings.ToLower(get("d")), strings.ToLower(get("s"))
	s.Algorithm = Algorithm(get("a"))
	if v := get("v"); v != "1" && !arc {
		return s, errSignature("v=%q", v)
	}
	for _, name := range []string{"bh", "h"} {
		if v, ok := tags.Get(name); v == "" && (name != "h" || !arc || !ok) {
			return s, errSignature("no %s=", name)
		}
	}
	if err := s.setSigner(tags); err != nil {
		return s, err
	}
	if c, ok := tags.Get("c"); ok {
		head, body, two := strings.Cut(c, "/")
		s.HeaderCanon, s.BodyCanon = Canonicalization(head), Simple
		if two {
			s.BodyCanon = Canonicalization(body)
		}
		for _, c := range []Canonicalization{s.HeaderCanon, s.BodyCanon} {
			if c != Simple && c != Relaxed {
				return s, errSignature("c=%q", c)
			}
		}
	}
	if q, ok := tags.Get("q"); ok && !listHas(q, "dns/txt") {
		return s, errSignature("q=%q", q)
	}
	if s.BodyHash, err = decodeBase64(get("bh")); err != nil {
		return s, errSignature("bh=: %w", err)
	}
	if err := s.setHeaders(get("h"), arc); err != nil {
		return s, err
	}
	if err := s.setNumbers(tags); err != nil || arc {
		return s, err
	}
	return s, s.setIdentity(tags)
}

// setSigner reads who signs, and with what: a=, b=, d= and s=.
func (s *Signature) setSigner(tags header.Tags) (err error) {
	get := func(name string) string { v, _ := tags.Get(name); return v }
	s.Algorithm, s.Domain, s.Selector = Algorithm(get("a")), strings.ToLower(get("d")), strings.ToLower(get("s"))
	for _, name := range []string{"a", "b", "d", "s"} {
		if get(name) == "" {
			return errSignature("no %s=", name)
		}
	}
	if !validDomain(s.Domain, 2) || !validDomain(s.Selector, 1) {
		return errSignature("d=%q or s=%q", s.Domain, s.Selector)
	}
	if s.Signature, err = decodeBase64(get("b")); err != nil {
		return errSignature("b=: %w", err)
	}
	return nil
}

// setHeaders reads h=. A list of ARC's may have empty names, which are no field's.
func (s *Signature) setHeaders(h string, arc bool) error {
	from := arc
	s.Headers = make([]string, 0, min(strings.Count(h, ":")+1, maxHeaders))
	for name := range strings.SplitSeq(h, ":") {
		name = header.TrimSpace(name)
		if name == "" && arc {
			continue
		}
		if !validName(name) {
			return errSignature("h= has %q", name)
		}
		if len(s.Headers) == maxHeaders {
			return errSignature("h= has more than %d names", maxHeaders)
		}
		from = from || strings.EqualFold(name, "From")
		s.Headers = append(s.Headers, name)
	}
	if !from {
		return errSignature("From is not signed") // RFC 6376 §5.4
	}
	return nil
}

// validName reports whether s can name a field in h=.
func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ':' })
}

func (s *Signature) setNumbers(tags header.Tags) error {
	number := func(name string) (int64, bool, error) {
		v, ok := tags.Get(name)
		if !ok {
			return 0, false, nil
		}
		if v == "" || len(v) > 76 || strings.ContainsFunc(v, func(r rune) bool { return r < '0' || r > '9' }) {
			return 0, true, errSignature("%s=%.20q", name, v)
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			n = math.MaxInt64 // RFC 6376 §3.5: up to 76 digits
		}
		return n, true, nil
	}
	when := func(name string) (time.Time, error) {
		n, ok, err := number(name)
		if !ok || err != nil {
			return time.Time{}, err
		}
		return time.Unix(min(n, 1<<40), 0).UTC(), nil
	}
	n, ok, err := number("l")
	if ok {
		s.Length = n
	}
	if err != nil {
		return err
	}
	if s.Time, err = when("t"); err != nil {
		return err
	}
	if s.Expires, err = when("x"); err != nil {
		return err
	}
	if !s.Expires.IsZero() && !s.Time.IsZero() && !s.Expires.After(s.Time) {
		return errSignature("x= is not after t=")
	}
	return nil
}

// setIdentity reads i=, which must be in d= or below it (RFC 6376 §3.5).
func (s *Signature) setIdentity(tags header.Tags) error {
	v, ok := tags.Get("i")
	if !ok {
		return nil
	}
	decoded, err := decodeQP(header.StripSpace(v))
	at := strings.LastIndexByte(decoded, '@')
	if err != nil || at < 0 {
		return errSignature("i=%.40q", v)
	}
	s.Identity = decoded
	if d := strings.ToLower(decoded[at+1:]); d != s.Domain && !strings.HasSuffix(d, "."+s.Domain) {
		return errSignature("i=%.40q is not within d=%s", v, s.Domain)
	}
	return nil
}

// decodeQP decodes dkim-quoted-printable (RFC 6376 §2.11).
func decodeQP(s string) (string, error) {
	if !strings.Contains(s, "=") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", errors.New("quoted-printable")
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil || strings.ToUpper(s[i+1:i+3]) != s[i+1:i+3] {
			return "", errors.New("quoted-printable")
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), nil
}

// listHas reports whether a colon-separated list has an entry.
func listHas(list, entry string) bool {
	for e := range strings.SplitSeq(list, ":") {
		if strings.EqualFold(header.TrimSpace(e), entry) {
			return true
		}
	}
	return false
}

// validDomain reports whether s is a domain of at least so many labels.
func validDomain(s string, labels int) bool {
	if len(s) > 253 || strings.Count(s, ".")+1 < labels {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// appendWithoutB appends a DKIM-Signature field with the value of its b= tag taken out, and nothing else
// (RFC 6376 §3.5, b=). Only the tag whose whole name is b counts.
func appendWithoutB(dst, raw []byte) []byte {
	start := bytes.IndexByte(raw, ':') + 1
	dst = append(dst, raw[:start]...)
	for start < len(raw) {
		end := len(raw)
		if i := bytes.IndexByte(raw[start:], ';'); i >= 0 {
			end = start + i
		}
		part := raw[start:end]
		if eq := bytes.IndexByte(part, '='); eq >= 0 && string(bytes.Trim(part[:eq], " \t\r\n")) == "b" {
			dst = append(dst, part[:eq+1]...)
			if end == len(raw) { // the last tag: the line ending stays
				dst = append(dst, "\r\n"...)
			}
		} else {
			dst = append(dst, part...)
		}
		if end < len(raw) {
			dst = append(dst, ';')
		}
		start = end + 1
	}
	return dst
}
