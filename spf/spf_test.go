package spf_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/spf"
)

func check(t testing.TB, zone *dnstest.Zone, ip, helo, from string) *spf.Check {
	t.Helper()
	return spf.Verify(t.Context(), zone, spf.Request{IP: netip.MustParseAddr(ip), HELO: helo, MailFrom: from}, spf.Options{})
}

// TestAttacks holds records and identities made to cost a checker dear, or to be misread.
func TestAttacks(t *testing.T) {
	zone := dnstest.New()
	txt := func(name, record string) { zone.AddTXT(name+".example", "v=spf1 "+record) }
	txt("self-redirect", "redirect=self-redirect.example")
	txt("self-include", "include:self-include.example -all")
	txt("eleven", strings.Repeat("a:x.example ", 11)+"-all")
	txt("voids", "a:v1.example a:v2.example a:v3.example +all")
	txt("two-voids", "a:v1.example a:v2.example ip4:192.0.2.1 -all")
	txt("mx", "mx -all")
	for i := range 11 {
		zone.AddMX("mx.example", 10, fmt.Sprintf("m%d.example", i))
	}
	txt("ptr", "ptr -all")
	for i := range 200 {
		zone.AddPTR(netip.MustParseAddr("192.0.2.9"), fmt.Sprintf("h%d.ptr.example", i))
	}
	txt("grow", "exists:"+strings.Repeat("%{o}.", 20)+"example -all")
	txt("long", strings.Repeat("ip4:192.0.2.9 ", 4000)+"-all")
	txt("helo", "-all exp=why.example")
	zone.AddTXT("why.example", "%{h} is refused")
	zone.AddTXT("two.example", "v=spf1 -all")
	zone.AddTXT("two.example", "v=spf1 +all")
	zone.AddTXT("bytes.example", "v=spf1 \x01 -all")
	txt("down", "include:slow.example -all")
	zone.Fail("slow.example", dnstest.ServFail)
	zone.AddAddr("x.example", netip.MustParseAddr("192.0.2.200"))
	for _, tt := range []struct {
		domain string
		want   spf.Result
		code   spf.Code
	}{
		{"self-redirect", spf.PermError, spf.CodeLookups},
		{"self-include", spf.PermError, spf.CodeLookups},
		{"eleven", spf.PermError, spf.CodeLookups},
		{"voids", spf.PermError, spf.CodeVoids},
		{"two-voids", spf.Pass, ""},
		{"mx", spf.PermError, spf.CodeMX},
		{"ptr", spf.Fail, ""},
		{"grow", spf.Fail, ""},
		{"long", spf.Fail, ""},
		{"two", spf.PermError, spf.CodeMany},
		{"bytes", spf.PermError, spf.CodeSyntax},
		{"down", spf.TempError, spf.CodeDNS},
		{"slow", spf.TempError, spf.CodeDNS},
		{"absent", spf.None, ""},
	} {
		ip := "192.0.2.1"
		if tt.domain == "ptr" {
			ip = "192.0.2.9"
		}
		c := check(t, zone, ip, "mail.example", "a@"+tt.domain+".example")
		e, _ := errors.AsType[*spf.Error](c.Err)
		if c.Result != tt.want || (e == nil) != (tt.code == "") || e != nil && e.Code != tt.code {
			t.Errorf("%s: %s, %v; want %s, %s", tt.domain, c.Result, c.Err, tt.want, tt.code)
		}
		if len(c.Steps) > spf.MaxSteps || c.Queries > 10 {
			t.Errorf("%s: %d steps, %d queries", tt.domain, len(c.Steps), c.Queries)
		}
	}
	for _, helo := range []string{"evil\r\nX-Spam: no", "evil\x00", strings.Repeat("x", 1000), "b\xc3\xbccher"} {
		c := check(t, zone, "192.0.2.1", helo, "a@helo.example")
		if c.Result != spf.Fail || c.Explanation != "" {
			t.Errorf("HELO %.20q: %s, explained as %q", helo, c.Result, c.Explanation)
		}
		for _, out := range []string{string(c.AppendResult(nil)), strings.ReplaceAll(strings.TrimSuffix(string(c.AppendReceived(nil, "mx.example")), "\r\n"), "\r\n ", "")} {
			if strings.ContainsAny(out, "\r\n\x00") {
				t.Errorf("%q", out)
			}
		}
	}
}

// TestNetwork: what a pass is shared with. Records that open 2^16 addresses and more to whoever rents one are found by it.
func TestNetwork(t *testing.T) {
	zone := dnstest.New()
	for name, record := range map[string]string{
		"one": "ip4:192.0.2.1 -all", "cdn": "include:_spf.cdn.example -all", "_spf.cdn": "ip4:198.51.100.0/24 ip4:192.0.0.0/12 ~all", "a": "a/20 -all", "mx": "mx//64 -all",
		"all": "+all", "exists": "exists:%{i}.one.example -all", "default": "ip4:203.0.113.1", "no": "include:cdn.example -ip4:192.0.2.1/31", "redirect": "redirect=one.example",
	} {
		zone.AddTXT(name+".example", "v=spf1 "+record)
	}
	zone.AddAddr("a.example", netip.MustParseAddr("192.0.2.9"))
	zone.AddMX("mx.example", 10, "mx1.example")
	zone.AddAddr("mx1.example", netip.MustParseAddr("2001:db8::9"))
	zone.AddAddr("192.0.2.1.one.example", netip.MustParseAddr("127.0.0.2"))
	for _, tt := range []struct{ domain, ip, want string }{
		{"one", "192.0.2.1", "192.0.2.1/32"}, {"one", "192.0.2.2", "0.0.0.0/0"}, {"cdn", "192.0.2.1", "192.0.0.0/12"}, {"a", "192.0.2.1", "192.0.0.0/20"},
		{"mx", "2001:db8::1", "2001:db8::/64"}, {"all", "2001:db8::1", "::/0"}, {"exists", "192.0.2.1", ""}, {"default", "192.0.2.1", ""},
		{"no", "192.0.3.1", "192.0.0.0/12"}, {"redirect", "192.0.2.1", "192.0.2.1/32"},
	} {
		c := check(t, zone, tt.ip, "mail.example", "a@"+tt.domain+".example")
		got := ""
		if c.Network.IsValid() {
			got = c.Network.String()
		}
		if got != tt.want {
			t.Errorf("%s for %s: %s by %s of %s, want %s", tt.domain, tt.ip, c.Result, c.Mechanism, got, tt.want)
		}
	}
}

