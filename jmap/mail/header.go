package mail

import (
	"errors"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// A HeaderForm is a parsed form of a header field (RFC 8621 §4.1.2).
type HeaderForm string

// Header forms; FormRaw has no suffix.
const (
	FormRaw              HeaderForm = ""
	FormText             HeaderForm = "asText"
	FormAddresses        HeaderForm = "asAddresses"
	FormGroupedAddresses HeaderForm = "asGroupedAddresses"
	FormMessageIDs       HeaderForm = "asMessageIds"
	FormDate             HeaderForm = "asDate"
	FormURLs             HeaderForm = "asURLs"
)

// A HeaderProperty is a property "header:NAME[:asFORM][:all]" of an Email or a BodyPart (RFC 8621 §4.1.3).
type HeaderProperty struct {
	Name string // as given
	Form HeaderForm
	All  bool
}

var (
	errHeaderProperty = errors.New("not of the form header:NAME:asFORM:all")
	errHeaderForm     = errors.New("this header field does not have that form")
)

// ParseHeaderProperty parses a property name that starts with "header:". It refuses forms that the field does not have.
func ParseHeaderProperty(s string) (HeaderProperty, error) {
	rest, ok := strings.CutPrefix(s, "header:")
	if !ok {
		return HeaderProperty{}, errHeaderProperty
	}
	parts := strings.Split(rest, ":")
	p := HeaderProperty{Name: parts[0]}
	if p.Name == "" {
		return p, errHeaderProperty
	}
	for i := range len(p.Name) {
		if p.Name[i] < 33 || p.Name[i] > 126 {
			return p, errHeaderProperty
		}
	}
	parts = parts[1:]
	if len(parts) > 0 && strings.HasPrefix(parts[0], "as") {
		p.Form = HeaderForm(parts[0])
		parts = parts[1:]
	}
	if len(parts) > 0 && parts[0] == "all" {
		p.All = true
		parts = parts[1:]
	}
	if len(parts) > 0 {
		return p, errHeaderProperty
	}
	if !p.Form.fits(p.Name) {
		return p, errHeaderForm
	}
	return p, nil
}

// fits reports whether a field has the form: those of RFC 5322 and RFC 2369 have few, any other field has all.
func (f HeaderForm) fits(name string) bool {
	n := strings.TrimPrefix(strings.ToLower(name), "resent-")
	resent := len(n) < len(name)
	var own HeaderForm // of the field
	switch n {
	case "from", "sender", "reply-to", "to", "cc", "bcc":
		own = FormAddresses
	case "message-id":
		own = FormMessageIDs
	case "date":
		own = FormDate
	}
	if own == FormRaw && !resent {
		switch n {
		case "in-reply-to", "references":
			own = FormMessageIDs
		case "subject", "comments", "keywords":
			own = FormText
		case "list-help", "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive":
			own = FormURLs
		case "return-path", "received":
			return f == FormRaw
		}
	}
	switch f {
	case FormRaw:
		return true
	case FormGroupedAddresses:
		return own == FormRaw || own == FormAddresses
	case FormText, FormAddresses, FormMessageIDs, FormDate, FormURLs:
		return own == FormRaw || own == f
	}
	return false
}

// Value returns the property's value among the fields of a header: that of the last field of the name, or with All an
// array of all of them.
func (p HeaderProperty) Value(fields []EmailHeader) (jmap.Raw, error) {
	all := []any{}
	for _, f := range slices.Backward(fields) {
		if !strings.EqualFold(f.Name, p.Name) {
			continue
		}
		v := p.Form.parse(f.Value)
		if !p.All {
			return jmap.Marshal(v)
		}
		all = append(all, v)
	}
	if !p.All {
		return jmap.Raw("null"), nil
	}
	slices.Reverse(all)
	return jmap.Marshal(all)
}

// parse returns a raw value in the form.
func (f HeaderForm) parse(raw string) any {
	switch f {
	case FormText:
		return DecodeText(raw)
	case FormAddresses:
		return ParseAddresses(raw)
	case FormGroupedAddresses:
		return ParseAddressGroups(raw)
	case FormMessageIDs:
		return orNull(ParseMessageIDs(raw))
	case FormDate:
		return ParseDate(raw)
	case FormURLs:
		return orNull(ParseURLs(raw))
	}
	return cleanUTF8(raw)
}

func orNull(list []string) any {
	if list == nil {
		return nil
	}
	return list
}

// ParseMessageIDs returns the message ids of a field's raw value without their angle brackets, nil where there is none
// (RFC 8621 §4.1.2.5). Words between them, which old software wrote, are passed over.
func ParseMessageIDs(raw string) []string {
	var out []string
	for _, s := range angles(raw) {
		if s = strings.Join(strings.Fields(s), ""); s != "" {
			out = append(out, cleanUTF8(s))
		}
	}
	return out
}

// ParseURLs returns the URLs of a field's raw value, nil where there is none (RFC 8621 §4.1.2.7, RFC 2369 §2).
func ParseURLs(raw string) []string {
	var out []string
	for _, s := range angles(raw) {
		if s = strings.Join(strings.Fields(s), ""); s != "" {
			out = append(out, cleanUTF8(s))
		}
	}
	return out
}

// angles returns what stands in angle brackets outside of comments and quoted strings.
func angles(raw string) []string {
	var out []string
	p := addressParser{s: unfold(raw)}
	for len(p.s) > 0 {
		switch p.s[0] {
		case '(':
			p.skipComment()
		case '"':
			p.quoted()
		case '<':
			inner, rest, ok := strings.Cut(p.s[1:], ">")
			if !ok {
				return out
			}
			out, p.s = append(out, inner), rest
		default:
			p.s = p.s[1:]
		}
	}
	return out
}

// ParseDate returns the date-time of a field's raw value, the zero Date where it is none (RFC 8621 §4.1.2.6).
func ParseDate(raw string) jmap.Date {
	s := strings.TrimSpace(unfold(raw))
	if i := strings.IndexByte(s, '('); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	// The zones with a name of RFC 5322 §4.3; any other is -0000.
	if i := strings.LastIndexAny(s, " \t") + 1; i > 0 && s[i] >= 'A' {
		zone := "-0000"
		switch strings.ToUpper(s[i:]) {
		case "EDT":
			zone = "-0400"
		case "EST", "CDT":
			zone = "-0500"
		case "CST", "MDT":
			zone = "-0600"
		case "MST", "PDT":
			zone = "-0700"
		case "PST":
			zone = "-0800"
		}
		s = s[:i] + zone
	}
	t, err := netmail.ParseDate(s)
	if err != nil || t.Year() < 0 || t.Year() > 9999 {
		return jmap.Date{}
	}
	_, offset := t.Zone()
	if offset == 0 {
		return jmap.Date{Time: t.UTC()}
	}
	return jmap.Date{Time: t.In(time.FixedZone("", offset))}
}
