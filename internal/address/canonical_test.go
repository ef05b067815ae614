package address

import "testing"

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"Bob@Example.COM":       "bob@example.com",
		"bob@bücher.example":    "bob@xn--bcher-kva.example",
		"BÜCHER.example":        "xn--bcher-kva.example",
		"bo\u212a@example.com":  "bo\u212a@example.com", // the Kelvin sign is no k
		`"a@b"@Example.com`:     `"a@b"@example.com`,
		"x@[IPv6:2001:DB8::1]":  "x@[ipv6:2001:db8::1]",
		"":                      "",
		"postmaster@no domain!": "postmaster@no domain!",
	} {
		if got := Canonical(in); got != want || Canonical(got) != got {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
