package spf

import (
	"net/netip"
	"strconv"
	"strings"
)

// A Record is a parsed SPF record: RFC 7208 §4.5 and §4.6.1.
type Record struct {
	Terms []Term // directives and modifiers in the order written
}

// A Term is one directive (a qualifier and a mechanism) or one modifier of a [Record].
type Term struct {
	// Text is the term as written. [AppendRecord] does not use it.
	Text string
	// Name is the mechanism (all, include, a, mx, ptr, ip4, ip6, exists) or the modifier (redirect, exp, or one nobody
	// knows), in lower case.
	Name string
	// Modifier tells modifiers from mechanisms.
	Modifier bool
	// Qualifier is what a match of the mechanism means: Pass, Fail, SoftFail or Neutral. "" counts as Pass.
	Qualifier Result
	// Domain is the domain-spec or the value of a modifier, with its macros; "" where there is none.
	Domain string
	// Net is the network of ip4 and ip6.
	Net netip.Prefix
	// Bits4 and Bits6 are the prefix lengths of a and mx, 32 and 128 where none is given.
	Bits4, Bits6 int
}

// IsRecord reports whether a TXT record is meant to be an SPF record: RFC 7208 §4.5.
func IsRecord(txt string) bool {
	const version = "v=spf1"
	return len(txt) >= len(version) && strings.EqualFold(txt[:len(version)], version) &&
		(len(txt) == len(version) || txt[len(version)] == ' ')
}

// ParseRecord reads an SPF record. Its error is an *[Error] with code [CodeSyntax].
func ParseRecord(txt string) (*Record, error) {
	if !IsRecord(txt) {
		return nil, syntax("", "the record does not start with v=spf1")
	}
	for i := range len(txt) {
		if c := txt[i]; c < ' ' || c > '~' {
			return nil, syntax("", "octet "+strconv.QuoteRuneToASCII(rune(c))+" in the record")
		}
	}
	r := &Record{Terms: make([]Term, 0, strings.Count(txt, " "))}
	redirect, exp := false, false
	for rest := txt[len("v=spf1"):]; rest != ""; {
		var text string
		if text, rest, _ = strings.Cut(rest, " "); text == "" {
			continue
		}
		r.Terms = append(r.Terms, Term{})
		t := &r.Terms[len(r.Terms)-1]
		if err := t.parse(text); err != nil {
			return nil, err
		}
		if t.Modifier && (t.Name == "redirect" && redirect || t.Name == "exp" && exp) {
			return nil, syntax(text, t.Name+"= appears twice") // RFC 7208 §6
		}
		redirect = redirect || t.Modifier && t.Name == "redirect"
		exp = exp || t.Modifier && t.Name == "exp"
	}
	return r, nil
}

// modifier returns the value of a modifier, and whether the record has it.
func (r *Record) modifier(name string) (*Term, bool) {
	for i := range r.Terms {
		if t := &r.Terms[i]; t.Modifier && t.Name == name {
			return t, true
		}
	}
	return nil, false
}

// hasAll reports whether the record has an all mechanism, which makes redirect= void.
func (r *Record) hasAll() bool {
	for i := range r.Terms {
		if t := &r.Terms[i]; !t.Modifier && t.Name == "all" {
			return true
		}
	}
	return false
}

func (t *Term) parse(text string) error {
	t.Text = text
	if n := modifierName(text); n > 0 {
		t.Name, t.Modifier, t.Domain = strings.ToLower(text[:n]), true, text[n+1:]
		check := checkMacroString
		if t.Name == "redirect" || t.Name == "exp" {
			check = checkDomainSpec
		}
		return check(t.Domain, text)
	}
	t.Qualifier, t.Bits4, t.Bits6 = Pass, 32, 128
	rest := text
	switch rest[0] {
	case '+':
		rest = rest[1:]
	case '-':
		t.Qualifier, rest = Fail, rest[1:]
	case '~':
		t.Qualifier, rest = SoftFail, rest[1:]
	case '?':
		t.Qualifier, rest = Neutral, rest[1:]
	}
	end := 0
	for end < len(rest) && rest[end] != ':' && rest[end] != '/' {
		end++
	}
	t.Name, rest = strings.ToLower(rest[:end]), rest[end:]
	return t.parseArguments(rest)
}

