package policy

import (
	"encoding/base64"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// Names in the SMTP dialogue. A server that takes capabilities and postage offers both keywords, the second with the
// price of first contact in bits as "HASHCASH=20", and then takes the parameters of RCPT TO. CAP is the token in
// base64url as it is, POSTAGE a stamp as xtext (RFC 3461 §4). Both are private (RFC 5321 §2.2.2).
const (
	CapabilityKeyword = "XCAP"
	PostageKeyword    = "XPOSTAGE"
	CapabilityParam   = "CAP"
	PostageParam      = "POSTAGE"
)

// Header fields, for hops that do not offer the keywords. Each may come several times. Both are taken away by a Gate.
const (
	// CapabilityField carries a token that lets the message in.
	CapabilityField = "Delivery-Capability"
	// OfferField carries a token that the author gives to the recipient, for the way back.
	OfferField = "Delivery-Capability-Offer"
)

// maxCredentials is how many fields of each kind are looked at.
const maxCredentials = 32

// credentials are what a sender shows for one recipient: as text, nothing verified.
type credentials struct {
	token, stamp string
}

// takeCredentials takes CAP and POSTAGE out of the parameters of RCPT. The error is an *smtp.Error with 501 5.5.4.
func takeCredentials(p smtp.RcptParams) (c credentials, rest smtp.RcptParams, err error) {
	rest = p
	rest.Other = nil
	for _, q := range p.Other {
		switch q.Keyword {
		case CapabilityParam:
			if q.Value == "" || c.token != "" {
				return credentials{}, p, badParam(q.Keyword)
			}
			c.token = q.Value
		case PostageParam:
			stamp, err := smtp.ParseXtext(q.Value)
			if err != nil || stamp == "" || len(stamp) > hashcash.MaxLength || c.stamp != "" {
				return credentials{}, p, badParam(q.Keyword)
			}
			c.stamp = stamp
		default:
			rest.Other = append(rest.Other, q)
		}
	}
	return c, rest, nil
}

func badParam(keyword string) error {
	return smtp.NewError(501, smtp.EnhancedCode{5, 5, 4}, "Bad value of parameter "+keyword)
}

// params returns the parameters that carry c.
func (c credentials) params() []smtp.Param {
	var out []smtp.Param
	if c.token != "" {
		out = append(out, smtp.Param{Keyword: CapabilityParam, Value: c.token})
	}
	if c.stamp != "" {
		out = append(out, smtp.Param{Keyword: PostageParam, Value: string(smtp.AppendXtext(nil, c.stamp))})
	}
	return out
}

// fields returns the header fields that carry c.
func (c credentials) fields() []byte {
	var out []byte
	if c.token != "" {
		out = appendToken(out, CapabilityField, c.token)
	}
	if s, err := hashcash.Parse(c.stamp); err == nil {
		out = hashcash.AppendHeader(out, s)
	}
	return out
}

// appendToken appends a field with a token, folded to 76 octets a line.
func appendToken(dst []byte, name, token string) []byte {
	dst = append(append(dst, name...), ':')
	for len(token) > 0 {
		n := min(len(token), 75)
		dst = append(append(dst, "\r\n "...), token[:n]...)
		token = token[n:]
	}
	return append(dst, "\r\n"...)
}

// tokens yields the tokens of all fields of that name, folding taken out, the first 32.
func tokens(section []byte, name string) iter.Seq[capability.Token] {
	return func(yield func(capability.Token) bool) {
		n := 0
		for f := range header.Fields(section) {
			if !f.Is(name) {
				continue
			}
			if n++; n > maxCredentials {
				return
			}
			if len(f.Value) > 2*capability.MaxToken {
				continue
			}
			if t, err := capability.ParseToken(header.StripSpace(string(f.Value))); err == nil && !yield(t) {
				return
			}
		}
	}
}

// canonical returns an address in the one form in which Relations and Wallets know it: lower case, the domain in A-labels.
// That a host tells "Bob" from "bob" is not met any more, and a capability must not fail on it. "example.com" alone stands for
// the domain.
func canonical(addr string) string {
	at := strings.LastIndexByte(addr, '@') + 1
	domain := addr[at:]
	if ascii, err := address.ToASCII(domain); err == nil {
		domain = ascii
	}
	return strings.Map(func(r rune) rune { // ASCII alone: no letter is to become another's
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, addr[:at]+domain)
}

// without returns a header section without the fields that drop names.
func without(section []byte, drop func(f header.Field) bool) []byte {
	out := make([]byte, 0, len(section))
	n := 0
	for f := range header.Fields(section) {
		if n += len(f.Raw); !drop(f) {
			out = append(out, f.Raw...)
		}
	}
	return append(out, section[n:]...)
}

// oneOf returns a function that tells fields of these names.
func oneOf(names ...string) func(header.Field) bool {
	return func(f header.Field) bool { return slices.ContainsFunc(names, f.Is) }
}

// Extensions are the service extensions of the Gate, for smtpserver.Server.Extensions: CapabilityKeyword, which lengthens a
// command line by 2737 octets, and PostageKeyword, by 1545.
func (g Gate) Extensions() []smtpserver.Extension {
	var out []smtpserver.Extension
	if g.Capabilities.Keys != nil && g.Capabilities.Store != nil {
		out = append(out, smtpserver.Extension{Keyword: CapabilityKeyword, RcptParams: []string{CapabilityParam},
			Line: len(" "+CapabilityParam+"=") + base64.RawURLEncoding.EncodedLen(capability.MaxToken)})
	}
	if price := g.Rules.Price(Auth{Domain: "known"}, 0); price > 0 && !g.Rules.AllowUnknown {
		arg := "HASHCASH=" + strconv.Itoa(price)
		out = append(out, smtpserver.Extension{Keyword: PostageKeyword, RcptParams: []string{PostageParam},
			Argument: func(*smtp.Peer) (string, bool) { return arg, true },
			Line:     len(" "+PostageParam+"=") + 3*hashcash.MaxLength})
	}
	return out
}
