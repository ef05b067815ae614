package message

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// A MediaType is the value of a Content-Type field (RFC 2045 §5.1).
type MediaType struct {
	Type, Subtype string // lower case
	Params        Params
}

// A Disposition is the value of a Content-Disposition field (RFC 2183 §2).
type Disposition struct {
	Type   string // lower case: "inline", "attachment"
	Params Params
}

// Params are parameters in the order in which they were written, as they were written: RFC 2231 pieces are apart.
// Lookup joins them.
type Params []Param

// A Param is one parameter. Name is in lower case, Value without quotes.
type Param struct {
	Name, Value string
}

// A ParamValue is a parameter's value with what RFC 2231 §4 tells of it. Value is in Charset; where that is "" the
// value was written without one and is ASCII or, more often than allowed, UTF-8.
type ParamValue struct {
	Value, Charset, Language string
}

// ParseMediaType reads the value of a Content-Type field, folded or not. It takes what it can: comments anywhere,
// quotes left open, missing semicolons, values with spaces that lack quotes. Without a type and a subtype the zero
// MediaType is returned, but "text" alone is text/plain.
func ParseMediaType(value []byte) MediaType {
	s := scanner{b: value}
	typ, sub := s.mediaType()
	if len(typ) == 0 {
		return MediaType{}
	}
	return MediaType{Type: lowerString(typ), Subtype: lowerString(sub), Params: s.params()}
}

// ParseDisposition reads the value of a Content-Disposition field with the leniency of ParseMediaType.
func ParseDisposition(value []byte) Disposition {
	s := scanner{b: value}
	s.skip()
	return Disposition{Type: lowerString(s.token()), Params: s.params()}
}

// Lookup returns the value of a parameter by its name in lower case, its pieces joined and percent-encoding undone
// (RFC 2231 §3, §4). An encoded form counts before a plain one.
func (ps Params) Lookup(name string) (ParamValue, bool) {
	type piece struct {
		n       int
		encoded bool
		value   string
	}
	var pieces []piece
	plain := -1
	for i, p := range ps {
		rest, ok := strings.CutPrefix(p.Name, name)
		switch {
		case !ok:
			continue
		case rest == "":
			if plain < 0 {
				plain = i
			}
			continue
		case rest == "*":
			return decodeValue(p.Value), true
		case rest[0] != '*':
			continue
		}
		number, encoded := strings.CutSuffix(rest[1:], "*")
		if n, err := strconv.ParseUint(number, 10, 31); err == nil {
			pieces = append(pieces, piece{int(n), encoded, p.Value})
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return a.n - b.n })
	if len(pieces) > 0 && pieces[0].n == 0 {
		var v ParamValue
		var b strings.Builder
		for i, p := range pieces {
			switch {
			case i > 0 && p.n == pieces[i-1].n:
				continue
			case i > 0 && p.n != pieces[i-1].n+1:
				v.Value = b.String()
				return v, true
			case !p.encoded:
				b.WriteString(p.value)
			case p.n == 0:
				v = decodeValue(p.value)
				b.WriteString(v.Value)
			default:
				b.WriteString(unpercent(p.value))
			}
		}
		v.Value = b.String()
		return v, true
	}
	if plain >= 0 {
		return ParamValue{Value: ps[plain].Value}, true
	}
	return ParamValue{}, false
}

// decodeValue splits charset'language'value.
func decodeValue(s string) ParamValue {
	charset, rest, ok := strings.Cut(s, "'")
	language, value, ok2 := strings.Cut(rest, "'")
	if !ok || !ok2 {
		return ParamValue{Value: unpercent(s)}
	}
	return ParamValue{Value: unpercent(value), Charset: charset, Language: language}
}

// unpercent undoes percent-encoding; what is not one stays.
func unpercent(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// A scanner reads the structured value of a field.
type scanner struct {
	b []byte
}

// skip passes white space and comments (RFC 5322 §3.2.2).
func (s *scanner) skip() {
	depth := 0
	for i := 0; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '(':
			depth++
		case depth == 0:
			s.b = s.b[i:]
			return
		case c == ')':
			depth--
		case c == '\\':
			i++
		}
	}
	s.b = nil
}

// token reads up to what cannot be in one.
func (s *scanner) token() []byte {
	i := 0
	for i < len(s.b) && !special(s.b[i]) {
		i++
	}
	t := s.b[:i]
	s.b = s.b[i:]
	return t
}

