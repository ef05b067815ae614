package dmarc

import (
	"errors"
	"strings"
	"testing"
)

func TestAuthorDomain(t *testing.T) {
	for _, tt := range []struct {
		from string
		want string // a domain, "none", "several author domains" or "malformed From field"
	}{
		{" alice@example.com", "example.com"},
		{" Alice <alice@Example.COM>", "example.com"},
		{` "Alice, the first" <alice@example.com>`, "example.com"},
		{` "eve@evil.example" <alice@example.com>`, "example.com"},
		{" =?utf-8?q?J=C3=BCrgen_=3Ceve=40evil.example=3E?= <j@example.com>", "example.com"},
		{" (eve@evil.example) alice@example.com (and (nested) ones)", "example.com"},
		{" Alice\r\n <alice@example.com>", "example.com"},
		{" alice@b\xc3\xbccher.example", "xn--bcher-kva.example"},
		{" J\xc3\xbcrgen <j@example.com>", "example.com"},
		{` "quoted local"@example.com`, "example.com"},
		{` <"a>b"@example.com>`, "example.com"},
		{" <@relay.example,@other.example:alice@example.com>", "example.com"},
		{" alice@example.com, bob@EXAMPLE.com", "example.com"}, // one author domain (RFC 9989 §5.3.1)
		{" Team: alice@example.com, Bob <bob@example.com>;", "example.com"},
		{" alice@example.com.", "example.com"},
		{" ,alice@example.com,", "example.com"},
		{" Undisclosed:;", "none"},

		{" alice@example.com, bob@example.org", "several author domains"},
		{" Team: alice@example.com, bob@example.org;", "several author domains"},
		{" Team: alice@example.com;, bob@example.org", "several author domains"},
		{"", "malformed From field"},
		{" ", "malformed From field"},
		{" Alice", "malformed From field"},
		{" <>", "malformed From field"},
		{" alice@", "malformed From field"},
		{" @example.com", "malformed From field"},
		{" alice@example.com <bob@example.org>", "malformed From field"},
		{" <alice@example.com> <bob@example.org>", "malformed From field"},
		{" <alice@example.com>bob@example.org", "malformed From field"},
		{" alice@example.com bob@example.org", "malformed From field"},
		{" alice@example.com@example.org", "malformed From field"},
		{" <alice@example.com", "malformed From field"},
		{" alice@example.com>", "malformed From field"},
		{" alice@[192.0.2.1]", "malformed From field"},
		{" alice@exam ple.com", "malformed From field"},
		{" alice@example..com", "malformed From field"},
		{" alice@example.com\x00.evil.example", "malformed From field"},
		{" alice\x00@example.com", "malformed From field"},
		{" (open alice@example.com", "malformed From field"},
		{` "open <alice@example.com>`, "malformed From field"},
		{" Team: Inner: alice@example.com;;", "malformed From field"},
		{" Team: alice@example.com", "malformed From field"},
		{" alice@example.com;", "malformed From field"},
		{" alice@\xff\xfe.example", "malformed From field"},
		{" a b@example.com", "malformed From field"},
		{" <alice@example.com:bob@example.org>", "malformed From field"},
		{" " + strings.Repeat("(", 100_000), "malformed From field"},
		{" alice@" + strings.Repeat("a", 64) + ".example", "malformed From field"},
	} {
		got, err := AuthorDomain([]string{tt.from})
		if errors.Is(err, ErrNoAuthor) {
			got = "none"
		} else if e, ok := errors.AsType[*AuthorError](err); ok {
			got = e.Reason
		}
		if got != tt.want {
			t.Errorf("%.60q: %q, %v; want %q", tt.from, got, err, tt.want)
		}
	}
	if _, err := AuthorDomain(nil); !errors.Is(err, ErrNoAuthor) {
		t.Error(err)
	}
	if _, err := AuthorDomain([]string{"a@example.com", "a@example.com"}); err == nil || errors.Is(err, ErrNoAuthor) {
		t.Error("two From fields: ", err)
	}
}

func FuzzAuthorDomain(f *testing.F) {
	f.Add(` "A" <a@example.com>, b@example.com`)
	f.Add("0@ǌ") // IDNA maps it to nj
	f.Add(" G: <@r:a@x.example>, (c (c) \\) ) b@x.example;")
	f.Fuzz(func(t *testing.T, from string) {
		d, err := AuthorDomain([]string{from})
		if err == nil && (d == "" || d != strings.ToLower(d) || strings.ContainsAny(d, " \t\r\n\x00<>@,;:()\"") || len(d) > 253) {
			t.Fatalf("%q: %q", from, d)
		}
		ascii := !strings.ContainsFunc(from, func(c rune) bool { return c > 127 })
		if err == nil && ascii && !strings.Contains(strings.ToLower(from), d) {
			t.Fatalf("%q: %q comes from nowhere", from, d)
		}
	})
}