// TestIdentities: which domain is checked, and what no domain gives.
func TestIdentities(t *testing.T) {
	zone := dnstest.New()
	zone.AddTXT("mail.example", "v=spf1 ip4:192.0.2.1 -all")
	zone.AddTXT("xn--bcher-kva.example", "v=spf1 ip6:2001:db8::/32 -all")
	for _, tt := range []struct {
		ip, helo, from string
		want           spf.Result
		printed        string
	}{
		{"192.0.2.1", "mail.example", "", spf.Pass, "spf=pass smtp.helo=mail.example"},
		{"192.0.2.2", "mail.example", "", spf.Fail, "spf=fail smtp.helo=mail.example"},
		{"::ffff:192.0.2.1", "x", "@mail.example", spf.Pass, "spf=pass smtp.mailfrom=@mail.example"},
		{"192.0.2.1", "[192.0.2.1]", "", spf.None, `spf=none smtp.helo="[192.0.2.1]"`},
		{"192.0.2.1", "mail", "", spf.None, "spf=none smtp.helo=mail"},
		{"192.0.2.1", "x", "a;b@mail.example", spf.Pass, `spf=pass smtp.mailfrom="a;b@mail.example"`},
		{"2001:db8::1", "x", "j@b\u00fccher.example", spf.Pass, "spf=pass smtp.mailfrom=\"j@b\u00fccher.example\""},
		{"192.0.2.1", "x", "a@nobody.example", spf.None, "spf=none smtp.mailfrom=a@nobody.example"},
	} {
		c := check(t, zone, tt.ip, tt.helo, tt.from)
		if got := string(c.AppendResult(nil)); c.Result != tt.want || got != tt.printed {
			t.Errorf("%s %s: %s, want %s", tt.helo, tt.from, got, tt.printed)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:%{d}/24//64 mx/0 -include:%{ir}.x.example ~exists:%{l1r-}.y.example ?ptr redirect=_spf.example exp=e.example x=%%")
	f.Add("V=SPF1 +a//128 all")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := spf.ParseRecord(s)
		if err != nil {
			if _, ok := errors.AsType[*spf.Error](err); !ok {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		out := string(spf.AppendRecord(nil, r))
		again, err := spf.ParseRecord(out)
		if err != nil || string(spf.AppendRecord(nil, again)) != out {
			t.Fatalf("%q became %q: %v", s, out, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add("v=spf1 include:%{d} a mx ptr exists:%{i}.%{p}.%{h} -all exp=%{s}", "a@b.example", "h.example")
	f.Fuzz(func(t *testing.T, record, from, helo string) {
		zone := dnstest.New()
		zone.AddTXT("b.example", record)
		c := check(t, zone, "192.0.2.1", helo, from)
		if c.Queries > 10 || c.Result == "" || strings.ContainsAny(string(c.AppendResult(nil)), "\r\n") {
			t.Fatalf("%+v", c)
		}
	})
}

// May this host send for this domain?
func ExampleVerify() {
	zone := dnstest.New() // or net.DefaultResolver
	zone.AddTXT("example.com", "v=spf1 ip4:192.0.2.0/28 include:_spf.example.net -all")
	zone.AddTXT("_spf.example.net", "v=spf1 ip4:198.51.100.7 ~all")
	for _, ip := range []string{"192.0.2.7", "198.51.100.7", "203.0.113.1"} {
		c := spf.Verify(context.Background(), zone, spf.Request{IP: netip.MustParseAddr(ip), HELO: "mail.example.com", MailFrom: "alice@example.com"}, spf.Options{})
		fmt.Println(c.Result, c.Mechanism)
	}
	// Output:
	// pass ip4:192.0.2.0/28
	// pass include:_spf.example.net
	// fail -all
}

func BenchmarkVerify(b *testing.B) {
	zone := dnstest.New()
	for i := range 7 {
		zone.AddTXT(fmt.Sprintf("d%d.example", i), "v=spf1 "+strings.Repeat("ip4:198.51.100.1 ", 12)+fmt.Sprintf("include:d%d.example -all", i+1))
	}
	zone.AddTXT("d7.example", "v=spf1 ip4:192.0.2.1 -all")
	b.ReportAllocs()
	for b.Loop() {
		if c := check(b, zone, "192.0.2.1", "x.example", "a@d0.example"); c.Result != spf.Pass {
			b.Fatal(c)
		}
	}
}
