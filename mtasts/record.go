package mtasts

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSyntax says that a record or policy is malformed; it is wrapped with the place.
var ErrSyntax = errors.New("mtasts: malformed")

// A Record is the TXT record of a domain with a policy (RFC 8461 §3.1).
type Record struct {
	ID string // 1 to 32 letters and digits; another ID is another policy
}

// ParseRecord parses one TXT record, its strings joined. Unknown fields are ignored, of a repeated one all but the
// first. The error wraps ErrSyntax.
func ParseRecord(txt string) (Record, error) {
	rest, ok := strings.CutPrefix(txt, "v=STSv1")
	if !ok {
		return Record{}, fmt.Errorf("%w record: does not begin with v=STSv1", ErrSyntax)
	}
	rest = strings.Trim(rest, " \t")
	if !strings.HasPrefix(rest, ";") {
		return Record{}, fmt.Errorf("%w record: no field after v", ErrSyntax)
	}
	rest = strings.TrimRight(rest[1:], " \t")
	rest = strings.TrimSuffix(rest, ";")
	var r Record
	for field := range strings.SplitSeq(rest, ";") {
		name, value, ok := strings.Cut(strings.Trim(field, " \t"), "=")
		if !ok || !validName(name) || value == "" || strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c > '~' || c == '=' }) {
			return Record{}, fmt.Errorf("%w record: field %q", ErrSyntax, field)
		}
		if name != "id" || r.ID != "" {
			continue
		}
		if len(value) > 32 || strings.ContainsFunc(value, func(c rune) bool { return !alphanumeric(byte(c)) }) {
			return Record{}, fmt.Errorf("%w record: id %q", ErrSyntax, value)
		}
		r.ID = value
	}
	if r.ID == "" {
		return Record{}, fmt.Errorf("%w record: no id", ErrSyntax)
	}
	return r, nil
}

// Append appends the record as it stands in the zone, without quotes.
func (r Record) Append(dst []byte) []byte {
	return append(append(append(dst, "v=STSv1; id="...), r.ID...), ';')
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// validName is sts-ext-name and sts-policy-ext-name.
func validName(s string) bool {
	if s == "" || len(s) > 32 || !alphanumeric(s[0]) {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && !strings.Contains("_-.", s[i:i+1]) {
			return false
		}
	}
	return true
}
