package dnstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const sample = `
$ORIGIN example.com.
$TTL 60
@        IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 30
         IN MX  20 backup
         IN MX  10 mx
         IN TXT "v=spf1 " "mx -all"
         IN TXT "semi\;colon \"quoted\" back\\slash \200"
mx       IN A   192.0.2.1
         IN AAAA 2001:db8::1
www      IN CNAME web
web      IN CNAME mx
dangling IN CNAME nowhere
one      IN CNAME two
two      IN CNAME one
a.b.deep IN A 192.0.2.9
*.wild   IN TXT "star"
x.wild   IN A 192.0.2.8
_sip._tcp IN SRV 1 5 5060 mx
_25._tcp.mx IN TLSA 3 1 1 00ff
1.2.0.192.in-addr.arpa. IN PTR mx
`

func load(t testing.TB) *Zone {
	t.Helper()
	z, err := Parse(strings.NewReader(sample), "")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestLookups(t *testing.T) {
	z := load(t)
	ctx := t.Context()
	check := func(what string, got any, err error, want string) {
		t.Helper()
		if s := fmt.Sprint(got); err != nil || s != want {
			t.Errorf("%s = %s, %v; want %s", what, s, err, want)
		}
	}
	txt, err := z.LookupTXT(ctx, "EXAMPLE.com")
	check("TXT", fmt.Sprintf("%q", txt), err, `["v=spf1 mx -all" "semi;colon \"quoted\" back\\slash \xc8"]`)
	mx, err := z.LookupMX(ctx, "example.com")
	if len(mx) != 2 {
		t.Fatal("MX", mx, err)
	}
	check("MX", *mx[0], err, "{mx.example.com. 10}")
	ips, err := z.LookupNetIP(ctx, "ip", "www.example.com.")
	check("NetIP through two aliases", ips, err, "[192.0.2.1 2001:db8::1]")
	ips, err = z.LookupNetIP(ctx, "ip6", "mx.example.com.")
	check("NetIP ip6", ips, err, "[2001:db8::1]")
	ip, err := z.LookupIPAddr(ctx, "mx.example.com.")
	check("IPAddr", ip, err, "[{192.0.2.1 } {2001:db8::1 }]")
	host, err := z.LookupHost(ctx, "mx.example.com.")
	check("Host", host, err, "[192.0.2.1 2001:db8::1]")
	ptr, err := z.LookupAddr(ctx, "192.0.2.1")
	check("Addr", ptr, err, "[mx.example.com.]")
	ptr, err = z.LookupAddr(ctx, "::ffff:192.0.2.1")
	check("Addr of a mapped address", ptr, err, "[mx.example.com.]")
	cname, err := z.LookupCNAME(ctx, "www.example.com")
	check("CNAME", cname, err, "mx.example.com.")
	_, srv, err := z.LookupSRV(ctx, "sip", "tcp", "example.com")
	if len(srv) != 1 {
		t.Fatal("SRV", srv, err)
	}
	check("SRV", *srv[0], err, "{mx.example.com. 5060 1 5}")
	tlsa, _, err := z.LookupTLSASecure(ctx, "_25._tcp.mx.example.com")
	check("TLSA", tlsa, err, "[[3 1 1 0 255]]")
	star, err := z.LookupTXT(ctx, "any.wild.example.com")
	check("wildcard", star, err, "[star]")
}

func TestAbsence(t *testing.T) {
	z := load(t)
	for _, c := range []struct{ name, want string }{
		{"nothing.example.com", "NXDOMAIN"},
		{"mx.example.com", "NODATA"},
		{"b.deep.example.com", "NODATA"}, // an empty non-terminal exists
		{"com", "NODATA"},
		{"org", "NXDOMAIN"},
		{"dangling.example.com", "NXDOMAIN"},
		{"x.wild.example.com", "NODATA"},     // RFC 4592 §2.2.1: an existing name hides the wildcard
		{"y.x.wild.example.com", "NXDOMAIN"}, // and so does an existing closest encloser
		{strings.Repeat("a", 64) + ".example.com", "not a domain name"},
		{"a..example.com", "not a domain name"},
	} {
		_, err := z.LookupTXT(t.Context(), c.name)
		dnsErr, ok := errors.AsType[*net.DNSError](err)
		if !ok || !dnsErr.IsNotFound || dnsErr.IsTemporary || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want not found, %s", c.name, err, c.want)
		}
		var absent interface{ NXDomain() bool }
		if errors.As(err, &absent) && absent.NXDomain() != (c.want == "NXDOMAIN") {
			t.Errorf("%s: NXDomain %v", c.name, absent.NXDomain())
		}
	}
}

