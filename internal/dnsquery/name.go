package dnsquery

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Canonical turns a name as callers write it (raw octets, dots between labels, final dot or not) into the escaped,
// lower-case, fully qualified form of questions.
func Canonical(name string) string {
	plain := true
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c > '~' || strings.IndexByte(`'@;()"\`, c) >= 0 {
			plain = false
			break
		}
	}
	if plain {
		return dns.CanonicalName(name)
	}
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		case strings.IndexByte(` '@;()"\`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return dns.CanonicalName(b.String())
}

// unescape undoes the presentation form of a character string: \DDD and \X.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) && digit(s[i+1]) && digit(s[i+2]) && digit(s[i+3]) {
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
			i += 3
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
