package header

import (
	"errors"
	"fmt"
	"strings"
)

// ErrTags says that a tag list is malformed; it is wrapped with the place.
var ErrTags = errors.New("malformed tag list")

// MaxTags is how many tags a list has at most.
const MaxTags = 64

// A Tag is one tag of a list: RFC 6376 §3.2.
type Tag struct {
	Name  string
	Value string // white space at both ends taken off, folding within kept
}

// Tags is a tag list in its order.
type Tags []Tag

// Get returns the value of a tag; names are case-sensitive.
func (t Tags) Get(name string) (string, bool) {
	for _, tag := range t {
		if tag.Name == name {
			return tag.Value, true
		}
	}
	return "", false
}

// ParseTags parses a tag list. A repeated name makes the whole list invalid (RFC 6376 §3.2). The error wraps ErrTags.
func ParseTags(s string) (Tags, error) {
	tags := make(Tags, 0, min(strings.Count(s, ";")+1, MaxTags))
	for part := range strings.SplitSeq(s, ";") {
		part = TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = TrimSpace(name), TrimSpace(value)
		if !ok || !tagName(name) {
			return nil, fmt.Errorf("%w: %.40q is no tag=value", ErrTags, part)
		}
		for i := range len(value) {
			if c := value[i]; c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f {
				return nil, fmt.Errorf("%w: control character in tag %s", ErrTags, name)
			}
		}
		if _, twice := tags.Get(name); twice {
			return nil, fmt.Errorf("%w: tag %s is repeated", ErrTags, name)
		}
		if len(tags) == MaxTags {
			return nil, fmt.Errorf("%w: more than %d tags", ErrTags, MaxTags)
		}
		tags = append(tags, Tag{name, value})
	}
	return tags, nil
}

func tagName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// TrimSpace takes folding white space off both ends.
func TrimSpace(s string) string { return strings.Trim(s, " \t\r\n") }

// StripSpace takes all folding white space out.
func StripSpace(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return string(AppendStripped(make([]byte, 0, len(s)), s))
}

// AppendStripped appends s without its folding white space.
func AppendStripped(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
