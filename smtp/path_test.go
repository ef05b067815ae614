package smtp

import (
	"errors"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	l64, d63 := strings.Repeat("l", 64), strings.Repeat("d", 63)
	d255 := d63 + "." + d63 + "." + d63 + "." + d63
	tests := []struct {
		in   string
		path Path
		out  string // "" for a refusal
	}{
		{"<>", Path{}, "<>"},
		{"<alice@example.com>", Path{"alice", "example.com"}, "<alice@example.com>"},
		{"<Postmaster>", Path{"Postmaster", ""}, "<Postmaster>"},
		{"<postMASTER>", Path{"postMASTER", ""}, "<postMASTER>"},
		{"<postmaster@x>", Path{"postmaster", "x"}, "<postmaster@x>"},
		{"<alice>", Path{}, ""},
		{"<@x,@y.example:b@t>", Path{"b", "t"}, "<b@t>"},
		{"<@x:b@t>", Path{"b", "t"}, "<b@t>"},
		{"<@x:>", Path{}, ""},
		{"<@x b@t>", Path{}, ""},
		{"<@x,y:b@t>", Path{}, ""},
		{"<@-:b@t>", Path{}, ""},
		{`<"a>b"@t>`, Path{"a>b", "t"}, `<"a>b"@t>`},
		{`<"a b\"c"@t>`, Path{`a b"c`, "t"}, `<"a b\"c"@t>`},
		{`<"a@b"@t>`, Path{"a@b", "t"}, `<"a@b"@t>`},
		{`<"plain"@t>`, Path{"plain", "t"}, "<plain@t>"},
		{`<""@t>`, Path{"", "t"}, `<""@t>`},
		{`<"">`, Path{}, ""},
		{"<a@[192.0.2.1]>", Path{"a", "[192.0.2.1]"}, "<a@[192.0.2.1]>"},
		{"<a@[IPv6:2001:db8::1]>", Path{"a", "[IPv6:2001:db8::1]"}, "<a@[IPv6:2001:db8::1]>"},
		{"<a@[2001:db8::1]>", Path{}, ""},
		{"<a@[300.0.0.1]>", Path{}, ""},
		{"<jürgen@bücher.example>", Path{"jürgen", "bücher.example"}, "<jürgen@bücher.example>"},
		{"<\xff@t>", Path{}, ""},
		{"<a@\xff>", Path{}, ""},
		{"<" + l64 + "@t>", Path{l64, "t"}, "<" + l64 + "@t>"},
		{"<" + l64 + "l@t>", Path{}, ""},
		{"<a@" + d255 + ">", Path{"a", d255}, "<a@" + d255 + ">"},
		{"<a@" + d255 + "d>", Path{}, ""},
		{"<a@" + d255 + ".d>", Path{}, ""},
		{"<" + strings.Repeat("@"+d63+",", 6) + "@x:a@t>", Path{"a", "t"}, "<a@t>"},
		{"<" + strings.Repeat("@"+d63+",", 8) + "@x:a@t>", Path{}, ""},
		{"alice@example.com", Path{}, ""},
		{"<alice@example.com", Path{}, ""},
		{"<alice@>", Path{}, ""},
		{"<@example.com>", Path{}, ""},
		{"<a b@t>", Path{}, ""},
		{"<a@b@t>", Path{}, ""},
		{"<a@t >", Path{}, ""},
		{"< a@t>", Path{}, ""},
		{"<<a@t>>", Path{}, ""},
		{"<a\x00b@t>", Path{}, ""},
		{"<a@t\r\nRSET>", Path{}, ""},
		{"", Path{}, ""},
	}
	for _, tt := range tests {
		const tail = " SIZE=1"
		p, rest, err := ParsePath(tt.in + tail)
		if tt.out == "" {
			if e, ok := errors.AsType[*Error](err); !ok || e.Reply.Code != 501 || rest != tt.in+tail {
				t.Errorf("%q: %v, %q, %v", tt.in, p, rest, err)
			}
			continue
		}
		if err != nil || p != tt.path || rest != tail {
			t.Errorf("%q: %#v, %q, %v", tt.in, p, rest, err)
		}
		if got := p.String(); got != tt.out {
			t.Errorf("%q written as %q", tt.in, got)
		}
	}
}

func TestAppendPathRefuses(t *testing.T) {
	for _, p := range []Path{
		{"a\r\nb", "t"}, {"a\x00b", "t"}, {"a", "t\r\nRSET"}, {"a", "t>"}, {"a", ""}, {"a", "x y"}, {"\xff", "t"}, {"", "-"},
		{"a", "[1.2.3]"},
	} {
		out, err := AppendPath([]byte("TO:"), p)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reply.Code != 553 || string(out) != "TO:" {
			t.Errorf("%#v: %q, %v", p, out, err)
		}
		if p.String() != "<?>" {
			t.Errorf("%#v: %s", p, p)
		}
	}
}

func TestPathEqual(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"<a@Example.COM>", "<a@example.com>", true},
		{"<A@example.com>", "<a@example.com>", false},
		{"<a@bücher.example>", "<a@xn--bcher-kva.example>", true},
		{"<a@[IPv6:2001:DB8::1]>", "<a@[IPv6:2001:db8::1]>", true},
		{"<POSTMASTER>", "<postmaster>", true},
		{"<Postmaster@x>", "<postmaster@x>", true},
		{"<Postmaster@x>", "<postmaster>", false},
		{"<>", "<a@b>", false},
	} {
		a, _, err1 := ParsePath(tt.a)
		b, _, err2 := ParsePath(tt.b)
		if err1 != nil || err2 != nil || a.Equal(b) != tt.want || b.Equal(a) != tt.want {
			t.Errorf("%s = %s: want %v", tt.a, tt.b, tt.want)
		}
	}
}

func TestParseMailbox(t *testing.T) {
	for in, want := range map[string]string{
		"alice@example.com": "<alice@example.com>", `"a b"@t`: `<"a b"@t>`,
		"": "", "alice": "", "postmaster": "", "a@b>": "", "a@b> <c@d": "", "@x:a@b": "", "<a@b>": "",
	} {
		p, err := ParseMailbox(in)
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("%q: %v, %v", in, p, err)
		}
		if err == nil && p.Address() != in {
			t.Errorf("%q: Address %q", in, p.Address())
		}
	}
	if (Path{}).Address() != "" {
		t.Error("null path")
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"<>", "<a@b>", `<"a>b"@t> x`, "<@x,@y:b@t>", "<Postmaster>", "<a@[IPv6:::1]>", "<ü@ü>", "<\"\\\"\"@x>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, rest, err := ParsePath(s)
		if err != nil {
			return
		}
		out, err := AppendPath(nil, p)
		if err != nil {
			t.Fatalf("%q parses to %#v, which cannot be written: %v", s, p, err)
		}
		if strings.ContainsAny(string(out), "\r\n\x00") || len(out) > len(s)-len(rest)+2*len(p.Local) {
			t.Fatalf("%q written as %q", s, out)
		}
		if again, tail, err := ParsePath(string(out) + rest); err != nil || again != p || tail != rest {
			t.Fatalf("%q: %q comes back as %#v, %q, %v", s, out, again, tail, err)
		}
	})
}
