package smtp

import (
	"errors"
	"strings"
	"testing"
)

// TestMalformed gives each parser of one piece of a command what it has to refuse, with the reply that the peer gets.
func TestMalformed(t *testing.T) {
	mailbox := func(s string) error { _, err := ParseMailbox(s); return err }
	hello := func(s string) error { _, err := ParseHello(s); return err }
	xtext := func(s string) error { _, err := ParseXtext(s); return err }
	params := func(s string) error { _, err := ParseParams(s); return err }
	for _, tt := range []struct {
		name  string
		parse func(string) error
		reply string
		in    []string
	}{
		{"hello", hello, "501 5.5.4", []string{"", " ", "two words", "<x>", "a@b", "a\"b", "a;b", "(x)", "[]", "[", "[a", "a]", "[<>]", "bücher", "\xff", "a\x00b", "a\r\nb", "a:b", strings.Repeat("a", 256)}},
		{"mailbox", mailbox, "501 5.1.3", []string{"", "@", "a@", "@b", "alice", "postmaster", "a@b>", "<a@b>", "a@b> <c@d", "@x:a@b", "a b@c", "a..b@c", ".a@b", "a.@b", "a@b..c", "a@-b", "a@[1.2.3]", "a@[::1]", "\"a@b", "\"a\"b@c", "a@b\r\nRSET", "\x00@b", strings.Repeat("a", 65) + "@b"}},
		{"xtext", xtext, "501 5.5.4", []string{"+", "a+", "+4", "+ZZ", "+4z", "a b", "a=b", "\x00", "\t", "ü", "\x7f", "+ +"}},
		{"params", params, "501 5.5.4", []string{" =", " =1", " -X", " X=", " X==", " X=a=b", " X_Y", " X=\xff", " \x00", " X=\x7f", " " + strings.Repeat("K", 65)}},
	} {
		for _, in := range tt.in {
			err := tt.parse(in)
			e, ok := errors.AsType[*Error](err)
			if !ok || (Reply{Code: e.Reply.Code, Enhanced: e.Reply.Enhanced}).String() != tt.reply {
				t.Errorf("%s %.30q: %v; want %s", tt.name, in, err, tt.reply)
			}
		}
	}
}

// FuzzHello: what ParseHello takes can be echoed, and what ParseMailbox takes is what it writes.
func FuzzHello(f *testing.F) {
	for _, s := range []string{"mx.example.com", "[IPv6:::1]", "a@b", `"a b"@c`, "\xff", "[]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseHello(s); err == nil && (got != s || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' })) {
			t.Fatalf("%q became %q", s, got)
		}
		if p, err := ParseMailbox(s); err == nil {
			if again, err := ParseMailbox(p.Address()); err != nil || again != p {
				t.Fatalf("%q is %+v, written %q: %+v, %v", s, p, p.Address(), again, err)
			}
		}
	})
}
