package dnstest

import (
	"iter"
	"strings"

	"github.com/miekg/dns"
)

// ancestors yields the names above a canonical name, the root last.
func ancestors(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name != "." {
			i, end := dns.NextLabel(name, 0)
			if end {
				name = "."
			} else {
				name = name[i:]
			}
			if !yield(name) {
				return
			}
		}
	}
}

// escapeText writes a character string as miekg/dns keeps it: a backslash stands for itself only when doubled.
func escapeText(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }
