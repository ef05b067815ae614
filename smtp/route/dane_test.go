package route_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/route"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// tlsa returns the record that names the certificate of a server.
func tlsa(t *testing.T, c *tls.Config, u dane.Usage, s dane.Selector) string {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := dane.New(u, s, dane.SHA256, cert)
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

// TestDANE sends to hosts whose certificates the DNS names, or does not (RFC 7672 §2, §3). No authority is trusted.
func TestDANE(t *testing.T) {
	one, _ := smtptest.TLS(t, "d.test")
	two, _ := smtptest.TLS(t, "elsewhere.test")
	const hosts = `
		d.test.     IN MX 1 one.d.test.
		d.test.     IN MX 2 two.d.test.
		one.d.test. IN A 192.0.2.1
		two.d.test. IN A 192.0.2.2
		`
	record := func(host, data string) string { return "_25._tcp." + host + ".d.test. IN TLSA " + data + "\n" }
	ee, ta := tlsa(t, one, dane.EE, dane.SPKI), tlsa(t, one, dane.TA, dane.Cert)
	const unusable = "1 1 1 0000000000000000000000000000000000000000000000000000000000000000"
	for _, tt := range []struct {
		name    string
		zone    string
		change  func(*dnstest.Zone)
		servers string // TLS of 192.0.2.1 and .2: "one", "two" or "plain"
		want    string // host, or reply
		report  []string
	}{
		{"named", record("one", ee), nil, "one two", "one.d.test", []string{"one.d.test ok"}},
		{"another key", record("one", ee), nil, "two two", "two.d.test", []string{"one.d.test failed"}},
		{"no TLS", record("one", ee), nil, "plain two", "two.d.test", []string{"one.d.test failed"}},
		{"nobody is who he is", record("one", ee) + record("two", ee), nil, "two two", "454 4.7.5", []string{"one.d.test failed", "two.d.test failed"}},
		{"authority, name of the domain", record("one", ta), nil, "one two", "one.d.test", []string{"one.d.test ok"}},
		{"authority, MX not secure", record("one", ta), func(z *dnstest.Zone) { z.Unsign("d.test"); z.Sign("one.d.test") }, "one two", "two.d.test", []string{"one.d.test failed"}},
		{"key, MX not secure", record("one", ee), func(z *dnstest.Zone) { z.Unsign("d.test"); z.Sign("one.d.test") }, "one two", "one.d.test", []string{"one.d.test ok"}},
		{"nothing secure", record("one", ee), func(z *dnstest.Zone) { z.Unsign("d.test") }, "plain two", "one.d.test", nil},
		{"unusable, TLS", record("one", unusable), nil, "two two", "one.d.test", []string{"one.d.test ok"}},
		{"unusable, no TLS", record("one", unusable), nil, "plain two", "two.d.test", []string{"one.d.test failed"}},
		{"no records", "", nil, "plain two", "one.d.test", nil},
		{"records cannot be had", "", func(z *dnstest.Zone) { z.Fail("_25._tcp.one.d.test", dnstest.ServFail) }, "one two", "two.d.test", []string{"one.d.test failed"}},
		{"no records can be had", "", func(z *dnstest.Zone) {
			z.Fail("_25._tcp.one.d.test", dnstest.ServFail)
			z.Fail("_25._tcp.two.d.test", dnstest.ServFail)
		}, "one two", "451 4.4.3", []string{"one.d.test failed", "two.d.test failed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := &smtptest.Recorder{}
			n := &network{hosts: map[string]string{}}
			for i, kind := range strings.Fields(tt.servers) {
				s := &smtpserver.Server{Handler: rec, TLS: map[string]*tls.Config{"one": one, "two": two}[kind]}
				n.hosts[[]string{"192.0.2.1", "192.0.2.2"}[i]] = smtptest.NewServer(t, s, false)
			}
			z := dnstest.New()
			z.MustAdd(hosts + tt.zone)
			z.Sign("d.test")
			if tt.change != nil {
				tt.change(z)
			}
			r := router(t, hosts, n)
			r.Resolver, r.Secure, r.DANE = z, z, z
			var mu sync.Mutex
			var reports []string
			r.Report = func(_ context.Context, rep route.Report) {
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, rep.Host+map[bool]string{true: " ok", false: " failed"}[rep.Err == nil])
			}
			for i := range 2 { // the second time over a connection that was kept
				res, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text))
				got := ""
				if err != nil {
					got = short(smtp.ReplyOf(err))
				} else {
					got = res[0].RemoteMTA
				}
				mu.Lock()
				if got != tt.want || i == 0 && !slices.Equal(reports, tt.report) {
					t.Errorf("%s, reports %q; want %s, %q (%v)", got, reports, tt.want, tt.report, err)
				}
				mu.Unlock()
			}
			if taken := len(rec.Messages()); strings.HasPrefix(tt.want, "4") != (taken == 0) {
				t.Errorf("%d messages taken", taken)
			}
		})
	}
}

