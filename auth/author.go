package auth

import (
	"bytes"
	"strings"

	"github.com/mailbricks/mailbricks/internal/header"
)

// fromValues returns the values of all From fields, for dmarc, and beside them whole lines that one reader takes for a
// From field and another does not: a first line that begins with white space, a name with octets that no name has (RFC
// 5322 §2.2), what stands behind a bare CR. With such a line there is no single author domain (RFC 9989 §11.5).
func fromValues(section []byte) []string {
	var out []string
	for f := range header.Fields(section) {
		if f.Is("From") {
			out = append(out, string(f.Value))
		} else if len(f.Name) == 0 && likeFrom(f.Raw) {
			out = append(out, string(f.Raw))
		}
		for rest := f.Raw; ; {
			_, after, ok := bytes.Cut(rest, []byte("\r"))
			if !ok {
				break
			}
			if rest = after; likeFrom(rest) && rest[0] != '\n' { // what follows CRLF is the rest of the field
				out = append(out, string(rest))
			}
		}
	}
	return out
}

// likeFrom reports whether a line has the name From, whatever else its name has that is no letter, digit or hyphen.
func likeFrom(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) > 100 {
		return false
	}
	letters := bytes.Map(func(r rune) rune {
		if r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '\n' {
			return r
		}
		return -1
	}, name)
	return strings.EqualFold(string(letters), "From")
}
