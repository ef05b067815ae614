package dmarc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dmarc"
)

// cases of our own, since there is no public suite: one line each, fields separated by " | ":
//
//	paragraph | zone records "name=text", separated by " & " ("-name": the name exists without a record) | author
//	domain | identifiers "spf:domain", "dkim:domain" | result/policy | organizational domain
const cases = `
§4.4 T1   | _dmarc.example.com=v=DMARC1; p=reject                              | news.example.com | spf:foo.example.com   | pass/reject     | example.com
§4.4 T1   | _dmarc.example.com=v=DMARC1; p=reject                              | news.example.com | dkim:news.example.com | pass/reject     | example.com
§4.4 T1   | _dmarc.example.com=v=DMARC1; p=reject                              | news.example.com | dkim:foo.example.net  | fail/reject     | example.com
§4.4      | _dmarc.example.com=v=DMARC1; p=reject                              | Example.COM      | dkim:EXAMPLE.com      | pass/reject     | example.com
§4.4      | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | dkim:evilexample.com  | fail/reject     | example.com
§4.4      | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | dkim:com              | fail/reject     | example.com
§4.4      | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      |                       | fail/reject     | example.com
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | dkim:esp.example dkim:example.com | pass/reject | example.com
§4.7 adkim| _dmarc.example.com=v=DMARC1; p=reject; adkim=s                     | example.com      | dkim:mail.example.com | fail/reject     | example.com
§4.7 adkim| _dmarc.example.com=v=DMARC1; p=reject; adkim=s                     | example.com      | dkim:example.com      | pass/reject     | example.com
§4.7 adkim| _dmarc.example.com=v=DMARC1; p=reject; adkim=s                     | example.com      | spf:mail.example.com  | pass/reject     | example.com
§4.7 aspf | _dmarc.example.com=v=DMARC1; p=reject; aspf=s                      | example.com      | spf:mail.example.com  | fail/reject     | example.com
§4.7 aspf | _dmarc.example.com=v=DMARC1; p=reject; aspf=s                      | example.com      | dkim:mail.example.com | pass/reject     | example.com
§4.7 p    | _dmarc.example.com=v=DMARC1; p=none                                | example.com      |                       | fail/none       | example.com
§4.7 p    | _dmarc.example.com=v=DMARC1; p=quarantine                          | a.example.com    |                       | fail/quarantine | example.com
§4.7 sp   | _dmarc.example.com=v=DMARC1; p=reject; sp=none                     | a.example.com    |                       | fail/none       | example.com
§4.7 sp   | _dmarc.example.com=v=DMARC1; p=none; sp=reject                     | example.com      |                       | fail/none       | example.com
§4.7 sp   | _dmarc.a.example.com=v=DMARC1; p=none & _dmarc.example.com=v=DMARC1; p=reject; sp=reject | a.example.com | | fail/none       | example.com
§4.7 sp   | _dmarc.b.example.com=v=DMARC1; p=none; sp=none & _dmarc.example.com=v=DMARC1; p=reject | a.b.example.com | | fail/reject    | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; np=reject                     | no.example.com   |                       | fail/reject     | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; np=reject & -a.example.com    | a.example.com    |                       | fail/none       | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; sp=quarantine; np=reject & -a.example.com | a.example.com |              | fail/quarantine | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=reject; np=none                     | example.com      |                       | fail/reject     | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=reject; sp=quarantine               | no.example.com   |                       | fail/quarantine | example.com
§3.2.13   | _dmarc.example.com=v=DMARC1; p=none; np=reject & -x.a.example.com  | a.example.com    |                       | fail/none       | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=reject; t=y                         | example.com      |                       | fail/quarantine | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=quarantine; t=y                     | example.com      |                       | fail/none       | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=none; t=y                           | example.com      |                       | fail/none       | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=none; sp=reject; t=y                | a.example.com    |                       | fail/quarantine | example.com
§4.7 v    | _dmarc.example.com=v=dmarc1; p=reject                              | example.com      |                       | none/           | example.com
§4.7 v    | _dmarc.example.com=p=reject; v=DMARC1                              | example.com      |                       | none/           | example.com
§4.7 v    | _dmarc.example.com=v=DMARC1x; p=reject                             | example.com      |                       | none/           | example.com
§4.8 ABNF | _dmarc.example.com=V = DMARC1 ; p=reject                           | example.com      |                       | fail/reject     | example.com
§4.10 2   | _dmarc.example.com=v=DMARC1; p=reject & _dmarc.example.com=v=DMARC1; p=none | example.com |                   | none/           | example.com
§4.10 2   | _dmarc.example.com=v=DMARC1; p=reject & _dmarc.example.com=unrelated text | example.com |                     | fail/reject     | example.com
§4.10 2   | _dmarc.a.example.com=v=DMARC1; p=none & _dmarc.a.example.com=v=DMARC1; p=quarantine & _dmarc.example.com=v=DMARC1; p=reject | a.example.com | | fail/reject | example.com
§4.10.1   |                                                                    | example.com      | dkim:example.com      | none/           | example.com
§4.10.1   | _dmarc.com=v=DMARC1; p=reject; psd=y                               | example.com      |                       | fail/reject     | example.com
§4.10.1   | _dmarc.com=v=DMARC1; p=none; sp=reject; psd=y                      | example.com      |                       | fail/reject     | example.com
§4.10.1   | _dmarc.com=v=DMARC1; p=none; np=reject; psd=y                      | no.example.com   |                       | fail/reject     | example.com
§4.10.1   | _dmarc.com=v=DMARC1; p=reject; psd=y & _dmarc.example.com=v=DMARC1; p=none | a.example.com |                  | fail/none       | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; p=junk                                | example.com      | dkim:example.com      | permerror/      | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1                                        | example.com      |                       | permerror/      | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; p=junk; rua=mailto:d@example.com      | example.com      |                       | fail/none       | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; rua=mailto:d@example.com              | example.com      | dkim:example.com      | pass/none       | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; p=reject; sp=junk                     | example.com      |                       | permerror/      | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; p=reject; np=junk; rua=mailto:d@example.com | example.com |                      | fail/none       | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; p=junk; rua=nobody                    | example.com      |                       | permerror/      | example.com
§4.10.2   | _dmarc.mail.example.com=v=DMARC1; p=none & _dmarc.example.com=v=DMARC1; p=none | a.mail.example.com | dkim:b.example.com | pass/none | example.com
§4.10.2   | _dmarc.mail.example.com=v=DMARC1; p=reject; psd=n & _dmarc.example.com=v=DMARC1; p=none | a.mail.example.com | dkim:b.example.com | fail/reject | mail.example.com
§4.10.2   | _dmarc.mail.example.com=v=DMARC1; p=reject; psd=n & _dmarc.example.com=v=DMARC1; p=none | a.mail.example.com | dkim:b.mail.example.com | pass/reject | mail.example.com
§4.10.2   | _dmarc.com=v=DMARC1; p=reject; psd=y                               | a.mail.example.com | dkim:example.com    | pass/reject     | example.com
§4.10.2   | _dmarc.com=v=DMARC1; p=reject; psd=y                               | a.example.com    | dkim:other.com        | fail/reject     | example.com
§4.10.2   | _dmarc.example.com=v=DMARC1; p=reject; psd=y                       | a.mail.example.com | dkim:mail.example.com | pass/reject   | mail.example.com
§4.10.2   | _dmarc.example.com=v=DMARC1; p=reject; psd=y                       | example.com      | dkim:a.example.com    | fail/reject     | example.com
§4.10.2   | _dmarc.b.example.com=v=DMARC1; p=none; psd=n & _dmarc.example.com=v=DMARC1; p=reject | example.com | dkim:b.example.com | fail/reject | example.com
§4.10     | _dmarc.c=v=DMARC1; p=reject                                        | 1.2.3.4.5.6.7.a.b.c | dkim:c              | pass/reject     | c
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | dkim:a.b.c.example.com | pass/reject    | example.com
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject                              | a.example.com    | dkim:b.example.com    | pass/reject     | example.com
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject                              | a.example.com    | dkim:example.com      | pass/reject     | example.com
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | dkim:example.com.evil.net | fail/reject | example.com
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | dkim:xn--exmple-cua.com | fail/reject   | example.com
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject; adkim=s; aspf=s             | a.example.com    | dkim:a.example.com    | pass/reject     | example.com
§4.4.1    | _dmarc.example.com=v=DMARC1; p=reject; adkim=s; aspf=s             | a.example.com    | dkim:example.com      | fail/reject     | example.com
§4.4.2    | _dmarc.example.com=v=DMARC1; p=reject; adkim=s; aspf=s             | a.example.com    | spf:a.example.com     | pass/reject     | example.com
§4.4.2    | _dmarc.example.com=v=DMARC1; p=reject; aspf=s                      | a.example.com    | spf:example.com       | fail/reject     | example.com
§4.4.2    | _dmarc.example.com=v=DMARC1; p=reject                              | a.example.com    | spf:example.com       | pass/reject     | example.com
§4.4.2    | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | spf:example.net dkim:example.com | pass/reject | example.com
§4.4.2    | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | spf:example.com dkim:example.net | pass/reject | example.com
§4.4.2    | _dmarc.example.com=v=DMARC1; p=reject                              | example.com      | spf:example.net dkim:example.net | fail/reject | example.com
§4.7 adkim| _dmarc.example.com=v=DMARC1; p=reject; adkim=S                     | example.com      | dkim:a.example.com    | fail/reject     | example.com
§4.7 adkim| _dmarc.example.com=v=DMARC1; p=reject; adkim=strict                | example.com      | dkim:a.example.com    | pass/reject     | example.com
§4.7 adkim| _dmarc.example.com=v=DMARC1; p=reject; adkim=                      | example.com      | dkim:a.example.com    | pass/reject     | example.com
§4.7 adkim| _dmarc.example.com=v=DMARC1; p=reject; adkim=r                     | example.com      | dkim:a.example.com    | pass/reject     | example.com
§4.7 aspf | _dmarc.example.com=v=DMARC1; p=reject; aspf=x                      | example.com      | spf:a.example.com     | pass/reject     | example.com
§4.7 p    | _dmarc.example.com=v=DMARC1; p=REJECT                              | example.com      |                       | fail/reject     | example.com
§4.7 p    | _dmarc.example.com=v=DMARC1;p=reject                               | example.com      |                       | fail/reject     | example.com
§4.7 p    | _dmarc.example.com=v=DMARC1; rua=mailto:d@example.com; p=reject    | example.com      |                       | fail/reject     | example.com
§4.7 p    | _dmarc.example.com=v=DMARC1; p=none; p=reject                      | example.com      |                       | fail/none       | example.com
§4.7 sp   | _dmarc.example.com=v=DMARC1; p=reject; sp=quarantine               | a.b.c.example.com |                      | fail/quarantine | example.com
§4.7 sp   | _dmarc.example.com=v=DMARC1; p=none; sp=reject                     | a.example.com    | dkim:a.example.com    | pass/reject     | example.com
§4.7 sp   | _dmarc.a.example.com=v=DMARC1; p=none; sp=reject & _dmarc.example.com=v=DMARC1; p=quarantine | b.a.example.com | | fail/quarantine | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; sp=none; np=quarantine        | no.example.com   |                       | fail/quarantine | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; np=reject; t=y                | no.example.com   |                       | fail/quarantine | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; sp=reject; np=none            | no.example.com   |                       | fail/none       | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; np=reject                     | a.b.no.example.com |                     | fail/reject     | example.com
§4.7 np   | _dmarc.no.example.com=v=DMARC1; p=none & _dmarc.example.com=v=DMARC1; p=reject; np=reject | no.example.com | | fail/none       | example.com
§4.7 np   | _dmarc.example.com=v=DMARC1; p=none; np=reject                     | no.example.com   | dkim:example.com      | pass/reject     | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=reject; t=n                         | example.com      |                       | fail/reject     | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=reject; t=Y                         | example.com      |                       | fail/quarantine | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=reject; t=yes                       | example.com      |                       | fail/reject     | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=reject; sp=quarantine; t=y          | a.example.com    |                       | fail/none       | example.com
§4.7 t    | _dmarc.example.com=v=DMARC1; p=reject; t=y                         | example.com      | dkim:example.com      | pass/quarantine | example.com
§4.7 rest | _dmarc.example.com=v=DMARC1; p=reject; pct=0                       | example.com      |                       | fail/reject     | example.com
§4.7 rest | _dmarc.example.com=v=DMARC1; p=reject; ri=3600; rf=afrf            | example.com      |                       | fail/reject     | example.com
§4.7 rest | _dmarc.example.com=v=DMARC1; p=reject; color=red; fo=9             | example.com      |                       | fail/reject     | example.com
§4.7 v    | _dmarc.example.com=v=DMARC2; p=reject                              | example.com      |                       | none/           | example.com
§4.7 v    | _dmarc.example.com=v=DMARC1 p=reject                               | example.com      |                       | none/           | example.com
§4.7 v    | _dmarc.example.com=; v=DMARC1; p=reject                            | example.com      |                       | none/           | example.com
§4.7 v    | _dmarc.example.com="v=DMARC1; p=reject"                            | example.com      |                       | none/           | example.com
§4.8 ABNF | _dmarc.example.com=v=DMARC1 ; p = reject ; sp = none ;             | a.example.com    |                       | fail/none       | example.com
§4.8 ABNF | _dmarc.example.com=v=DMARC1;;p=reject;;                            | example.com      |                       | fail/reject     | example.com
§4.8 ABNF | _dmarc.example.com=v=DMARC1; p reject                              | example.com      |                       | permerror/      | example.com
§4.8 ABNF | _dmarc.example.com=v=DMARC1; P=reject; p=none                      | example.com      |                       | fail/none       | example.com
§4.10 2   | _dmarc.a.example.com=junk & _dmarc.example.com=v=DMARC1; p=reject  | a.example.com    | dkim:a.example.com    | pass/reject     | example.com
§4.10 2   | _dmarc.a.example.com=v=DMARC1; p=none & _dmarc.a.example.com=v=DMARC1; p=none; t=y | a.example.com | dkim:a.example.com   | none/           | a.example.com
§4.10 2   | _dmarc.example.com=v=DMARC1; p=reject; psd=n & _dmarc.com=v=DMARC1; p=none; psd=y | a.example.com | dkim:b.example.com | pass/reject | example.com
§4.10 2   | _dmarc.a.example.com=v=DMARC1; p=reject; psd=u & _dmarc.example.com=v=DMARC1; p=none | b.a.example.com | dkim:c.example.com | pass/none | example.com
§4.10     | _dmarc.d.e.f.g.h.example.com=v=DMARC1; p=reject                    | 1.2.3.4.5.a.b.c.d.e.f.g.h.example.com |  | fail/reject     | d.e.f.g.h.example.com
§4.10     | _dmarc.c.d.e.f.g.h.example.com=v=DMARC1; p=reject                  | 1.2.3.4.5.a.b.c.d.e.f.g.h.example.com |  | none/           | 1.2.3.4.5.a.b.c.d.e.f.g.h.example.com
§4.10     | _dmarc.1.2.3.4.5.a.b.c.d.e.f.g.h.example.com=v=DMARC1; p=reject    | 1.2.3.4.5.a.b.c.d.e.f.g.h.example.com |  | fail/reject     | 1.2.3.4.5.a.b.c.d.e.f.g.h.example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; p=none; sp=reject                     | example.com      | dkim:a.example.com    | pass/none       | example.com
§4.10.1   | _dmarc.com=v=DMARC1; p=reject                                      | example.com      | dkim:other.com        | pass/reject     | com
§4.10.1   | _dmarc.com=v=DMARC1; p=none; sp=quarantine; np=reject; psd=y       | no.example.com   | dkim:example.com      | pass/reject     | example.com
§4.10.1   | _dmarc.co.uk=v=DMARC1; p=reject; psd=y                             | a.example.co.uk  | dkim:example.co.uk    | pass/reject     | example.co.uk
§4.10.1   | _dmarc.co.uk=v=DMARC1; p=reject; psd=y & _dmarc.example.co.uk=v=DMARC1; p=none | a.example.co.uk | dkim:b.example.co.uk | pass/none  | example.co.uk
§4.10.1   | _dmarc.example.com=v=DMARC1; p=quarantine; rua=http:               | example.com      |                       | fail/quarantine | example.com
§4.10.1   | _dmarc.example.com=v=DMARC1; p=; rua=mailto:d@example.com          | example.com      |                       | fail/none       | example.com
§4.10.1   | _dmarc.a.example.com=v=DMARC1; p=junk & _dmarc.example.com=v=DMARC1; p=reject | a.example.com |                       | permerror/      | example.com
§4.10.2   | _dmarc.example.com=v=DMARC1; p=reject & _dmarc.com=v=DMARC1; p=none; psd=y | example.com  | dkim:example.com      | pass/reject     | example.com
§4.10.2   | _dmarc.a.example.com=v=DMARC1; p=reject; psd=y & _dmarc.example.com=v=DMARC1; p=none | x.a.example.com | dkim:example.com | fail/reject | x.a.example.com
§4.10.2   | _dmarc.a.example.com=v=DMARC1; p=reject; psd=y                     | y.x.a.example.com | dkim:x.a.example.com | pass/reject     | x.a.example.com
§4.10.2   | _dmarc.a.example.com=v=DMARC1; p=reject; psd=y                     | x.a.example.com  | dkim:y.a.example.com  | fail/reject     | x.a.example.com
§4.10.2   | _dmarc.example.com=v=DMARC1; p=reject & _dmarc.a.example.com=v=DMARC1; p=none; psd=n | example.com | dkim:x.a.example.com | fail/reject | example.com
§4.10.2   | _dmarc.example.com=v=DMARC1; p=reject                              | example.com.     | dkim:example.com      | pass/reject     | example.com
`