func TestFailures(t *testing.T) {
	z := load(t)
	z.AddCNAME("alias.example.com", "bad.example.com")
	for _, c := range []struct {
		f       Failure
		timeout bool
	}{{ServFail, false}, {Refused, false}, {Timeout, true}} {
		z.Fail("bad.example.com", c.f)
		for _, name := range []string{"bad.example.com", "alias.example.com"} {
			_, err := z.LookupTXT(t.Context(), name)
			dnsErr, ok := errors.AsType[*net.DNSError](err)
			if !ok || !dnsErr.IsTemporary || dnsErr.IsNotFound || dnsErr.IsTimeout != c.timeout {
				t.Errorf("failure %d, %s: %#v", c.f, name, err)
			}
		}
	}
	if _, err := z.LookupTXT(t.Context(), "one.example.com"); err == nil || !err.(*net.DNSError).IsTemporary {
		t.Errorf("circle of aliases: %v", err)
	}
	z.Fail("bad.example.com", NoFailure)
	if _, err := z.LookupTXT(t.Context(), "bad.example.com"); err == nil || !err.(*net.DNSError).IsNotFound {
		t.Errorf("mended: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := z.LookupTXT(ctx, "example.com"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSigned(t *testing.T) {
	z := load(t)
	z.Sign("example.com")
	z.Unsign("sub.example.com")
	z.AddTXT("sub.example.com", "x")
	z.AddCNAME("out.example.com", "sub.example.com")
	for name, want := range map[string]bool{
		"example.com": true, "none.example.com": true, "sub.example.com": false, "x.sub.example.com": false,
		"out.example.com": false, "example.org": false,
	} {
		if _, secure, _ := z.LookupTXTSecure(t.Context(), name); secure != want {
			t.Errorf("%s: secure %v, want %v", name, secure, want)
		}
	}
}

func TestChange(t *testing.T) {
	z := New()
	z.AddTXT("a.example.com", "one")
	z.AddTXT("a.example.com", "one") // the same record twice is one record
	z.AddAddr("a.example.com", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.2"))
	z.AddPTR(netip.MustParseAddr("2001:db8::1"), "a.example.com")
	z.AddPTR(netip.Addr{}, "nobody.example.com")
	z.AddTLSA("_25._tcp.a.example.com", 3, 1, 1, []byte{1, 2})
	long := strings.Repeat(`\"é`, 200)
	z.AddTXT("long.example.com", long)
	if txt, err := z.LookupTXT(t.Context(), "long.example.com"); err != nil || txt[0] != long {
		t.Errorf("long text: %q, %v", txt, err)
	}
	if names, err := z.LookupAddr(t.Context(), "2001:db8::1"); err != nil || names[0] != "a.example.com." {
		t.Error(names, err)
	}
	z.Remove("a.example.com", "A")
	if txt, err := z.LookupTXT(t.Context(), "a.example.com"); err != nil || !slices.Equal(txt, []string{"one"}) {
		t.Errorf("after removing A: %q, %v", txt, err)
	}
	z.Remove("a.example.com")
	if _, err := z.LookupTXT(t.Context(), "a.example.com"); !strings.Contains(err.Error(), "NODATA") {
		t.Errorf("names are left below: %v", err)
	}
	z.Remove("_25._tcp.a.example.com")
	if _, err := z.LookupTXT(t.Context(), "a.example.com"); !strings.Contains(err.Error(), "NXDOMAIN") {
		t.Errorf("no names are left below: %v", err)
	}
	if err := z.Add("b.example.com. IN A 192.0.2.1\nb.example.com. IN A nonsense"); err == nil {
		t.Error("nonsense added")
	} else if _, err := z.LookupHost(t.Context(), "b.example.com"); err == nil {
		t.Error("half of the text was added")
	}
}

func TestServer(t *testing.T) {
	z := load(t)
	z.Sign("example.com")
	z.AddTXT("big.example.com", strings.Repeat("x", 3000))
	z.AddTXT("cut.example.com", "whole over TCP")
	z.Fail("cut.example.com", Truncate)
	z.AddTXT("forged.example.com", "right over TCP")
	z.Fail("forged.example.com", WrongID)
	s, err := z.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := func(proto, name string) *dns.Msg {
		t.Helper()
		q := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
		q.AuthenticatedData = true
		c, err := dns.Dial(proto, s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
		m, err := c.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		if same := m.Id == q.Id; same != (proto == "tcp" || name != "forged.example.com.") {
			t.Errorf("%s %s: id matches: %v", proto, name, same)
		}
		return m
	}
	for _, c := range []struct {
		proto, name string
		truncated   bool
		answers     int
	}{
		{"udp", "example.com.", false, 2}, {"udp", "big.example.com.", true, 0}, {"tcp", "big.example.com.", false, 1},
		{"udp", "cut.example.com.", true, 0}, {"tcp", "cut.example.com.", false, 1},
		{"udp", "forged.example.com.", false, 1}, {"tcp", "forged.example.com.", false, 1},
	} {
		m := ask(c.proto, c.name)
		if m.Truncated != c.truncated || len(m.Answer) != c.answers || !m.AuthenticatedData {
			t.Errorf("%s %s: %v", c.proto, c.name, m)
		}
	}
	if m := ask("udp", "none.example.com."); m.Rcode != dns.RcodeNameError || len(m.Ns) != 1 {
		t.Errorf("negative answer: %v", m)
	}

	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}}
	txt, err := r.LookupTXT(t.Context(), "big.example.com.")
	if err != nil || len(txt) != 1 || len(txt[0]) != 3000 {
		t.Errorf("net.Resolver: %d, %v", len(txt), err)
	}
}

func TestChangeWhileServing(t *testing.T) {
	z := load(t)
	var asked sync.Map
	z.Observe(func(name, qtype string) { asked.Store(name+" "+qtype, true) })
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 200 {
				name := fmt.Sprintf("n%d.example.com", j%10)
				if i%2 == 0 {
					z.AddTXT(name, fmt.Sprint(i, j))
					z.Remove(name)
				} else if _, err := z.LookupTXT(t.Context(), name); err != nil && !err.(*net.DNSError).IsNotFound {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if _, ok := asked.Load("n3.example.com. TXT"); !ok {
		t.Error("the question was not observed")
	}
}

func TestExchangeSilence(t *testing.T) {
	z := load(t)
	z.Fail("slow.example.com", Timeout)
	q, _ := new(dns.Msg).SetQuestion("slow.example.com.", dns.TypeA).Pack()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if _, err := z.Exchange(ctx, q); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := z.Exchange(t.Context(), []byte("short")); err == nil {
		t.Error("nonsense was answered")
	}
}

func FuzzExchange(f *testing.F) {
	z := load(f)
	for _, name := range []string{"example.com.", "www.example.com.", "x.wild.example.com.", `a\.b\\c\255.example.com.`} {
		q, _ := new(dns.Msg).SetQuestion(name, dns.TypeTXT).Pack()
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		m, err := z.Exchange(t.Context(), query)
		if err == nil && (len(m) < 12 || !bytes.Equal(m[:2], query[:2])) {
			t.Errorf("answer %x to %x", m, query)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("a IN TXT \"\\256\"")
	f.Fuzz(func(t *testing.T, text string) {
		z, err := Parse(strings.NewReader(text), "example.com")
		if err != nil {
			return
		}
		_, _ = z.LookupTXT(t.Context(), "example.com")
		_, _ = z.LookupNetIP(t.Context(), "ip", "a.example.com")
	})
}
