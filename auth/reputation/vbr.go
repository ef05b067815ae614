package reputation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/header"
)

// VBRName is the name of the field (RFC 5518 §4).
const VBRName = "VBR-Info"

// MaxCertifiers is how many certifiers a field names at most.
const MaxCertifiers = 20

// ErrVBR says that a VBR-Info field is malformed; it is wrapped with the place.
var ErrVBR = errors.New("reputation: malformed VBR-Info")

// Types of mail that a certifier vouches for (RFC 5518 §6).
const (
	AllMail         = "all"
	ListMail        = "list"
	TransactionMail = "transaction"
)

// A VBR is a VBR-Info field: who is said to vouch for what of whom (RFC 5518 §4).
type VBR struct {
	Domain     string   // md=, in lower case
	Type       string   // mc=, in lower case
	Certifiers []string // mv=, in lower case
}

// ParseVBR parses the value of a VBR-Info field. The error wraps ErrVBR.
func ParseVBR(value string) (VBR, error) {
	var v VBR
	for part := range strings.SplitSeq(value, ";") {
		if part = header.TrimSpace(part); part == "" {
			continue
		}
		name, text, ok := strings.Cut(part, "=")
		name, text = strings.ToLower(header.TrimSpace(name)), strings.ToLower(header.TrimSpace(text))
		if !ok {
			return v, fmt.Errorf("%w: %.40q", ErrVBR, part)
		}
		switch name {
		case "md":
			if v.Domain != "" || !hostname(text) {
				return v, fmt.Errorf("%w: md=%.60q", ErrVBR, text)
			}
			v.Domain = text
		case "mc":
			if v.Type != "" || !word(text) {
				return v, fmt.Errorf("%w: mc=%.60q", ErrVBR, text)
			}
			v.Type = text
		case "mv":
			if v.Certifiers != nil {
				return v, fmt.Errorf("%w: mv= twice", ErrVBR)
			}
			for c := range strings.SplitSeq(text, ":") {
				if !hostname(c) || len(v.Certifiers) == MaxCertifiers {
					return v, fmt.Errorf("%w: mv= has %.60q, or more than %d", ErrVBR, c, MaxCertifiers)
				}
				v.Certifiers = append(v.Certifiers, c)
			}
		}
	}
	if v.Domain == "" || v.Type == "" || v.Certifiers == nil {
		return v, fmt.Errorf("%w: md, mc and mv are needed", ErrVBR)
	}
	return v, nil
}

func hostname(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	}) && !strings.Contains(s, "..") && s[0] != '.'
}

func word(s string) bool {
	return s != "" && len(s) <= 63 && !strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' })
}

// Append appends the value of the field, on one line.
func (v VBR) Append(dst []byte) []byte {
	return fmt.Appendf(dst, "md=%s; mc=%s; mv=%s;", v.Domain, v.Type, strings.Join(v.Certifiers, ":"))
}

// Verify asks the certifiers that the message names and the caller trusts, in the caller's order, whether they vouch for
// the mail, and returns the first that does, "" for none (RFC 5518 §3, §5). authenticated are the domains that mail is known to
// be from: DKIM's d=, SPF's MAIL FROM domain. v.Domain has to be one of them; its subdomains are others. An error is that
// of DNS where nobody is known to vouch: asked again, somebody might.
func (v VBR) Verify(ctx context.Context, r Resolver, authenticated, trusted []string) (certifier string, err error) {
	if !slices.ContainsFunc(authenticated, func(d string) bool { return address.EqualDomain(d, v.Domain) }) {
		return "", nil
	}
	for _, c := range trusted {
		c = strings.ToLower(strings.TrimSuffix(c, "."))
		if !slices.Contains(v.Certifiers, c) {
			continue
		}
		name := v.Domain + "._vouch." + c
		if len(name) > 253 {
			continue
		}
		txt, e := r.LookupTXT(ctx, name+".")
		if e != nil {
			if !notFound(e) && err == nil {
				err = fmt.Errorf("reputation: %s: %w", name, e)
			}
			continue
		}
		if len(txt) == 1 && vouches(txt[0], v.Type) { // RFC 5518 §5: there is one record
			return c, nil
		}
	}
	return "", err
}

// vouches reports whether a record is one of a certifier, and names a type.
func vouches(txt, kind string) bool {
	types := strings.Split(strings.Trim(txt, " "), " ")
	types = slices.DeleteFunc(types, func(s string) bool { return s == "" })
	return len(types) > 0 && !slices.ContainsFunc(types, func(s string) bool { return !word(s) }) &&
		(slices.Contains(types, kind) || slices.Contains(types, AllMail))
}