func TestCases(t *testing.T) {
	if n := strings.Count(cases, "§"); n < 120 {
		t.Errorf("%d cases", n)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(cases), "\n") {
		f := strings.Split(line, "|")
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		t.Run(f[0], func(t *testing.T) {
			zone := dnstest.New()
			for rec := range strings.SplitSeq(f[1], " & ") {
				if name, ok := strings.CutPrefix(rec, "-"); ok {
					zone.AddTXT(name, "no record of DMARC")
				} else if name, text, ok := strings.Cut(rec, "="); ok {
					zone.AddTXT(name, text)
				}
			}
			m := dmarc.Message{From: []string{" somebody@" + f[2]}}
			for id := range strings.FieldsSeq(f[3]) {
				if d, ok := strings.CutPrefix(id, "spf:"); ok {
					m.SPF = d
				} else {
					m.DKIM = append(m.DKIM, strings.TrimPrefix(id, "dkim:"))
				}
			}
			r := dmarc.Verify(t.Context(), zone, m)
			if got := fmt.Sprintf("%s/%s", r.Value, r.Policy); got != f[4] || r.Organizational != f[5] {
				t.Errorf("%s\n%s, organizational %s: %s", line, got, r.Organizational, r.Reason)
			}
		})
	}
}

// TestWalk asks the questions of RFC 9989 §4.10's example, in its order.
func TestWalk(t *testing.T) {
	w, err := dmarc.Discover(t.Context(), dnstest.New(), "a.b.c.d.e.f.g.h.i.j.mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com", "h.i.j.mail.example.com", "i.j.mail.example.com",
		"j.mail.example.com", "mail.example.com", "example.com", "com"}
	if len(w.Steps) != len(want) {
		t.Fatalf("%d questions", len(w.Steps))
	}
	for i, s := range w.Steps {
		if s.Question != "TXT _dmarc."+want[i] {
			t.Errorf("question %d: %s, want %s", i, s.Question, want[i])
		}
	}
	for n, want := range map[int]int{1: 1, 7: 7, 8: 8, 9: 8, 60: 8} {
		w, err := dmarc.Discover(t.Context(), dnstest.New(), strings.TrimSuffix(strings.Repeat("a.", n), "."))
		if err != nil || len(w.Steps) != want {
			t.Errorf("%d labels: %d questions, %v; want %d", n, len(w.Steps), err, want)
		}
	}
}

