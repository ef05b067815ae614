package mail

import "strings"

// Keyword returns the JMAP keyword of an IMAP flag, or "" for \Deleted and \Recent, which have none (RFC 8621 §4.1.1).
// Keywords are lower case.
func Keyword(flag string) string {
	k := strings.ToLower(flag)
	if name, ok := strings.CutPrefix(k, `\`); ok {
		if name == "deleted" || name == "recent" {
			return ""
		}
		return "$" + name
	}
	return k
}

// Flag returns the IMAP flag of a JMAP keyword.
func Flag(keyword string) string {
	switch k := strings.ToLower(keyword); k {
	case "$seen":
		return `\Seen`
	case "$answered":
		return `\Answered`
	case "$flagged":
		return `\Flagged`
	case "$draft":
		return `\Draft`
	}
	return keyword
}

// ValidKeyword reports whether k is 1 to 255 characters from %x21 to %x7e without ( ) { ] % * " \ (RFC 8621 §4.1.1).
func ValidKeyword(k string) bool {
	if len(k) == 0 || len(k) > 255 {
		return false
	}
	for i := range len(k) {
		if c := k[i]; c < 0x21 || c > 0x7e || strings.IndexByte(`(){]%*"\`, c) >= 0 {
			return false
		}
	}
	return true
}
