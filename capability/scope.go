package capability

import "strings"

// validScope reports whether s is a Scope or Issuer: an address, a domain, or (scope only) "*." and a domain.
func validScope(s string, issuer bool) bool {
	if len(s) > 254 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return i > 0 && validDomain(s[i+1:])
	}
	if rest, ok := strings.CutPrefix(s, "*."); ok && !issuer {
		s = rest
	}
	return validDomain(s)
}

// validDomain is RFC 5321's Domain with at least one label, letters, digits, hyphens and underscores, no final dot.
func validDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i] | 0x20
			if (c < 'a' || c > 'z') && (label[i] < '0' || label[i] > '9') && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return true
}

// scopeWithin reports whether every sender in inner is in outer.
func scopeWithin(inner, outer string) bool {
	inner, outer = strings.ToLower(inner), strings.ToLower(outer)
	switch {
	case outer == "" || inner == outer:
		return true
	case inner == "" || strings.Contains(outer, "@"):
		return false
	}
	innerDomain := inner[strings.LastIndexByte(inner, '@')+1:]
	if below, ok := strings.CutPrefix(outer, "*"); ok { // "*.example.com": ".example.com" and something before it
		innerDomain = strings.TrimPrefix(innerDomain, "*")
		return strings.HasSuffix(innerDomain, below) && len(innerDomain) > len(below)
	}
	return strings.Contains(inner, "@") && innerDomain == outer
}

// inScope reports whether a sender with that authenticated domain ("" none) is in scope. The domain decides, not what
// the address claims, and labels are compared whole.
func inScope(scope, sender, domain string) bool {
	if scope == "" {
		return true
	}
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if !validDomain(domain) {
		return false
	}
	if strings.Contains(scope, "@") {
		at := strings.LastIndexByte(sender, '@')
		return at > 0 && strings.EqualFold(scope, sender) && strings.EqualFold(sender[at+1:], domain)
	}
	return scopeWithin("x@"+domain, scope)
}

// issuedFor reports whether recipient is the issuer or one of its addresses.
func issuedFor(issuer, recipient string) bool {
	if strings.Contains(issuer, "@") {
		return strings.EqualFold(issuer, recipient)
	}
	return scopeWithin(recipient, issuer) && strings.Contains(recipient, "@")
}