// TestDANEAlias: the certificate may be for the domain that another one is an alias of (RFC 7672 §3.2.2).
func TestDANEAlias(t *testing.T) {
	own, _ := smtptest.TLS(t, "d.test")
	for signed, want := range map[string]string{"alias.test": "one.d.test", "nothing": "454 4.7.5"} {
		rec := &smtptest.Recorder{}
		n := &network{hosts: map[string]string{"192.0.2.1": smtptest.NewServer(t, &smtpserver.Server{Handler: rec, TLS: own}, false)}}
		z := dnstest.New()
		z.MustAdd("alias.test. IN CNAME d.test.\nd.test. IN MX 1 one.d.test.\nd.test. IN A 192.0.2.9\none.d.test. IN A 192.0.2.1\n_25._tcp.one.d.test. IN TLSA " + tlsa(t, own, dane.TA, dane.Cert))
		z.Sign("d.test")
		z.Sign(signed)
		r := router(t, "", n)
		r.Resolver, r.Secure, r.DANE = z, z, z
		res, err := r.Deliver(t.Context(), envelope(t, "b@alias.test"), strings.NewReader(text))
		got := ""
		if err != nil {
			got = short(smtp.ReplyOf(err))
		} else {
			got = res[0].RemoteMTA
		}
		if got != want {
			t.Errorf("%s signed: %s, %v; want %s", signed, got, err, want)
		}
	}
}

// TestDANEAndMTASTS: TLSA records decide about the certificate, the policy still about the hosts (RFC 8461 §2).
func TestDANEAndMTASTS(t *testing.T) {
	own, _ := smtptest.TLS(t, "whoever.test") // no authority vouches for it
	for _, tt := range []struct{ name, record, mx, want string }{
		{"both", tlsa(t, own, dane.EE, dane.SPKI), "mx.d.test", "mx.d.test"},
		{"DANE does not save a host that is not in the policy", tlsa(t, own, dane.EE, dane.SPKI), "other.d.test", "451 4.7.5"},
		{"nothing usable: the policy asks for a good certificate", "0 0 1 00", "mx.d.test", "454 4.7.5"},
		{"the policy does not save a host that DANE refuses", "3 1 1 0000000000000000000000000000000000000000000000000000000000000000", "mx.d.test", "454 4.7.5"},
	} {
		rec := &smtptest.Recorder{}
		n := &network{hosts: map[string]string{"192.0.2.1": smtptest.NewServer(t, &smtpserver.Server{Handler: rec, TLS: own}, false)}}
		z := dnstest.New()
		z.MustAdd("d.test. IN MX 1 mx.d.test.\nmx.d.test. IN A 192.0.2.1\n_mta-sts.d.test. IN TXT \"v=STSv1; id=1;\"\n_25._tcp.mx.d.test. IN TLSA " + tt.record)
		z.Sign("d.test")
		r := router(t, "", n)
		r.Resolver, r.Secure, r.DANE = z, z, z
		world := policies{"d.test": "version: STSv1\nmode: enforce\nmx: " + tt.mx + "\nmax_age: 86400\n"}
		r.STS = &mtasts.Fetcher{Resolver: z, Transport: world, Cache: &mtasts.MemoryCache{}}
		res, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text))
		got := ""
		if err != nil {
			got = short(smtp.ReplyOf(err))
		} else {
			got = res[0].RemoteMTA
		}
		if got != tt.want || strings.HasPrefix(tt.want, "4") != (len(rec.Messages()) == 0) {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}
