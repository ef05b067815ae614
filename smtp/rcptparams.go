package smtp

import "strings"

// notifyNames lists the conditions of NOTIFY in the order in which they are written.
func notifyNames(yield func(DSNNotify, string) bool) {
	_ = yield(NotifyNever, "NEVER") && yield(NotifySuccess, "SUCCESS") && yield(NotifyFailure, "FAILURE") && yield(NotifyDelay, "DELAY")
}

// ParseRcptParams parses the parameters of RCPT. Unknown ones go to Other. The errors are *Error with 501 5.5.4.
func ParseRcptParams(s string) (RcptParams, error) {
	list, err := ParseParams(s)
	if err != nil {
		return RcptParams{}, err
	}
	var p RcptParams
	for _, q := range list {
		ok := true
		switch q.Keyword {
		case "NOTIFY":
			p.Notify, ok = parseNotify(q.Value)
		case "ORCPT":
			ok = p.setOriginal(q.Value)
		default:
			p.Other = append(p.Other, q)
		}
		if !ok {
			return RcptParams{}, paramError("Bad value of parameter " + q.Keyword)
		}
	}
	return p, nil
}

func parseNotify(v string) (DSNNotify, bool) {
	var n DSNNotify
	for word := range strings.SplitSeq(strings.ToUpper(v), ",") {
		var bit DSNNotify
		for b, name := range notifyNames {
			if name == word {
				bit = b
			}
		}
		if bit == 0 || n&bit != 0 {
			return 0, false
		}
		n |= bit
	}
	return n, n&NotifyNever == 0 || n == NotifyNever
}

func (p *RcptParams) setOriginal(v string) bool {
	kind, addr, ok := strings.Cut(v, ";")
	if !ok || !validAtom(kind) || addr == "" || len(v) > maxOriginal {
		return false
	}
	p.OriginalType = kind
	if strings.EqualFold(kind, "utf-8") {
		p.Original = parseUnitext(addr)
		return !hasControl(p.Original)
	}
	text, err := ParseXtext(addr)
	p.Original = text
	return err == nil && printable(text) // white space too: RFC 3461 §4.2
}

// AppendRcptParams appends the parameters of RCPT, each with a space before it. What cannot be written is an *Error
// with 501 5.5.4. Whether the peer offers them is the caller's to check. An ORCPT of type utf-8 is written in its ASCII
// form.
func AppendRcptParams(dst []byte, p RcptParams) ([]byte, error) {
	out := dst
	if p.Notify != 0 {
		if p.Notify&NotifyNever != 0 && p.Notify != NotifyNever || p.Notify > NotifyDelay<<1-1 {
			return dst, paramError("Bad NOTIFY")
		}
		sep := " NOTIFY="
		for bit, name := range notifyNames {
			if p.Notify&bit != 0 {
				out = append(append(out, sep...), name...)
				sep = ","
			}
		}
	}
	if p.OriginalType != "" || p.Original != "" {
		utf8 := strings.EqualFold(p.OriginalType, "utf-8")
		if !validAtom(p.OriginalType) || p.Original == "" || utf8 && hasControl(p.Original) || !utf8 && !printable(p.Original) {
			return dst, paramError("Bad ORCPT")
		}
		out = append(append(append(out, " ORCPT="...), p.OriginalType...), ';')
		if utf8 {
			out = appendUnitext(out, p.Original)
		} else {
			out = AppendXtext(out, p.Original)
		}
	}
	out, err := appendParams(out, p.Other)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// validAtom reports whether s is an ASCII atom (RFC 5322 §3.2.3).
func validAtom(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>[]:;@\,."`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
