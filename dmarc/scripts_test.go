package dmarc_test

import (
	"testing"

	"golang.org/x/net/idna"

	"github.com/mailbricks/mailbricks/dmarc"
)

func TestMixedScripts(t *testing.T) {
	for domain, want := range map[string]bool{
		"example.com":           false,
		"b\u00fccher.example":   false,
		"xn--bcher-kva.example": false,
		"пример.example":        false, // Cyrillic alone beside a label in Latin
		"ex\u0430mple.com":      true,  // Cyrillic a
		"\u0430pple.com":        true,
		"аррӏе.com":             false, // Cyrillic alone: looks alike, and mixes nothing
		"g\u03bfogle.com":       true,  // Greek omicron
		"日本語テスト.example":        false,
		"日本語abcひらがな.example":    false,
		"한국漢字abc.example":       false,
		"日本\u0430.example":      true,
		"ひらがな한국.example":        true,
		"a-1.b_2.example":       false,
		"पते.example":           false,
		"xn--\x80.example":      true,
	} {
		if got := dmarc.MixedScripts(domain); got != want {
			t.Errorf("%q: %v", domain, got)
		}
		if a, err := idna.ToASCII(domain); err == nil && dmarc.MixedScripts(a) != want {
			t.Errorf("%q as %s: %v", domain, a, !want)
		}
	}
}
