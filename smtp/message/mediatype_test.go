package message

import (
	"fmt"
	"testing"
)

func TestParseMediaType(t *testing.T) {
	tests := []struct{ in, want string }{
		{"text/plain; charset=us-ascii (Plain text)", "text/plain [{charset us-ascii}]"}, // RFC 2045 §5.1
		{`text/plain; charset="us-ascii"`, "text/plain [{charset us-ascii}]"},
		{"TEXT/HTML", "text/html []"},
		{"text", "text/plain []"},
		{"text; charset=utf-8", "text/plain [{charset utf-8}]"},
		{"", "/ []"},
		{"foo", "/ []"},
		{"foo/", "/ []"},
		{"/foo", "/ []"},
		{"a/b;;; x=1;;y=2;", "a/b [{x 1} {y 2}]"},
		{"a/b; x=\"1\" y=2", "a/b [{x 1} {y 2}]"},
		{"a/b; x; y=2", "a/b [{y 2}]"},
		{"a/b; x=", "a/b [{x }]"},
		{"a/b; name=My File.pdf; y=2", "a/b [{name My File.pdf} {y 2}]"},
		{`a/b; x="a\"b\\c"`, `a/b [{x a"b\c}]`},
		{`a/b; x="open`, "a/b [{x open}]"},
		{`a/b; x="open\`, `a/b [{x open\}]`},
		{"a/b;\r\n\tx=\"1\r\n 2\"", "a/b [{x 1 2}]"},
		{"a/b (c (d) \\) e); x=1", "a/b [{x 1}]"},
		{"a/b (open; x=1", "a/b []"},
		{"a/b; =1; y=2", "a/b [{y 2}]"},
		{"a/b; @@ y=2", "a/b [{y 2}]"},
	}
	for _, tt := range tests {
		m := ParseMediaType([]byte(tt.in))
		if got := fmt.Sprintf("%s/%s %v", m.Type, m.Subtype, m.Params); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestLookup(t *testing.T) {
	tests := []struct{ params, name, want string }{
		{"x=1; X=2", "x", "{1  } true"},
		{"x=1", "y", "{  } false"},
		{"xy=1", "x", "{  } false"},
		// RFC 2231 §3 and §4
		{`URL*0="ftp://"; URL*1="cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"`, "url", "{ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar  } true"},
		{"title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title", "{This is ***fun*** us-ascii en-us} true"},
		{"title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"", "title",
			"{This is even more ***fun*** isn't it! us-ascii en} true"},
		{"x*1=b; x*0=a; x*3=d", "x", "{ab  } true"},
		{"x*0=a; x*0=b; x*1=c", "x", "{ac  } true"},
		{"x*1=b", "x", "{  } false"},
		{"x=plain; x*=utf-8''r%C3%A9sum%C3%A9", "x", "{résumé utf-8 } true"},
		{"x*=no%20quotes", "x", "{no quotes  } true"},
		{"x*=a''%zz%4", "x", "{%zz%4 a } true"},
		{"x*foo=1", "x", "{  } false"},
	}
	for _, tt := range tests {
		v, ok := ParseMediaType([]byte("a/b; " + tt.params)).Params.Lookup(tt.name)
		if got := fmt.Sprint(v, ok); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.params, got, tt.want)
		}
	}
}

func TestParseDisposition(t *testing.T) {
	d := ParseDisposition([]byte(" Attachment; filename=genome.jpeg;\r\n modification-date=\"Wed, 12 Feb 1997 16:29:51 -0500\""))
	if got := fmt.Sprint(d); got != "{attachment [{filename genome.jpeg} {modification-date Wed, 12 Feb 1997 16:29:51 -0500}]}" {
		t.Error(got)
	}
}

func FuzzMediaType(f *testing.F) {
	f.Add([]byte("a/b; x*0*=us-ascii'en'%20; x*1=\"\\\"\"; y=(a) b c"))
	f.Add([]byte("text (\\"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := ParseMediaType(b)
		if (m.Type == "") != (m.Subtype == "") {
			t.Errorf("%+v", m)
		}
		for _, p := range append(m.Params, ParseDisposition(b).Params...) {
			if p.Name == "" {
				t.Errorf("%+v", m)
			}
			m.Params.Lookup(p.Name)
		}
		s := scanner{b: b}
		s.mediaType()
		if v, ok := m.Params.Lookup("boundary"); len(s.boundary()) > 0 && (!ok || v.Value == "" && len(m.Params) < 2) {
			t.Errorf("boundary of %+v", m)
		}
	})
}
