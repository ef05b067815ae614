package dmarc

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrNoAuthor says that a message names no author at all: DMARC does not apply to it.
var ErrNoAuthor = errors.New("dmarc: message has no author domain")

// An AuthorError says why a message has no single author domain although it has a From field. Such a message is a way
// around DMARC (RFC 9989 §11.5): refuse it.
type AuthorError struct {
	Reason string // "several From fields", "several author domains", "malformed From field"
	At     int    // octet in the field's value for a malformed one
}

// Error names the reason.
func (e *AuthorError) Error() string {
	if e.At > 0 {
		return fmt.Sprintf("dmarc: %s, at octet %d", e.Reason, e.At)
	}
	return "dmarc: " + e.Reason
}

// maxFrom is the longest From field that is read, in octets; maxComment the deepest nesting of comments.
const (
	maxFrom    = 64 << 10
	maxComment = 20
)

// AuthorDomain returns the one author domain of a message, in lower-case A-labels, given the values of all its From
// fields (RFC 9989 §5.3.1). Several addresses in one domain are one author domain; a group counts for its members.
// ErrNoAuthor: no From field, or one with an empty group only. *AuthorError: anything else but one domain.
func AuthorDomain(from []string) (string, error) {
	switch {
	case len(from) == 0:
		return "", ErrNoAuthor
	case len(from) > 1:
		return "", &AuthorError{Reason: "several From fields"}
	case len(from[0]) > maxFrom:
		return "", &AuthorError{Reason: "malformed From field", At: maxFrom}
	}
	p := &fromParser{s: from[0]}
	if !p.list() {
		return "", &AuthorError{Reason: "malformed From field", At: p.i + 1}
	}
	if len(p.domains) == 0 {
		return "", ErrNoAuthor
	}
	domain := ""
	for _, d := range p.domains {
		a, err := toASCII(d)
		if err != nil {
			return "", &AuthorError{Reason: "malformed From field", At: strings.Index(p.s, d) + 1}
		}
		if domain != "" && a != domain {
			return "", &AuthorError{Reason: "several author domains"}
		}
		domain = a
	}
	return domain, nil
}

// toASCII returns the domain in lower-case A-labels.
func toASCII(domain string) (string, error) {
	domain = strings.TrimSuffix(domain, ".")
	ascii := true
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 {
			return "", errors.New("label")
		}
		for i := range len(label) {
			c := label[i]
			ascii = ascii && c < utf8.RuneSelf
			if c < utf8.RuneSelf && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", errors.New("character")
			}
		}
	}
	if len(domain) > 253 {
		return "", errors.New("length")
	}
	if ascii {
		return strings.ToLower(domain), nil
	}
	if !utf8.ValidString(domain) {
		return "", errors.New("UTF-8")
	}
	return idna.Lookup.ToASCII(domain)
}

// A fromParser reads RFC 5322's address-list (RFC 6854 allows groups), without the obsolete forms that hide an
// address from one reader and show it to another.
type fromParser struct {
	s       string
	i       int
	domains []string
}

func (p *fromParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// space skips white space and comments; false for a comment without end.
func (p *fromParser) space() bool {
	depth := 0
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '(':
			if depth++; depth > maxComment {
				return false
			}
		case depth > 0 && c == ')':
			depth--
		case depth > 0 && c == '\\':
			p.i++
		case depth > 0 && (c >= ' ' && c != 0x7f), c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			return depth == 0
		}
	}
	return depth == 0
}

func (p *fromParser) list() bool {
	inGroup := false
	for first := true; ; first = false {
		if !p.space() {
			return false
		}
		switch p.peek() {
		case ',':
			p.i++
			continue
		case ';':
			if !inGroup {
				return false
			}
			inGroup = false
			p.i++
			if !p.space() || p.i < len(p.s) && p.peek() != ',' {
				return false
			}
			continue
		case 0:
			return p.i == len(p.s) && !inGroup && !first
		}
		group, ok := p.address(!inGroup)
		if !ok || !p.space() {
			return false
		}
		if group {
			inGroup = true
		} else if c := p.peek(); p.i < len(p.s) && c != ',' && !(c == ';' && inGroup) {
			return false
		}
	}
}

// address reads a mailbox, or the beginning of a group up to its colon.
func (p *fromParser) address(groups bool) (group, ok bool) {
	words, local := 0, true // local: what was read can be a local part
	for {
		before := p.i
		switch c := p.peek(); {
		case c == '"':
			if !p.quoted() {
				return false, false
			}
			words++
			local = local && words == 1
		case c == '@':
			if words == 0 || !local {
				return false, false
			}
			p.i++
			return false, p.domain()
		case c == '<':
			p.i++
			return false, p.angle()
		case c == ':' && words > 0 && groups:
			p.i++
			return true, true
		case atext(c) || c == '.':
			for atext(p.peek()) || p.peek() == '.' {
				p.i++
			}
			words++
			local = local && words == 1
		default:
			return false, false
		}
		if p.i == before || !p.space() {
			return false, false
		}
	}
}

// angle reads route, local part, domain and ">".
func (p *fromParser) angle() bool {
	if !p.space() {
		return false
	}
	if p.peek() == '@' { // obsolete route: read over, the address is what counts
		for p.peek() == '@' {
			p.i++
			n := len(p.domains)
			if !p.domain() || !p.space() {
				return false
			}
			p.domains = p.domains[:n]
			for p.peek() == ',' {
				p.i++
				if !p.space() {
					return false
				}
			}
		}
		if p.peek() != ':' {
			return false
		}
		p.i++
		if !p.space() {
			return false
		}
	}
	start := p.i
	if p.peek() == '"' {
		if !p.quoted() {
			return false
		}
	} else {
		for atext(p.peek()) || p.peek() == '.' {
			p.i++
		}
	}
	if p.i == start || !p.space() || p.peek() != '@' {
		return false
	}
	p.i++
	if !p.domain() || !p.space() || p.peek() != '>' {
		return false
	}
	p.i++
	return true
}

// quoted reads a quoted string.
func (p *fromParser) quoted() bool {
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '\\':
			p.i++
			if p.i >= len(p.s) || p.s[p.i] < ' ' {
				return false
			}
		case c == '"':
			p.i++
			return true
		case c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f:
			return false
		}
	}
	return false
}

// domain reads a domain without space in it. A domain literal has no DNS domain and is refused.
func (p *fromParser) domain() bool {
	if !p.space() {
		return false
	}
	start := p.i
	for atext(p.peek()) || p.peek() == '.' {
		p.i++
	}
	if p.i == start {
		return false
	}
	p.domains = append(p.domains, p.s[start:p.i])
	return true
}

// atext is RFC 5322's atext, and what RFC 6532 adds to it.
func atext(c byte) bool {
	return c >= utf8.RuneSelf || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c != 0 && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
