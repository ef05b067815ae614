package spf_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/spf"
)

// badTerms are terms that no record may have (RFC 7208 §12).
func badTerms() []string {
	return []string{
		"=", ":", "/", "-", "++all", "+-all", "all:", "all:example.com", "all/8", "al", "-al", "ip4", "ip4:", "ip4:1.2.3", "ip4:1.2.3.256", "ip4:01.2.3.4", "ip4:1.2.3.4/33",
		"ip4:1.2.3.4/", "ip4:1.2.3.4/-1", "ip4:1.2.3.4/08", "ip4:1.2.3.4//64", "ip4:2001:db8::1", "ip6", "ip6:", "ip6:1.2.3.4", "ip6:::1::2", "ip6:2001:db8::/129", "ip6:fe80::1%eth0",
		"a:", "a/", "a/33", "a//129", "a/24/64", "a//", "a/1//2//3", "a:example.com/x", "a:%", "a:%{", "a:%{d", "a:%{}", "a:%{x}.example", "a:%{c}.example", "a:%{d0}.example", "a:%{dx}.example", "a:example.com%",
		"a:exa(mple", "mx:", "mx/33", "mx:example.com//129", "ptr:", "ptr/24", "ptr:%{c}", "include", "include:", "include/24", "include:%{t}.example", "exists", "exists:", "exists/24",
		"redirect=", "redirect=%{c}", "redirect=a.example redirect=b.example", "redirect", "redirect:example.com", "exp=", "exp=a.example exp=b.example", "exp=%", "x=%", "x=%{", "-redirect=example.com", "un.known",
		"a\tmx", "\u00fc", "\x00", "\x7f",
	}
}

func TestMalformedRecords(t *testing.T) {
	for _, term := range badTerms() {
		r, err := spf.ParseRecord("v=spf1 ip4:192.0.2.1 " + term + " -all")
		e, ok := errors.AsType[*spf.Error](err)
		if !ok || e.Code != spf.CodeSyntax || e.Text == "" {
			t.Errorf("%q: %+v, %v", term, r, err)
			continue
		}
		if last := term[strings.LastIndexByte(term, ' ')+1:]; e.Term != last && !strings.ContainsAny(term, "\t\x00\x7f\u00fc") {
			t.Errorf("%q: the error is about %q", term, e.Term)
		}
	}
	for _, txt := range []string{"", "v=spf", "v=spf10", "v=spf2 -all", " v=spf1 -all", "v=spf1\t-all", "v=DMARC1; p=none", "spf1 -all", "v=spf1-all"} {
		r, err := spf.ParseRecord(txt)
		if e, ok := errors.AsType[*spf.Error](err); !ok || e.Code != spf.CodeSyntax {
			t.Errorf("%q: %+v, %v", txt, r, err)
		}
	}
}