// special reports what no token has: tspecials of RFC 2045 §5.1 and white space.
func special(c byte) bool {
	const low = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n' | 1<<'(' | 1<<')' | 1<<'<' | 1<<'>' | 1<<',' | 1<<';' | 1<<':' | 1<<'"' | 1<<'/' | 1<<'?' | 1<<'='
	const high = 1<<('@'-64) | 1<<('['-64) | 1<<('\\'-64) | 1<<(']'-64)
	return c < 64 && uint64(low)>>c&1 == 1 || 64 <= c && c < 128 && uint64(high)>>(c-64)&1 == 1
}

// mediaType reads type/subtype; both are empty where that fails.
func (s *scanner) mediaType() (typ, sub []byte) {
	s.skip()
	typ = s.token()
	s.skip()
	if len(s.b) > 0 && s.b[0] == '/' {
		s.b = s.b[1:]
		s.skip()
		sub = s.token()
	} else if equalFold(typ, "text") {
		sub = []byte("plain")
	}
	if len(typ) == 0 || len(sub) == 0 {
		return nil, nil
	}
	return typ, sub
}

func (s *scanner) params() Params {
	var ps Params
	for {
		name, value, ok := s.param()
		if !ok {
			return ps
		}
		ps = append(ps, Param{lowerString(name), common(value)})
	}
}

// param reads the next name=value; others are passed over.
func (s *scanner) param() (name, value []byte, ok bool) {
	for {
		s.skip()
		if len(s.b) == 0 {
			return nil, nil, false
		}
		name = s.token()
		s.skip()
		switch {
		case len(s.b) == 0:
			return nil, nil, false
		case len(name) > 0 && s.b[0] == '=':
			s.b = s.b[1:]
			return name, s.value(), true
		case len(name) == 0:
			s.b = s.b[1:] // a semicolon, or what does not belong here
		}
	}
}

// value reads a quoted string, or up to the next semicolon or comment.
func (s *scanner) value() []byte {
	s.skip()
	if len(s.b) == 0 || s.b[0] != '"' {
		i := 0
		for i < len(s.b) && s.b[i] != ';' && (s.b[i] != '(' || i == 0 || !isSpace(s.b[i-1])) {
			i++
		}
		v := bytes.TrimRight(s.b[:i], " \t\r\n")
		s.b = s.b[i:]
		return unbreak(v)
	}
	b := s.b[1:]
	escaped := false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			s.b = b[i+1:]
			return unquote(b[:i], escaped)
		}
	}
	s.b = nil
	return unquote(bytes.TrimRight(b, " \t\r\n"), escaped)
}

// boundary reads on to the parameter boundary and returns its value, nil if there is none.
func (s *scanner) boundary() []byte {
	rest := *s
	pieces := false
	for {
		name, value, ok := s.param()
		switch {
		case !ok && pieces:
			v, _ := rest.params().Lookup("boundary")
			return []byte(v.Value)
		case !ok:
			return nil
		case equalFold(name, "boundary"):
			return value
		case len(name) >= len("boundary*") && equalFold(name[:len("boundary*")], "boundary*"):
			pieces = true
		}
	}
}

func unquote(b []byte, escaped bool) []byte {
	b = unbreak(b)
	if !escaped {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			i++
		}
		out = append(out, b[i])
	}
	return out
}

// unbreak removes line breaks.
func unbreak(b []byte) []byte {
	if bytes.IndexByte(b, '\n') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return append(out, b...)
		}
		out = append(out, trimBreak(b[:i+1])...)
		b = b[i+1:]
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lowerString(b []byte) string {
	for i, c := range b {
		if c != lower(c) {
			out := slices.Clone(b)
			for j := i; j < len(out); j++ {
				out[j] = lower(out[j])
			}
			return string(out)
		}
	}
	return common(b)
}

// common returns b as a string, without a copy for what most mail says.
func common(b []byte) string {
	switch string(b) {
	case "text":
		return "text"
	case "plain":
		return "plain"
	case "html":
		return "html"
	case "multipart":
		return "multipart"
	case "charset":
		return "charset"
	case "utf-8":
		return "utf-8"
	case "UTF-8":
		return "UTF-8"
	case "quoted-printable":
		return "quoted-printable"
	case "base64":
		return "base64"
	}
	return string(b)
}
