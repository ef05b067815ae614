package hashcash

import (
	"iter"
	"strings"
)

// HeaderName is the name of the header field that carries a stamp.
const HeaderName = "X-Hashcash"

// MaxStamps is how many stamps of one message Stamps looks at.
const MaxStamps = 32

// AppendHeader appends the header field with its final CRLF, folded to at most 76 octets a line. A folded stamp is
// read back by Stamps.
func AppendHeader(dst []byte, s Stamp) []byte {
	dst = append(dst, HeaderName+": "...)
	room := 76 - len(HeaderName) - 2
	text := s.text
	for len(text) > room {
		dst = append(dst, text[:room]...)
		dst = append(dst, "\r\n "...)
		text, room = text[room:], 75
	}
	dst = append(dst, text...)
	return append(dst, "\r\n"...)
}

// Stamps yields the stamps of X-Hashcash field values, white space of folding taken out, the first MaxStamps of them.
// Those too long for a stamp are left out.
func Stamps(values iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		n := 0
		for v := range values {
			if n == MaxStamps {
				return
			}
			n++
			if len(v) > 2*MaxLength {
				continue
			}
			if !yield(strings.Join(strings.Fields(v), "")) {
				return
			}
		}
	}
}
