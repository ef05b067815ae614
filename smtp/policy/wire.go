package policy

import (
	"encoding/base64"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// Names in the SMTP dialogue. A server that takes capabilities and postage offers both keywords, the second with the
// schemes of first contact as "HASHCASH=20 TICKET", with a price where it follows from Rules, and then takes the parameters of
// RCPT TO. CAP is the token in base64url as it is, POSTAGE a stamp as xtext (RFC 3461 §4): one of hashcash as it is, another
// as "ticket=AAIx...", with its scheme. Both are private (RFC 5321 §2.2.2).
const (
	CapabilityKeyword = "XCAP"
	PostageKeyword    = "XPOSTAGE"
	CapabilityParam   = "CAP"
	PostageParam      = "POSTAGE"
)

// Header fields, for hops that do not offer the keywords. Each may come several times. A Gate takes tokens away, and the stamps
// that let a message in.
const (
	// CapabilityField carries a token that lets the message in.
	CapabilityField = "Delivery-Capability"
	// PostageField carries a stamp of any scheme but hashcash, whose stamps are in hashcash.HeaderName: "ticket=AAIx...".
	PostageField = "X-Postage"
	// OfferField carries a token that the author gives to the recipient, for the way back.
	OfferField = "Delivery-Capability-Offer"
)

// maxCredentials is how many fields of each kind are looked at.
const maxCredentials = 32

// credentials are what a sender shows for one recipient: as text, nothing verified. The stamp is in the form of POSTAGE.
type credentials struct {
	token, stamp string
}

// maxStamp is the longest stamp in the form of POSTAGE, in octets: 32 for the scheme.
const maxStamp = 32 + len("=") + hashcash.MaxLength

// stampText returns a stamp in the form of POSTAGE.
func stampText(scheme, stamp string) string {
	if scheme == SchemeHashcash {
		return stamp
	}
	return scheme + "=" + stamp
}

// cutStamp returns the scheme and the stamp of a text in the form of POSTAGE. No scheme has a colon in its name, and every
// stamp of hashcash has one at the start.
func cutStamp(text string) (scheme, stamp string) {
	scheme, stamp, ok := strings.Cut(text, "=")
	if !ok || !isScheme(scheme) {
		return SchemeHashcash, text
	}
	return scheme, stamp
}

// isScheme reports whether s can be the name of a scheme.
func isScheme(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// stamps yields the stamps of a header section in the form of POSTAGE, the first 32 of each field.
func stamps(section []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := range hashcash.Stamps(slices.Values(fieldValues(section, hashcash.HeaderName))) {
			if !yield(s) {
				return
			}
		}
		values := fieldValues(section, PostageField)
		for _, v := range values[:min(len(values), maxCredentials)] {
			if s := header.StripSpace(v); len(s) <= maxStamp && !yield(s) {
				return
			}
		}
	}
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
			if _, bare := cutStamp(stamp); err != nil || bare == "" || len(bare) > hashcash.MaxLength || c.stamp != "" {
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
	switch scheme, stamp := cutStamp(c.stamp); {
	case stamp == "":
	case scheme != SchemeHashcash:
		out = appendToken(out, PostageField, c.stamp)
	default:
		if s, err := hashcash.Parse(stamp); err == nil {
			out = hashcash.AppendHeader(out, s)
		}
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
// command line by 2737 octets, and PostageKeyword, by 1644.
func (g Gate) Extensions() []smtpserver.Extension {
	var out []smtpserver.Extension
	if g.Capabilities.Keys != nil && g.Capabilities.Store != nil {
		out = append(out, smtpserver.Extension{Keyword: CapabilityKeyword, RcptParams: []string{CapabilityParam},
			Line: len(" "+CapabilityParam+"=") + base64.RawURLEncoding.EncodedLen(capability.MaxToken)})
	}
	if price := g.Rules.Price(Auth{Domain: "known"}, 0); price > 0 && !g.Rules.AllowUnknown && len(g.Postage) > 0 {
		var offers []string
		for _, t := range g.Postage {
			offer := strings.ToUpper(t.Scheme.Name())
			if t.Price != nil {
				offer += "=" + strconv.Itoa(t.Price(price))
			}
			offers = append(offers, offer)
		}
		arg := strings.Join(offers, " ")
		out = append(out, smtpserver.Extension{Keyword: PostageKeyword, RcptParams: []string{PostageParam},
			Argument: func(*smtp.Peer) (string, bool) { return arg, true },
			Line:     len(" "+PostageParam+"=") + 3*maxStamp})
	}
	return out
}

// A Price is what a refusal asks of an unknown sender. In the text of a reply it stands as
//
//	550-5.7.1 Unknown sender, capability not established
//	550 5.7.1 Postage: scheme=hashcash; bits=20; resource=bob@example.com
//
// and for another scheme "scheme=ticket; price=1; resource=bob@example.com; params=issuer%3Dissuer.example", where params are
// Demand.Params, percent-encoded, and may come in pieces.
type Price struct {
	Scheme string // name of a postage.Scheme
	// Amount is in the scheme's unit, for hashcash bits: 1 to 160; for others from 0.
	Amount int
	// Resource is what the stamp must be made for; "" is the recipient's address.
	Resource string
	// Params are what else the scheme must know, "" for hashcash; up to 4 KiB.
	Params string
}

// SchemeHashcash is the name of postage.Hashcash.
const SchemeHashcash = "hashcash"

const (
	priceMark = "Postage:"
	// maxPrices is how many prices of one reply are read.
	maxPrices = 8
	maxParams = 4 << 10
	// pieceParams is how much of the parameters stands in one tag, which does not break over lines.
	pieceParams = 400
	// maxText is how long a line of a reply gets, without its code (RFC 5321 §4.5.3.1.5).
	maxText = 480
)

// String returns the price as it stands in a reply.
func (p Price) String() string {
	unit := "price"
	if p.Scheme == SchemeHashcash {
		unit = "bits"
	}
	s := fmt.Appendf(nil, "%s scheme=%s; %s=%d", priceMark, p.Scheme, unit, p.Amount)
	if p.Resource != "" {
		s = append(append(s, "; resource="...), p.Resource...)
	}
	for rest := percent(p.Params, "=\"%"); rest != ""; {
		n := min(len(rest), pieceParams)
		s = append(append(s, "; params="...), rest[:n]...)
		rest = rest[n:]
	}
	return string(s)
}

// lines returns the price as lines of a reply.
func (p Price) lines() []string {
	var out []string
	line := ""
	for word := range strings.FieldsSeq(p.String()) {
		if line != "" && len(line)+1+len(word) > maxText {
			out, line = append(out, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}

// ParsePrices returns the prices that a refusal names: those of a 5yz reply with the code 5.7.1, wherever in its text, the
// first 8. Tags that are not known are skipped; a price without scheme or with bits out of range is none.
func ParsePrices(r smtp.Reply) []Price {
	if !r.Permanent() || r.Enhanced != (smtp.EnhancedCode{5, 7, 1}) {
		return nil
	}
	var out []Price
	words := strings.Fields(r.Text())
	for len(out) < maxPrices {
		i := slices.Index(words, priceMark)
		if i < 0 {
			break
		}
		words = words[i+1:]
		n := 0
		for n < len(words) && words[n] != priceMark {
			n++
			if !strings.HasSuffix(words[n-1], ";") { // the last tag
				break
			}
		}
		if p, ok := parsePrice(words[:n]); ok {
			out = append(out, p)
		}
	}
	return out
}

func parsePrice(tags []string) (p Price, ok bool) {
	seen := make(map[string]bool)
	params := ""
	for _, tag := range tags {
		name, value, found := strings.Cut(strings.TrimSuffix(tag, ";"), "=")
		if !found || name == "" || value == "" || seen[name] && name != "params" || len(params) > 3*maxParams {
			return Price{}, false
		}
		seen[name] = true
		switch name {
		case "scheme":
			p.Scheme = value
		case "bits", "price":
			n, err := strconv.Atoi(value)
			if err != nil || strconv.Itoa(n) != value || n < 0 {
				return Price{}, false
			}
			p.Amount = n
		case "resource":
			p.Resource = value
		case "params":
			params += value
		}
	}
	var err error
	if p.Params, err = url.PathUnescape(params); err != nil || len(p.Params) > maxParams || !isScheme(p.Scheme) {
		return Price{}, false
	}
	if p.Scheme == SchemeHashcash {
		return p, seen["bits"] && !seen["price"] && p.Amount >= 1 && p.Amount <= hashcash.MaxBits
	}
	return p, seen["price"] && !seen["bits"]
}

// resource returns the address of a recipient as it stands in a stamp: what cannot stand there is written as %XX.
func resource(to smtp.Path) string { return strings.ToLower(percent(to.Address(), ":;")) }

// percent writes the octets of s that cannot stand in a word of printable ASCII, and those of more, as %XX.
func percent(s, more string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == ';' || strings.IndexByte(more, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
