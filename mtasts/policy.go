package mtasts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Mode says what a sender does when validation fails (RFC 8461 §5).
type Mode string

// Modes.
const (
	ModeEnforce Mode = "enforce" // do not deliver
	ModeTesting Mode = "testing" // deliver and report
	ModeNone    Mode = "none"    // no policy any more
)

// Limits of a policy.
const (
	// MaxPolicy is the longest policy, in octets (RFC 8461 §3.3).
	MaxPolicy = 64 << 10
	// MaxAge is the longest life of a policy (RFC 8461 §3.2).
	MaxAge = 31557600 * time.Second
)

// A Policy is what a domain asks of senders (RFC 8461 §3.2).
type Policy struct {
	Mode   Mode
	MX     []string // patterns: a host name, or "*." and a suffix; A-labels
	MaxAge time.Duration
}

// ParsePolicy parses a policy. Lines end with CRLF or LF; unknown fields are ignored, of a repeated one other than mx
// all but the first. The error wraps ErrSyntax.
func ParsePolicy(text []byte) (Policy, error) {
	bad := func(line int, what string) (Policy, error) {
		return Policy{}, fmt.Errorf("%w policy: line %d: %s", ErrSyntax, line, what)
	}
	if len(text) > MaxPolicy {
		return bad(1, "policy is too long")
	}
	var p Policy
	var version, age bool
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		line = strings.TrimRight(strings.TrimSuffix(line, "\r"), " \t")
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimLeft(value, " \t")
		if !ok || !validName(name) || value == "" || !utf8.ValidString(value) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return bad(i+1, strconv.Quote(line))
		}
		switch name {
		case "version":
			if value != "STSv1" && !version {
				return bad(i+1, "version "+strconv.Quote(value))
			}
			version = true
		case "mode":
			if p.Mode != "" {
				continue
			}
			if p.Mode = Mode(value); p.Mode != ModeEnforce && p.Mode != ModeTesting && p.Mode != ModeNone {
				return bad(i+1, "mode "+strconv.Quote(value))
			}
		case "mx":
			if !validPattern(value) {
				return bad(i+1, "mx "+strconv.Quote(value))
			}
			p.MX = append(p.MX, strings.ToLower(value))
		case "max_age":
			if age {
				continue
			}
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil || len(value) > 10 || time.Duration(n) > MaxAge/time.Second {
				return bad(i+1, "max_age "+strconv.Quote(value))
			}
			p.MaxAge, age = time.Duration(n)*time.Second, true
		}
	}
	switch {
	case !version:
		return bad(len(lines), "no version")
	case p.Mode == "":
		return bad(len(lines), "no mode")
	case !age:
		return bad(len(lines), "no max_age")
	case len(p.MX) == 0 && p.Mode != ModeNone:
		return bad(len(lines), "no mx")
	}
	return p, nil
}

// Append appends the policy as a web server serves it, with CRLF.
func (p Policy) Append(dst []byte) []byte {
	dst = fmt.Appendf(dst, "version: STSv1\r\nmode: %s\r\n", p.Mode)
	for _, mx := range p.MX {
		dst = fmt.Appendf(dst, "mx: %s\r\n", mx)
	}
	return fmt.Appendf(dst, "max_age: %d\r\n", p.MaxAge/time.Second)
}

// Match reports whether a host of the MX set is one that the policy names. "*." stands for exactly one label
// (RFC 8461 §4.1). host is in A-labels; case and a final dot do not matter.
func (p Policy) Match(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, rest, _ := strings.Cut(host, ".")
	return validPattern(host) && host[0] != '*' && slices.ContainsFunc(p.MX, func(mx string) bool {
		suffix, wild := strings.CutPrefix(mx, "*.")
		return mx == host || wild && suffix == rest
	})
}

// validPattern is sts-policy-mx-value: a domain of letters, digits and hyphens, with "*." before it or not.
func validPattern(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(c rune) bool { return c > 127 || !alphanumeric(byte(c)) && c != '-' && c != '_' }) {
			return false
		}
	}
	return true
}
