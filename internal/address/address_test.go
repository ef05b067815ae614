package address

import (
	"net/netip"
	"strings"
	"testing"
)

func TestLocal(t *testing.T) {
	tests := []struct {
		in, local, rest string
		err             error
		out             string // "": as in
	}{
		{"alice@x", "alice", "@x", nil, "alice"},
		{"a.b+c=d@x", "a.b+c=d", "@x", nil, "a.b+c=d"},
		{"!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~", "@x", nil, "!#$%&'*+-/=?^_`{|}~"},
		{`"a b"@x`, "a b", "@x", nil, `"a b"`},
		{`"a>b"@x`, "a>b", "@x", nil, `"a>b"`},
		{`"a \"c\\"@x`, `a "c\`, "@x", nil, `"a \"c\\"`},
		{`"plain"@x`, "plain", "@x", nil, "plain"},
		{`"a..b"@x`, "a..b", "@x", nil, `"a..b"`},
		{`""@x`, "", "@x", nil, `""`},
		{"jürgen@x", "jürgen", "@x", nil, "jürgen"},
		{`"j ü"@x`, "j ü", "@x", nil, `"j ü"`},
		{strings.Repeat("a", 64) + "@x", strings.Repeat("a", 64), "@x", nil, strings.Repeat("a", 64)},
		{strings.Repeat("a", 65) + "@x", "", "", errLocalLong, ""},
		{"", "", "", errLocalSyntax, ""},
		{"@x", "", "", errLocalSyntax, ""},
		{".a@x", "", "", errLocalSyntax, ""},
		{"a.@x", "", "", errLocalSyntax, ""},
		{"a..b@x", "", "", errLocalSyntax, ""},
		{`"open@x`, "", "", errLocalSyntax, ""},
		{`"open\`, "", "", errLocalSyntax, ""},
		{"\"a\tb\"@x", "", "", errLocalSyntax, ""},
		{"\"a\\\rb\"@x", "", "", errLocalSyntax, ""},
		{"\"\\\xc3\xbc\"@x", "", "", errLocalSyntax, ""},
		{"\xff@x", "", "", errUTF8, ""},
		{"\"\xff\"@x", "", "", errUTF8, ""},
	}
	for _, tt := range tests {
		local, rest, err := ParseLocal(tt.in)
		if err != tt.err || err == nil && (local != tt.local || rest != tt.rest) {
			t.Errorf("ParseLocal(%q) = %q, %q, %v", tt.in, local, rest, err)
			continue
		}
		if err != nil {
			continue
		}
		if out, err := AppendLocal(nil, local); err != nil || string(out) != tt.out {
			t.Errorf("AppendLocal(%q) = %q, %v, want %q", local, out, err, tt.out)
		}
	}
	for _, bad := range []string{"a\r\nb", "a\x00b", "\x7f", "\xff"} {
		if out, err := AppendLocal([]byte("x"), bad); err == nil || string(out) != "x" {
			t.Errorf("AppendLocal(%q) = %q, %v", bad, out, err)
		}
	}
}

func TestDomain(t *testing.T) {
	label := strings.Repeat("a", 63)
	tests := []struct {
		in, out string
		err     error
	}{
		{"example.com", "example.com", nil},
		{"EXAMPLE.Com", "example.com", nil},
		{"localhost", "localhost", nil},
		{"1.2.3", "1.2.3", nil},
		{"_dmarc.example.com", "_dmarc.example.com", nil},
		{"bücher.example", "xn--bcher-kva.example", nil},
		{"_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example", nil},
		{"XN--bcher-kva.example", "xn--bcher-kva.example", nil},
		{label + ".example", label + ".example", nil},
		{label + "a.example", "", errDomainSyntax},
		{strings.Repeat("a.", 127) + "b", strings.Repeat("a.", 127) + "b", nil},
		{strings.Repeat("a.", 127) + "bc", "", errDomainLong},
		{"", "", errDomainSyntax},
		{".", "", errDomainSyntax},
		{"example.com.", "", errDomainSyntax},
		{"a..b", "", errDomainSyntax},
		{"-a.b", "", errDomainSyntax},
		{"a-.b", "", errDomainSyntax},
		{"a b", "", errDomainSyntax},
		{"a\r\nb", "", errDomainSyntax},
		{"<x>", "", errDomainSyntax},
		{"bü cher.example", "", errDomainSyntax},
		{"\xff.example", "", errUTF8},
	}
	for _, tt := range tests {
		out, err := ToASCII(tt.in)
		if out != tt.out || err != tt.err {
			t.Errorf("ToASCII(%q) = %q, %v, want %q, %v", tt.in, out, err, tt.out, tt.err)
		}
		if got := CheckDomain(tt.in); got != tt.err {
			t.Errorf("CheckDomain(%q) = %v", tt.in, got)
		}
	}
	if !EqualDomain("BÜCHER.example", "xn--bcher-kva.EXAMPLE") || EqualDomain("a.example", "b.example") || EqualDomain("a b", "A B") || !EqualDomain("a b", "a b") {
		t.Error("EqualDomain")
	}
	if got := ToUnicode("xn--bcher-kva.example"); got != "bücher.example" {
		t.Errorf("ToUnicode = %q", got)
	}
	if got := ToUnicode("xn--.example"); got != "xn--.example" {
		t.Errorf("ToUnicode = %q", got)
	}
}

func TestLiteral(t *testing.T) {
	for in, want := range map[string]string{
		"[192.0.2.1]":            "[192.0.2.1]",
		"[IPv6:2001:db8::1]":     "[IPv6:2001:db8::1]",
		"[ipv6:2001:DB8:0::1]":   "[IPv6:2001:db8::1]",
		"[IPv6:::ffff:1.2.3.4]":  "[1.2.3.4]",
		"[2001:db8::1]":          "",
		"[IPv6:192.0.2.1]":       "",
		"[IPv6:fe80::1%eth0]":    "",
		"[192.0.2.256]":          "",
		"[192.0.2.01]":           "",
		"[192.0.2.1":             "",
		"192.0.2.1]":             "",
		"[]":                     "",
		"[IPv6:]":                "",
		"[x-tag:something]":      "",
		"[192.0.2.1\r\nRSET\r\n": "",
	} {
		a, err := ParseLiteral(in)
		got := ""
		if err == nil {
			got = string(AppendLiteral(nil, a))
		}
		if got != want {
			t.Errorf("%q: %q (%v), want %q", in, got, err, want)
		}
	}
	if got := string(AppendLiteral(nil, netip.MustParseAddr("fe80::1%eth0"))); got != "[IPv6:fe80::1]" {
		t.Errorf("zone: %s", got)
	}
}

func FuzzLocal(f *testing.F) {
	for _, s := range []string{"a", `"a b"`, `"\""`, "a..b", "ü", "\xff", `"\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		local, rest, err := ParseLocal(s)
		if err != nil {
			return
		}
		out, err := AppendLocal(nil, local)
		if err != nil {
			t.Fatalf("%q parses to %q, which cannot be written: %v", s, local, err)
		}
		again, tail, err := ParseLocal(string(out) + "@" + rest)
		if err != nil || again != local || tail != "@"+rest {
			t.Fatalf("%q: %q written as %q comes back as %q, %q, %v", s, local, out, again, tail, err)
		}
	})
}

func FuzzDomain(f *testing.F) {
	for _, s := range []string{"example.com", "bücher.example", "xn--bcher-kva", "a。b", "ß.example", "\u200d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ToASCII(s)
		if err != nil {
			return
		}
		if again, err := ToASCII(a); err != nil || again != a {
			t.Fatalf("%q: %q is %q, %v", s, a, again, err)
		}
		if strings.ContainsAny(a, " \r\n\x00<>@") || len(a) > MaxDomain {
			t.Fatalf("%q: %q", s, a)
		}
	})
}
