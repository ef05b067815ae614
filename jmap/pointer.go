package jmap

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A Pointer is a JSON Pointer (RFC 6901) in tokens; where JMAP allows it, a token "*" maps through an array (RFC 8620
// §3.7). The empty Pointer is the whole value.
type Pointer []string

// ErrPointer says that a text is not a JSON Pointer.
var ErrPointer = errors.New("jmap: not a JSON pointer")

// ParsePointer parses the string form, which is "" or starts with "/". The error is ErrPointer.
func ParsePointer(s string) (Pointer, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, ErrPointer
	}
	var p Pointer
	for token := range strings.SplitSeq(s[1:], "/") {
		for i := 0; i < len(token); i++ {
			if token[i] != '~' {
				continue
			}
			if i++; i == len(token) || token[i] != '0' && token[i] != '1' {
				return nil, ErrPointer
			}
		}
		p = append(p, strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~"))
	}
	return p, nil
}

// String returns the form that ParsePointer reads.
func (p Pointer) String() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

var errNoValue = errors.New("jmap: pointer to nothing")

// Eval returns what p points to in v, "*" mapping through arrays with their results flattened. The result is never
// longer than v.
func (p Pointer) Eval(v Raw) (Raw, error) {
	for i, token := range p {
		switch v.kind() {
		case '{':
			ms, err := v.members()
			if err != nil {
				return nil, err
			}
			k := slices.IndexFunc(ms, func(m member) bool { return m.name == token })
			if k < 0 {
				return nil, errNoValue
			}
			v = ms[k].value
		case '[':
			list, err := v.elements()
			if err != nil {
				return nil, err
			}
			if token == "*" {
				return p[i+1:].mapEval(list)
			}
			k, err := arrayIndex(token)
			if err != nil || k >= len(list) {
				return nil, errNoValue
			}
			v = list[k]
		default:
			return nil, errNoValue
		}
	}
	return v, nil
}

// mapEval applies p to each element and joins the results; those that are arrays give their elements.
func (p Pointer) mapEval(list []Raw) (Raw, error) {
	out := []byte{'['}
	for _, e := range list {
		r, err := p.Eval(e)
		if err != nil {
			return nil, err
		}
		if r.kind() == '[' {
			r = r.trim()
			if len(r) == 0 {
				continue
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, r...)
	}
	return append(out, ']'), nil
}

// trim takes the brackets and the white space off an array.
func (r Raw) trim() Raw {
	s := strings.TrimSpace(string(r))
	return Raw(strings.TrimSpace(s[1 : len(s)-1]))
}

// arrayIndex parses "0" or digits without a leading zero (RFC 6901 §4).
func arrayIndex(token string) (int, error) {
	if token == "" || len(token) > 9 || len(token) > 1 && token[0] == '0' || strings.Trim(token, "0123456789") != "" {
		return 0, ErrPointer
	}
	return strconv.Atoi(token)
}
