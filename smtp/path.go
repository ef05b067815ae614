package smtp

import (
	"strings"

	"github.com/mailbricks/mailbricks/internal/address"
)

// A Path is a reverse-path or forward-path without its angle brackets and without source route (RFC 5321 §4.1.2).
//
// Local is the local part by value: quotes and backslashes of a quoted string are taken off when a Path is parsed,
// and put on again when it is written, if its characters need them. Domain is as given: a domain (A-labels or
// U-labels) or an address literal with its brackets.
//
// The zero Path is the null reverse-path <>. A Path with a Local and no Domain is <Postmaster>.
type Path struct {
	Local, Domain string
}

// maxPath limits a path with its brackets and source route. RFC 5321 §4.5.3.1.3 asks for 256 octets at least.
const maxPath = 500

// IsNull reports whether p is the null reverse-path <>.
func (p Path) IsNull() bool { return p == Path{} }

// NeedsUTF8 reports whether p holds non-ASCII characters, which need SMTPUTF8 (RFC 6531).
func (p Path) NeedsUTF8() bool { return !isASCII(p.Local) || !isASCII(p.Domain) }

// Equal reports whether p and q are the same path: domains are compared without regard to case, A-labels equal to
// U-labels, local parts octet for octet, and Postmaster without regard to case (RFC 5321 §4.5.1).
func (p Path) Equal(q Path) bool {
	if p == q {
		return true
	}
	if !address.EqualDomain(p.Domain, q.Domain) && !strings.EqualFold(p.Domain, q.Domain) {
		return false
	}
	return p.Local == q.Local || strings.EqualFold(p.Local, postmaster) && strings.EqualFold(q.Local, postmaster)
}

// String returns the path with its brackets, as "<alice@example.com>". What cannot be written is shown as "<?>".
func (p Path) String() string {
	b, err := AppendPath(nil, p)
	if err != nil {
		return "<?>"
	}
	return string(b)
}

// Address returns the path without brackets, as "alice@example.com"; "" for the null reverse-path.
func (p Path) Address() string {
	s := p.String()
	return s[1 : len(s)-1]
}

const postmaster = "Postmaster"

func pathError(text string) *Error { return NewError(501, EnhancedCode{5, 1, 3}, text) }

// ParsePath parses the path in angle brackets that s begins with and returns what follows it. It takes the null
// reverse-path, <Postmaster>, and paths with UTF-8, for which see NeedsUTF8. A source route is checked and dropped
// (RFC 5321 appendix C). The error is an *Error with 501 5.1.3.
func ParsePath(s string) (p Path, rest string, err error) {
	in, ok := strings.CutPrefix(s, "<")
	if !ok {
		return Path{}, s, pathError("Path must stand in angle brackets")
	}
	if rest, ok = strings.CutPrefix(in, ">"); ok {
		return Path{}, rest, nil
	}
	if strings.HasPrefix(in, "@") {
		if in, ok = cutRoute(in); !ok {
			return Path{}, s, pathError("Bad source route")
		}
	}
	local, after, err := address.ParseLocal(in)
	if err != nil {
		return Path{}, s, pathError("Bad local part")
	}
	if rest, ok = strings.CutPrefix(after, ">"); ok {
		if !strings.EqualFold(local, postmaster) {
			return Path{}, s, pathError("Domain is missing")
		}
		return Path{Local: local}, rest, nil
	}
	domain, rest, ok := strings.Cut(after, ">")
	domain, at := strings.CutPrefix(domain, "@")
	if !ok || !at || !validDomain(domain) {
		return Path{}, s, pathError("Bad domain")
	}
	if len(s)-len(rest) > maxPath {
		return Path{}, s, pathError("Path too long")
	}
	return Path{Local: local, Domain: domain}, rest, nil
}

// cutRoute drops a source route, "@a,@b:".
func cutRoute(s string) (rest string, ok bool) {
	route, rest, ok := strings.Cut(s, ":")
	if !ok {
		return s, false
	}
	for hop := range strings.SplitSeq(route, ",") {
		domain, ok := strings.CutPrefix(hop, "@")
		if !ok || address.CheckDomain(domain) != nil {
			return s, false
		}
	}
	return rest, true
}

// validDomain reports whether s is a domain or an address literal.
func validDomain(s string) bool {
	if strings.HasPrefix(s, "[") {
		_, err := address.ParseLiteral(s)
		return err == nil
	}
	return address.CheckDomain(s) == nil
}

// ParseMailbox parses an address without brackets, local@domain; s holds nothing else.
func ParseMailbox(s string) (Path, error) {
	p, rest, err := ParsePath("<" + s + ">")
	if err != nil {
		return Path{}, err
	}
	if rest != "" || p.Domain == "" || strings.HasPrefix(s, "@") {
		return Path{}, pathError("Bad mailbox")
	}
	return p, nil
}

// AppendPath appends p with its brackets, the local part quoted where it must be. A Path that cannot be written, with
// control characters, an empty or malformed domain or invalid UTF-8, is an *Error with 553 5.1.3.
func AppendPath(dst []byte, p Path) ([]byte, error) {
	if p.IsNull() {
		return append(dst, "<>"...), nil
	}
	out, err := address.AppendLocal(append(dst, '<'), p.Local)
	switch {
	case err != nil,
		p.Domain == "" && !strings.EqualFold(p.Local, postmaster),
		p.Domain != "" && !validDomain(p.Domain):
		return dst, &Error{Reply: NewReply(553, EnhancedCode{5, 1, 3}, "Address cannot be written"), Err: err}
	case p.Domain != "":
		out = append(append(out, '@'), p.Domain...)
	}
	return append(out, '>'), nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
