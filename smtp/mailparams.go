package smtp

import (
	"math"
	"strconv"
	"strings"
)

// Limits of RFC 3461 §4.2 and §4.4 in characters as on the wire.
const (
	maxEnvelopeID = 100
	maxOriginal   = 500
)

// ParseMailParams parses the parameters of MAIL. Unknown ones go to Other. A SIZE that is too large for an int64 is
// the largest int64. The errors are *Error with 501 5.5.4.
func ParseMailParams(s string) (MailParams, error) {
	list, err := ParseParams(s)
	if err != nil {
		return MailParams{}, err
	}
	var p MailParams
	for _, q := range list {
		if !p.set(q) {
			return MailParams{}, paramError("Bad value of parameter " + q.Keyword)
		}
	}
	return p, nil
}

// set stores one parameter and reports whether its value is right.
func (p *MailParams) set(q Param) bool {
	switch q.Keyword {
	case "SIZE":
		return p.setSize(q.Value)
	case "BODY":
		p.Body = BodyType(strings.ToUpper(q.Value))
		return p.Body == Body7Bit || p.Body == Body8BitMIME || p.Body == BodyBinaryMIME
	case "SMTPUTF8":
		p.UTF8 = true
		return q.Value == ""
	case "REQUIRETLS":
		p.RequireTLS = true
		return q.Value == ""
	case "AUTH":
		v, err := ParseXtext(q.Value)
		if err != nil || !validAuth(v) {
			return false
		}
		p.Auth = v
	case "RET":
		p.Return = DSNReturn(strings.ToUpper(q.Value))
		return p.Return == ReturnFull || p.Return == ReturnHeaders
	case "ENVID":
		v, err := ParseXtext(q.Value)
		p.EnvelopeID = v
		return err == nil && v != "" && printable(v) && len(q.Value) <= maxEnvelopeID
	case "BY":
		d, ok := parseDeliverBy(q.Value)
		p.DeliverBy = d
		return ok
	case "HOLDFOR", "HOLDUNTIL":
		return p.Hold.set(q.Keyword, q.Value)
	case "MT-PRIORITY":
		n, ok := parsePriority(q.Value)
		p.Priority, p.Prioritized = n, true
		return ok
	default:
		p.Other = append(p.Other, q)
	}
	return true
}

func (p *MailParams) setSize(v string) bool {
	if !isDigits(v) || len(v) > 20 { // RFC 1870 §3: 1*20DIGIT
		return false
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	p.Size = n
	return true
}

// validAuth reports whether v is a mailbox or "<>" (RFC 4954 §5).
func validAuth(v string) bool {
	if v == "<>" {
		return true
	}
	_, err := ParseMailbox(v)
	return err == nil
}

// AppendMailParams appends the parameters of MAIL, each with a space before it. What cannot be written is an *Error
// with 501 5.5.4. Whether the peer offers them is the caller's to check.
func AppendMailParams(dst []byte, p MailParams) ([]byte, error) {
	out := dst
	if p.Size > 0 {
		out = append(out, " SIZE="...)
		out = strconv.AppendInt(out, p.Size, 10)
	}
	switch p.Body {
	case "":
	case Body7Bit, Body8BitMIME, BodyBinaryMIME:
		out = append(append(out, " BODY="...), p.Body...)
	default:
		return dst, paramError("Unknown body type")
	}
	if p.UTF8 {
		out = append(out, " SMTPUTF8"...)
	}
	if p.RequireTLS {
		out = append(out, " REQUIRETLS"...)
	}
	if p.Auth != "" {
		if !validAuth(p.Auth) {
			return dst, paramError("Bad AUTH parameter")
		}
		out = AppendXtext(append(out, " AUTH="...), p.Auth)
	}
	switch p.Return {
	case "":
	case ReturnFull, ReturnHeaders:
		out = append(append(out, " RET="...), p.Return...)
	default:
		return dst, paramError("Unknown value of RET")
	}
	if p.EnvelopeID != "" {
		if !printable(p.EnvelopeID) {
			return dst, paramError("Bad ENVID")
		}
		out = AppendXtext(append(out, " ENVID="...), p.EnvelopeID)
	}
	out, err := appendTimely(out, &p)
	if err != nil {
		return dst, err
	}
	out, err = appendParams(out, p.Other)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// appendTimely appends what says when and how soon a message is to be sent.
func appendTimely(dst []byte, p *MailParams) ([]byte, error) {
	switch {
	case !p.DeliverBy.valid():
		return dst, paramError("Bad value of parameter BY")
	case !p.Hold.valid():
		return dst, paramError("Bad value of HOLDFOR or HOLDUNTIL")
	case p.Priority < -9 || p.Priority > 9:
		return dst, paramError("Bad value of parameter MT-PRIORITY")
	}
	if p.DeliverBy.Mode != "" {
		dst = appendDeliverBy(dst, p.DeliverBy)
	}
	dst = appendHold(dst, p.Hold)
	if p.Prioritized || p.Priority != 0 {
		dst = strconv.AppendInt(append(dst, " MT-PRIORITY="...), int64(p.Priority), 10)
	}
	return dst, nil
}
