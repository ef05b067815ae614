package smtp

import (
	"strings"
	"unicode/utf8"
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
