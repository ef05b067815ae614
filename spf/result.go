package spf

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
)

// Result is the outcome of a check: RFC 7208 §2.6.
type Result string

// Results.
const (
	None      Result = "none"      // no domain or no record
	Neutral   Result = "neutral"   // the domain says nothing about this host
	Pass      Result = "pass"      // the host may send for the domain
	Fail      Result = "fail"      // it may not
	SoftFail  Result = "softfail"  // probably it may not
	TempError Result = "temperror" // DNS did not answer
	PermError Result = "permerror" // the record cannot be read or evaluated
)

// Code tells errors apart.
type Code string

// Codes of an Error.
const (
	CodeSyntax  Code = "syntax"   // the record is malformed
	CodeMany    Code = "records"  // more than one record
	CodeLookups Code = "look-ups" // over the limit of terms that ask the DNS
	CodeVoids   Code = "voids"    // over the limit of void answers
	CodeMX      Code = "mx"       // more than ten MX hosts
	CodeInclude Code = "include"  // the target of include or redirect has no record
	CodeDNS     Code = "dns"      // no answer: temporary
)

// An Error says why a check ended in TempError or PermError.
type Error struct {
	Code   Code
	Domain string // whose record
	Term   string // as written, "" for the record as a whole
	Text   string
	Err    error // of DNS
}

// Error names place and cause.
func (e *Error) Error() string {
	s := "spf: "
	if e.Domain != "" {
		s += e.Domain + ": "
	}
	if e.Term != "" {
		s += e.Term + ": "
	}
	s += e.Text
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the DNS error.
func (e *Error) Unwrap() error { return e.Err }

func syntax(term, text string) *Error { return &Error{Code: CodeSyntax, Term: term, Text: text} }

// Limits of what a Check keeps.
const (
	MaxSteps       = 200
	MaxExplanation = 500 // octets
)

// A Step is a question asked, or a term looked at.
type Step struct {
	Question string // "TXT example.com", "A mail.example.com"; "" for a term that asks nothing
	Answer   string
	Rule     string // what followed from it
}

// A Check is the verdict on one connection.
type Check struct {
	Result Result
	// Identity is "mailfrom" or "helo", Domain the domain that was checked, Sender the whole identity.
	Identity, Domain, Sender string
	IP                       netip.Addr
	HELO                     string
	// Mechanism is the term that decided, as written, "default" where none matched.
	Mechanism string
	// Network is what the host matched within: that of ip4 or ip6, an address of a or mx with its prefix length, all there
	// is for all; the zero Prefix for exists and ptr, and where nothing matched. A pass that a whole provider shares
	// says little: a policy may want to know how many addresses it is for.
	Network netip.Prefix
	// Explanation is the text that the domain publishes for those it refuses, "" if there is none.
	Explanation string
	// Queries is how many terms asked the DNS.
	Queries int
	Err     error // *Error for TempError and PermError
	Steps   []Step
}

// Reason returns why, in one line.
func (c *Check) Reason() string {
	switch {
	case c.Err != nil:
		return strings.TrimPrefix(c.Err.Error(), "spf: ")
	case c.Result == None && !c.IP.IsValid():
		return "no address to check"
	case c.Result == None:
		return "no record"
	}
	return c.Mechanism
}

// told is Reason for strangers: what the resolver says may name our own servers.
func (c *Check) told() string {
	e, ok := errors.AsType[*Error](c.Err)
	if !ok || e.Code != CodeDNS {
		return c.Reason()
	}
	without := *e
	without.Err = nil
	return strings.TrimPrefix(without.Error(), "spf: ")
}

// AppendResult appends the verdict as a resinfo of Authentication-Results (RFC 8601 §2.2), without separator and
// without folding.
func (c *Check) AppendResult(dst []byte) []byte {
	dst = append(append(dst, "spf="...), c.Result...)
	if c.Err != nil {
		dst = header.AppendValue(append(dst, " reason="...), c.told())
	}
	if c.Identity == "mailfrom" {
		return header.AppendProperty(append(dst, " smtp.mailfrom="...), c.Sender)
	}
	if c.HELO != "" {
		dst = header.AppendProperty(append(dst, " smtp.helo="...), c.HELO)
	}
	return dst
}

// AppendReceived appends the Received-SPF field with its final CRLF (RFC 7208 §9.1). receiver is the host that checked.
func (c *Check) AppendReceived(dst []byte, receiver string) []byte {
	dst = append(append(dst, "Received-SPF: "...), c.Result...)
	dst = header.AppendComment(append(dst, ' '), receiver+": "+c.told())
	pair := func(name, value string) {
		if value != "" {
			dst = header.AppendValue(append(append(append(dst, "\r\n "...), name...), '='), value)
			dst = append(dst, ';')
		}
	}
	pair("receiver", receiver)
	if c.IP.IsValid() {
		pair("client-ip", c.IP.String())
	}
	pair("envelope-from", c.Sender)
	pair("helo", c.HELO)
	pair("identity", c.Identity)
	pair("mechanism", c.Mechanism)
	return append(dst, "\r\n"...)
}