// modifierName returns the length of the name of a modifier, or 0 where the term is none.
func modifierName(text string) int {
	for i := range len(text) {
		switch c := text[i]; {
		case isAlpha(c), i > 0 && (isDigit(c) || c == '-' || c == '_' || c == '.'):
		case c == '=':
			return i
		default:
			return 0
		}
	}
	return 0
}

// parseArguments reads what follows the name of a mechanism: RFC 7208 §5.
func (t *Term) parseArguments(rest string) error {
	var err error
	arg, hasArg := strings.CutPrefix(rest, ":")
	switch t.Name {
	case "all":
		if rest != "" {
			return syntax(t.Text, "all takes no argument")
		}
	case "include", "exists":
		if !hasArg {
			return syntax(t.Text, t.Name+" needs a domain")
		}
		t.Domain = arg
		return checkDomainSpec(arg, t.Text)
	case "ptr":
		if rest == "" {
			return nil
		}
		if !hasArg {
			return syntax(t.Text, "ptr takes no prefix length")
		}
		t.Domain = arg
		return checkDomainSpec(arg, t.Text)
	case "a", "mx":
		spec := rest
		if spec, t.Bits6, err = cutBits(spec, "//", 128, t.Text); err != nil {
			return err
		}
		if spec, t.Bits4, err = cutBits(spec, "/", 32, t.Text); err != nil || spec == "" {
			return err
		}
		if t.Domain, hasArg = strings.CutPrefix(spec, ":"); !hasArg {
			return syntax(t.Text, "malformed prefix length")
		}
		return checkDomainSpec(t.Domain, t.Text)
	case "ip4", "ip6":
		return t.parseNetwork(arg)
	default:
		return syntax(t.Text, "unknown mechanism "+strconv.Quote(t.Name))
	}
	return nil
}

func (t *Term) parseNetwork(arg string) error {
	size := 32
	if t.Name == "ip6" {
		size = 128
	}
	text, bits, err := cutBits(arg, "/", size, t.Text)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.BitLen() != size {
		return syntax(t.Text, "not an "+t.Name+" network")
	}
	t.Net = netip.PrefixFrom(addr, bits)
	return nil
}

// cutBits takes a prefix length with its slash or slashes from the end of s; without one it is size.
func cutBits(s, slash string, size int, term string) (rest string, bits int, err error) {
	end := len(s)
	for end > 0 && isDigit(s[end-1]) {
		end--
	}
	rest, ok := strings.CutSuffix(s[:end], slash)
	if !ok || end == len(s) {
		return s, size, nil
	}
	digits := s[end:]
	bits, err = strconv.Atoi(digits)
	if err != nil || bits > size || len(digits) > 1 && digits[0] == '0' {
		return "", 0, syntax(term, "prefix length "+slash+digits+" is not one of 0 to "+strconv.Itoa(size))
	}
	return rest, bits, nil
}

// AppendRecord appends the record as text: names in lower case, one space between terms, no qualifier where it would
// be "+".
func AppendRecord(dst []byte, r *Record) []byte {
	dst = append(dst, "v=spf1"...)
	for _, t := range r.Terms {
		dst = append(dst, ' ')
		if t.Modifier {
			dst = append(append(append(dst, t.Name...), '='), t.Domain...)
			continue
		}
		switch t.Qualifier {
		case Fail:
			dst = append(dst, '-')
		case SoftFail:
			dst = append(dst, '~')
		case Neutral:
			dst = append(dst, '?')
		}
		dst = append(dst, t.Name...)
		switch t.Name {
		case "ip4", "ip6":
			dst = t.Net.Addr().AppendTo(append(dst, ':'))
			if t.Net.Bits() < t.Net.Addr().BitLen() {
				dst = strconv.AppendInt(append(dst, '/'), int64(t.Net.Bits()), 10)
			}
			continue
		}
		if t.Domain != "" {
			dst = append(append(dst, ':'), t.Domain...)
		}
		if t.Name == "a" || t.Name == "mx" {
			if t.Bits4 < 32 {
				dst = strconv.AppendInt(append(dst, '/'), int64(t.Bits4), 10)
			}
			if t.Bits6 < 128 {
				dst = strconv.AppendInt(append(dst, '/', '/'), int64(t.Bits6), 10)
			}
		}
	}
	return dst
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