// TestTempError: what is not known is neither pass nor fail, unless what is known is enough to pass.
func TestTempError(t *testing.T) {
	zone := dnstest.New()
	zone.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject")
	zone.Fail("_dmarc.down.example.com", dnstest.ServFail)
	verify := func(author string, dkim ...string) dmarc.Result {
		return dmarc.Verify(t.Context(), zone, dmarc.Message{From: []string{"a@" + author}, DKIM: dkim})
	}
	for _, tt := range []struct {
		got  dmarc.Result
		want dmarc.Value
	}{
		{verify("down.example.com", "down.example.com"), dmarc.TempError},
		{verify("example.com", "down.example.com"), dmarc.TempError},
		{verify("example.com", "down.example.com", "example.com"), dmarc.Pass},
		{verify("example.com", "esp.example"), dmarc.Fail},
	} {
		if tt.got.Value != tt.want || (tt.got.Err != nil) != (tt.want == dmarc.TempError) || tt.got.Disposition() == dmarc.PolicyReject && tt.want != dmarc.Fail {
			t.Errorf("%s %v: %+v", tt.want, tt.got.Value, tt.got)
		}
	}
}

func TestAuthors(t *testing.T) {
	zone := dnstest.New()
	for _, tt := range []struct {
		from []string
		want string
	}{
		{nil, "dmarc=none"},
		{[]string{"a@example.com", "b@example.com"}, "dmarc=permerror"},
		{[]string{"a@example.com, b@example.org"}, "dmarc=permerror"},
		{[]string{"a@example.com"}, "dmarc=none header.from=example.com"},
	} {
		if got := string(dmarc.Verify(t.Context(), zone, dmarc.Message{From: tt.from}).AppendResult(nil)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.from, got, tt.want)
		}
	}
}

