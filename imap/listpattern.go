package imap

import "strings"

// A ListPattern is a pattern of LIST (RFC 9051 §6.3.9): "*" stands for anything, "%" for anything without the
// separator. Matching takes time linear in the name for a pattern of up to 64 octets, and proportional to the length of
// the pattern in words of 64 beyond: nothing is tried twice.
type ListPattern struct {
	sep   byte
	words int
	// State j is reached when the first j tokens are matched. Bit j of a mask is about token j.
	chars map[byte][]uint64 // tokens that are this octet
	star  []uint64          // tokens that are "*"
	wild  []uint64          // tokens that are "*" or "%"
	final int
	inbox *ListPattern // the pattern in capitals where that differs, for INBOX
}

// MaxListPattern is how long a pattern is, in octets.
const MaxListPattern = 4000

// ParseListPattern reads a pattern; sep separates levels. INBOX is matched in any case. The error is a *LimitError.
func ParseListPattern(pattern string, sep byte) (*ListPattern, error) {
	if len(pattern) > MaxListPattern {
		return nil, &LimitError{What: "pattern", Limit: MaxListPattern}
	}
	p := parseListPattern(pattern, sep)
	if up := upper([]byte(pattern)); up != pattern {
		p.inbox = parseListPattern(up, sep)
	}
	return p, nil
}

func parseListPattern(pattern string, sep byte) *ListPattern {
	tokens := make([]byte, 0, len(pattern))
	for i := range len(pattern) { // a run of wildcards is the widest of them
		c, n := pattern[i], len(tokens)
		if (c == '*' || c == '%') && n > 0 && (tokens[n-1] == '*' || tokens[n-1] == '%') {
			if c == '*' {
				tokens[n-1] = '*'
			}
			continue
		}
		tokens = append(tokens, c)
	}
	words := len(tokens)/64 + 1
	p := &ListPattern{sep: sep, words: words, chars: map[byte][]uint64{}, final: len(tokens),
		star: make([]uint64, words), wild: make([]uint64, words)}
	for j, c := range tokens {
		w, bit := j/64, uint64(1)<<(j%64)
		switch c {
		case '*':
			p.star[w] |= bit
			p.wild[w] |= bit
		case '%':
			p.wild[w] |= bit
		default:
			if p.chars[c] == nil {
				p.chars[c] = make([]uint64, words)
			}
			p.chars[c][w] |= bit
		}
	}
	return p
}

// Match reports whether name matches.
func (p *ListPattern) Match(name string) bool {
	if p.inbox != nil && strings.EqualFold(name, "INBOX") && p.inbox.Match("INBOX") {
		return true
	}
	cur, next := make([]uint64, p.words), make([]uint64, p.words)
	cur[0] = 1
	p.close(cur)
	for i := range len(name) {
		c := name[i]
		chars, stay := p.chars[c], p.wild
		if c == p.sep {
			stay = p.star
		}
		carry, any := uint64(0), uint64(0)
		for w := range next {
			step := carry
			carry = 0
			if chars != nil {
				m := cur[w] & chars[w]
				step |= m << 1
				carry = m >> 63
			}
			next[w] = step | cur[w]&stay[w]
			any |= next[w]
		}
		if any == 0 {
			return false
		}
		p.close(next)
		cur, next = next, cur
	}
	return cur[p.final/64]&(1<<(p.final%64)) != 0
}

// close adds the states that are reached by matching nothing with a wildcard. No two wildcards stand side by side.
func (p *ListPattern) close(s []uint64) {
	carry := uint64(0)
	for w := range s {
		m := s[w] & p.wild[w]
		s[w] |= m<<1 | carry
		carry = m >> 63
	}
}

// ListMailbox reads a list-mailbox: a pattern as an atom, in which wildcards may stand, or as a string.
func (d *Decoder) ListMailbox() string {
	if c := d.Peek(); c == '"' || c == '{' {
		return d.IString()
	}
	return string(d.while("a pattern", func(c byte) bool { return c == '*' || c == '%' || isAStringChar(c) }))
}
