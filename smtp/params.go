package smtp

import (
	"strings"
	"unicode/utf8"
)

// MailParams are the parameters of MAIL FROM. The zero value is a MAIL command without parameters.
type MailParams struct {
	// Size is the declared size in octets (RFC 1870), 0 if not declared.
	Size int64
	// Body is the declared body type (RFC 6152, RFC 3030), "" if not declared.
	Body BodyType
	// UTF8 is the SMTPUTF8 parameter (RFC 6531 §3.4).
	UTF8 bool
	// RequireTLS is the REQUIRETLS parameter (RFC 8689).
	RequireTLS bool
	// Auth is the AUTH parameter decoded from xtext (RFC 4954 §5), "<>" included; "" if not given.
	Auth string
	// Return is RET=FULL or RET=HDRS (RFC 3461 §4.3), "" if not given.
	Return DSNReturn
	// EnvelopeID is ENVID decoded from xtext (RFC 3461 §4.4), "" if not given.
	EnvelopeID string
	// DeliverBy is the BY parameter (RFC 2852), the zero value if not given.
	DeliverBy DeliverBy `json:",omitzero"`
	// Hold is HOLDFOR or HOLDUNTIL (RFC 4865), the zero value if not given.
	Hold Hold `json:",omitzero"`
	// Priority is MT-PRIORITY (RFC 6710), -9 to 9, the highest first. Prioritized says that it was given: what was not has
	// priority 0 too.
	Priority    int  `json:",omitempty"`
	Prioritized bool `json:",omitempty"`
	// Other holds, in order, what the fields above do not: parameters of extensions added from outside.
	Other []Param
}

// RcptParams are the parameters of RCPT TO. The zero value is a RCPT command without parameters.
type RcptParams struct {
	// Notify is the NOTIFY parameter (RFC 3461 §4.1), 0 if not given.
	Notify DSNNotify
	// OriginalType and Original are ORCPT's address type and decoded address (RFC 3461 §4.2), "" if not given.
	OriginalType, Original string
	// Other holds, in order, what the fields above do not.
	Other []Param
}

// BodyType is the value of the BODY parameter.
type BodyType string

// Body types.
const (
	Body7Bit       BodyType = "7BIT"       // RFC 6152
	Body8BitMIME   BodyType = "8BITMIME"   // RFC 6152
	BodyBinaryMIME BodyType = "BINARYMIME" // RFC 3030
)

// DSNReturn is the value of the RET parameter: how much of the message a notification returns.
type DSNReturn string

// Values of RET.
const (
	ReturnFull    DSNReturn = "FULL"
	ReturnHeaders DSNReturn = "HDRS"
)

// DSNNotify is the set of conditions of the NOTIFY parameter.
type DSNNotify uint8

// Conditions of NOTIFY. NotifyNever excludes the others.
const (
	NotifyNever DSNNotify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// A Param is one ESMTP parameter, KEYWORD or KEYWORD=VALUE (RFC 5321 §4.1.2, esmtp-param).
type Param struct {
	Keyword string // upper case
	Value   string // as on the wire; "" without "="
}

func paramError(text string) *Error { return NewError(501, EnhancedCode{5, 5, 4}, text) }

// ParseParams parses a list of parameters separated by spaces. A keyword that comes twice is refused. Values may hold
// UTF-8 (RFC 6531 §3.3). The errors are *Error with 501 5.5.4.
func ParseParams(s string) ([]Param, error) {
	var out []Param
	for field := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' }) {
		keyword, value, has := strings.Cut(field, "=")
		p := Param{Keyword: strings.ToUpper(keyword), Value: value}
		if !validParam(p) || has && value == "" {
			return nil, paramError("Malformed parameter")
		}
		for _, q := range out {
			if q.Keyword == p.Keyword {
				return nil, paramError("Parameter " + p.Keyword + " given twice")
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// validParam reports whether p follows the grammar of esmtp-param.
func validParam(p Param) bool {
	if p.Keyword == "" || p.Keyword[0] == '-' || len(p.Keyword) > 64 {
		return false
	}
	for i := range len(p.Keyword) {
		c := p.Keyword[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	for i := range len(p.Value) {
		if c := p.Value[i]; c <= ' ' || c == '=' || c == 0x7f {
			return false
		}
	}
	return utf8.ValidString(p.Value)
}

// appendParam appends " KEYWORD=VALUE", or " KEYWORD" for an empty value.
func appendParam(dst []byte, p Param) ([]byte, error) {
	if !validParam(p) {
		return dst, NewError(501, EnhancedCode{5, 5, 4}, "Parameter cannot be written")
	}
	dst = append(append(dst, ' '), p.Keyword...)
	if p.Value != "" {
		dst = append(append(dst, '='), p.Value...)
	}
	return dst, nil
}

func appendParams(dst []byte, list []Param) ([]byte, error) {
	out := dst
	for _, p := range list {
		var err error
		if out, err = appendParam(out, p); err != nil {
			return dst, err
		}
	}
	return out, nil
}