// Does a message come from who it claims, and if not, what does that domain ask for?
func ExampleVerify() {
	zone := dnstest.New()
	zone.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject")
	ctx := context.Background()
	good := dmarc.Verify(ctx, zone, dmarc.Message{From: []string{"Ann <ann@news.example.com>"}, DKIM: []string{"example.com"}})
	fmt.Println(good.Value, "-", good.Reason)
	forged := dmarc.Verify(ctx, zone, dmarc.Message{From: []string{"Ann <ann@news.example.com>"}, SPF: "evil.example"})
	fmt.Println(forged.Value, forged.Disposition())
	fmt.Printf("%s\n", forged.AppendResult(nil))
	// Output:
	// pass - DKIM of example.com is aligned with news.example.com
	// fail reject
	// dmarc=fail header.from=news.example.com policy.dmarc=reject
}

// Write the record for a domain that wants forgeries refused and reports about them.
func ExampleRecord_Append() {
	r := dmarc.Record{P: dmarc.PolicyReject, NP: dmarc.PolicyReject, StrictDKIM: true, RUA: []string{"mailto:dmarc@example.com"}}
	fmt.Printf("_dmarc.example.com. TXT %q\n", r.Append(nil))
	// Output: _dmarc.example.com. TXT "v=DMARC1; p=reject; np=reject; adkim=s; rua=mailto:dmarc@example.com"
}

func BenchmarkVerify(b *testing.B) {
	zone := dnstest.New()
	zone.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject")
	m := dmarc.Message{From: []string{"Ann <ann@example.com>"}, DKIM: []string{"example.com"}}
	b.ReportAllocs()
	for b.Loop() {
		if r := dmarc.Verify(b.Context(), zone, m); r.Value != dmarc.Pass {
			b.Fatal(r)
		}
	}
}
