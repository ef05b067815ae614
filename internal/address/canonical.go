package address

import "strings"

// Canonical returns an address or a domain in one form, for comparison: ASCII letters in lower case, the domain in A-labels.
// That a host tells "Bob" from "bob" is not met any more. "example.com" alone stands for the domain.
func Canonical(addr string) string {
	at := strings.LastIndexByte(addr, '@') + 1
	domain := addr[at:]
	if ascii, err := ToASCII(domain); err == nil {
		domain = ascii
	}
	return strings.Map(func(r rune) rune { // ASCII alone: no letter is to become another's
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, addr[:at]+domain)
}
