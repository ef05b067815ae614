package dmarc

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// MixedScripts reports whether a label of a domain, in A-labels or U-labels, has letters of scripts that are not written
// together: Latin and Cyrillic, say, whose letters look alike. Japanese, Korean and Chinese, each with Latin, are
// written together. A person who is shown such a domain should be shown its A-labels (UTS #39 §5.2, highly restrictive). DMARC
// itself says nothing about looks.
func MixedScripts(domain string) bool {
	for label := range strings.SplitSeq(domain, ".") {
		if strings.HasPrefix(strings.ToLower(label), "xn--") {
			u, err := idna.Punycode.ToUnicode(label)
			if err != nil {
				return true // nobody can tell
			}
			label = u
		}
		if mixed(label) {
			return true
		}
	}
	return false
}

// together are the sets of scripts that one label may have.
func together() [][]*unicode.RangeTable {
	return [][]*unicode.RangeTable{
		{unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana},
		{unicode.Latin, unicode.Han, unicode.Hangul},
		{unicode.Latin, unicode.Han, unicode.Bopomofo},
	}
}

func mixed(label string) bool {
	if strings.IndexFunc(label, func(r rune) bool { return r >= 0x80 }) < 0 {
		return false
	}
	var first *unicode.RangeTable // script of the first letter
	one := true
	for _, r := range label {
		if !unicode.IsLetter(r) || unicode.Is(unicode.Common, r) || unicode.Is(unicode.Inherited, r) {
			continue
		}
		if first == nil {
			for _, table := range unicode.Scripts {
				if unicode.Is(table, r) {
					first = table
					break
				}
			}
		}
		one = one && first != nil && unicode.Is(first, r)
	}
	if one {
		return false
	}
next:
	for _, set := range together() {
		for _, r := range label {
			if unicode.IsLetter(r) && !unicode.Is(unicode.Common, r) && !unicode.In(r, set...) {
				continue next
			}
		}
		return false
	}
	return true
}
