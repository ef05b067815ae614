package address

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Why a domain is refused.
var (
	errDomainSyntax = errors.New("address: bad domain")
	errDomainLong   = errors.New("address: domain longer than 255 octets")
)

// profile is UTS 46 look-up, non-transitional, with underscores.
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))

// CheckDomain reports what is wrong with s as a domain of A-labels or U-labels (RFC 5321 §4.1.2, RFC 6531 §3.3): no
// trailing dot, labels of letters, digits, hyphens and underscores, none longer than 63 octets.
func CheckDomain(s string) error {
	_, err := ToASCII(s)
	return err
}

// ToASCII returns the domain as it is looked up in the DNS: A-labels in lower case.
func ToASCII(s string) (string, error) {
	if len(s) > MaxDomain {
		return "", errDomainLong
	}
	if !isASCII(s) {
		if !utf8.ValidString(s) {
			return "", errUTF8
		}
		a, err := profile.ToASCII(s)
		if err != nil {
			return "", errDomainSyntax
		}
		s = a
		if len(s) > MaxDomain {
			return "", errDomainLong
		}
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return "", errDomainSyntax
		}
	}
	return strings.ToLower(s), nil
}

// ToUnicode returns the domain with U-labels for people to read. What cannot be converted stays as it is.
func ToUnicode(s string) string {
	u, err := profile.ToUnicode(s)
	if err != nil || CheckDomain(u) != nil {
		return s
	}
	return u
}

// EqualDomain reports whether a and b name the same domain, A-labels and U-labels alike. What is no domain equals
// only itself.
func EqualDomain(a, b string) bool {
	if a == b {
		return true
	}
	x, err := ToASCII(a)
	if err != nil {
		return false
	}
	y, err := ToASCII(b)
	return err == nil && x == y
}

func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
