package smtp

import (
	"errors"
	"testing"
)

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Command
		ok   bool
	}{
		{"NOOP", Command{"NOOP", ""}, true},
		{"noop  some text \t", Command{"NOOP", " some text"}, true},
		{"MAIL FROM:<a@b>", Command{"MAIL", "FROM:<a@b>"}, true},
		{"X1 \xff", Command{"X1", "\xff"}, true},
		{"", Command{}, false},
		{" NOOP", Command{}, false},
		{"NO-OP", Command{}, false},
		{"NOOP\tx", Command{}, false},
		{"NOOP x\x00y", Command{}, false},
		{"NOOP x\ry", Command{}, false},
		{"\xc3\xa9", Command{}, false},
		{"ABCDEFGHIJKLMNOPQRSTU", Command{}, false},
	} {
		got, err := ParseCommand(tt.in)
		if e, _ := errors.AsType[*Error](err); got != tt.want || (err == nil) != tt.ok || err != nil && e.Reply.Code != 500 {
			t.Errorf("%q: %+v, %v", tt.in, got, err)
		}
	}
}

func TestParseMailAndRcpt(t *testing.T) {
	for _, tt := range []struct {
		rcpt  bool
		in    string
		path  string
		reply string
	}{
		{false, "FROM:<a@b> SIZE=5", "<a@b>", ""},
		{false, "from:  <>", "<>", ""},
		{false, "FROM:<a@b>SIZE=5", "", "501 5.5.4"},
		{false, "FROM <a@b>", "", "501 5.5.4"},
		{false, "FROM:a@b", "", "501 5.1.7"},
		{false, "FROM:<a@-b>", "", "501 5.1.7"},
		{false, "FROM:<a@b> SIZE=x", "", "501 5.5.4"},
		{false, "", "", "501 5.5.4"},
		{true, "TO:<a@b> NOTIFY=NEVER", "<a@b>", ""},
		{true, "to:<postmaster>", "<postmaster>", ""},
		{true, "TO:<>", "", "501 5.1.3"},
		{true, "TO:<a b>", "", "501 5.1.3"},
		{true, "FROM:<a@b>", "", "501 5.5.4"},
	} {
		var p Path
		var err error
		if tt.rcpt {
			p, _, err = ParseRcpt(tt.in)
		} else {
			p, _, err = ParseMail(tt.in)
		}
		got := ""
		if e, ok := errors.AsType[*Error](err); ok {
			got = Reply{Code: e.Reply.Code, Enhanced: e.Reply.Enhanced}.String()
		}
		if got != tt.reply || err == nil && p.String() != tt.path {
			t.Errorf("%q: %v, %v", tt.in, p, err)
		}
	}
}

func TestParseHello(t *testing.T) {
	for in, ok := range map[string]bool{
		"mx.example.com": true, "localhost": true, "[192.0.2.1]": true, "[IPv6:2001:db8::1]": true, "WIN_7": true, "192.0.2.1": true, "[::1]": true,
		"": false, "two words": false, "<x>": false, "\xff": false, "bücher": false, "a:b": false, "[]": false, "[a": false, "a\"b": false, "a@b": false, "(x)": false,
	} {
		got, err := ParseHello(in)
		if (err == nil) != ok || ok && got != in {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"MAIL FROM:<a@b> SIZE=1", "RCPT TO:<\"a b\"@c> NOTIFY=NEVER", "EHLO [IPv6:::1]", "NOOP \x00", "rcpt to:<postmaster>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCommand(s)
		if err != nil {
			return
		}
		if again, err := ParseCommand(c.Verb + " " + c.Args); err != nil || again != c {
			t.Fatalf("%q: %+v comes back as %+v, %v", s, c, again, err)
		}
		if p, _, err := ParseRcpt(c.Args); err == nil && (p.IsNull() || p.String() == "<?>") {
			t.Fatalf("%q: recipient %#v", s, p)
		}
		if p, _, err := ParseMail(c.Args); err == nil && p.String() == "<?>" {
			t.Fatalf("%q: sender %#v", s, p)
		}
		_, _ = ParseHello(c.Args)
	})
}
