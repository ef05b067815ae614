package route_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/route"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// policies is an HTTPS world with MTA-STS policies by domain.
type policies map[string]string

func (p policies) RoundTrip(r *http.Request) (*http.Response, error) {
	text, ok := p[strings.TrimPrefix(r.URL.Host, "mta-sts.")]
	if !ok {
		return nil, errors.New("no such host")
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// TestMTASTS sends to hosts that keep to the policy of their domain or do not (RFC 8461 §5).
func TestMTASTS(t *testing.T) {
	goodTLS, clientTLS := smtptest.TLS(t, "good.d.test", "other.d.test")
	badTLS, _ := smtptest.TLS(t, "bad.d.test")
	const zone = `
		_mta-sts.d.test. IN TXT "v=STSv1; id=1;"
		good.d.test.  IN A 192.0.2.1
		bad.d.test.   IN A 192.0.2.2
		plain.d.test. IN A 192.0.2.3
		other.d.test. IN A 192.0.2.1
		d.test.       IN A 192.0.2.1
		`
	const bad = "454 4.7.5"
	for _, tt := range []struct {
		name   string
		mx     string // by preference
		mode   string // "": no policy can be had
		want   string // host, or reply
		report []string
	}{
		{"good", "good", "enforce", "good.d.test", []string{"good.d.test ok"}},
		{"not in the policy", "other", "enforce", "451 4.7.5", []string{"other.d.test failed"}},
		{"one not in the policy", "other good", "enforce", "good.d.test", []string{"other.d.test failed", "good.d.test ok"}},
		{"bad certificate", "bad", "enforce", bad, []string{"bad.d.test failed"}},
		{"no TLS", "plain", "enforce", "454 4.7.4", []string{"plain.d.test failed"}},
		{"the next one is good", "plain bad good", "enforce", "good.d.test", []string{"plain.d.test failed", "bad.d.test failed", "good.d.test ok"}},
		{"testing, good", "good", "testing", "good.d.test", []string{"good.d.test ok"}},
		{"testing, not in the policy", "other", "testing", "other.d.test", []string{"other.d.test failed"}},
		{"testing, bad certificate", "bad", "testing", "bad.d.test", []string{"bad.d.test failed"}},
		{"testing, no TLS", "plain", "testing", "plain.d.test", []string{"plain.d.test failed"}},
		{"none", "bad", "none", "bad.d.test", nil},
		{"policy cannot be had", "bad", "", "bad.d.test", []string{" failed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := &smtptest.Recorder{}
			start := func(s *smtpserver.Server) string { return smtptest.NewServer(t, s, false) }
			n := &network{hosts: map[string]string{
				"192.0.2.1": start(&smtpserver.Server{Handler: rec, TLS: goodTLS}),
				"192.0.2.2": start(&smtpserver.Server{Handler: rec, TLS: badTLS}),
				"192.0.2.3": start(&smtpserver.Server{Handler: rec}),
			}}
			world := policies{}
			if tt.mode != "" {
				world["d.test"] = "version: STSv1\nmode: " + tt.mode + "\nmx: good.d.test\nmx: bad.d.test\nmx: plain.d.test\nmax_age: 86400\n"
			}
			var mx strings.Builder
			mx.WriteString(zone)
			for i, h := range strings.Fields(tt.mx) {
				mx.WriteString(fmt.Sprintf("d.test. IN MX %d %s.d.test.\n", i, h))
			}
			r := router(t, mx.String(), n)
			if tt.name != "bad certificate" { // nor is its authority trusted
				r.Client.TLSConfig = clientTLS
			}
			z := dnstest.New()
			z.MustAdd(mx.String())
			r.STS = &mtasts.Fetcher{Resolver: z, Transport: world, Cache: &mtasts.MemoryCache{}}
			var mu sync.Mutex
			var reports []string
			r.Report = func(_ context.Context, rep route.Report) {
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, rep.Host+map[bool]string{true: " ok", false: " failed"}[rep.Err == nil])
				if rep.Domain != "d.test" || rep.Host != "" && rep.Policy.Mode != mtasts.Mode(tt.mode) {
					t.Errorf("%+v", rep)
				}
			}
			for i := range 2 {
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

// TestRequireTLS: something must vouch for the host (RFC 8689 §4.2.1).
func TestRequireTLS(t *testing.T) {
	serverTLS, clientTLS := smtptest.TLS(t, "mx.d.test", "d.test", "mx2.d.test")
	rec := &smtptest.Recorder{}
	addr := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, TLS: serverTLS, Extensions: []smtpserver.Extension{smtpserver.RequireTLS()}}, false)
	without := smtptest.NewServer(t, &smtpserver.Server{Handler: rec, TLS: serverTLS}, false)
	const mx = "d.test. IN MX 1 mx.d.test.\nmx.d.test. IN A 192.0.2.1"
	for _, tt := range []struct {
		name, zone  string
		signed, sts bool
		want        string
	}{
		{"nothing vouches", mx, false, false, "550 5.7.10"},
		{"DNSSEC", mx, true, false, "mx.d.test"},
		{"MTA-STS", mx + "\n_mta-sts.d.test. IN TXT \"v=STSv1; id=1;\"", false, true, "mx.d.test"},
		{"implicit MX", "d.test. IN A 192.0.2.1", false, false, "d.test"},
		{"not offered", strings.ReplaceAll(mx, "192.0.2.1", "192.0.2.2"), true, false, "550 5.7.30"},
		{"the next one offers it", strings.ReplaceAll(mx, "192.0.2.1", "192.0.2.2") + "\nd.test. IN MX 5 mx2.d.test.\nmx2.d.test. IN A 192.0.2.1", true, false, "mx2.d.test"},
		{"no TLS there", strings.ReplaceAll(mx, "192.0.2.1", "192.0.2.3"), true, false, "550 5.7.10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &network{hosts: map[string]string{"192.0.2.1": addr, "192.0.2.2": without, "192.0.2.3": server(t, rec)}}
			z := dnstest.New()
			z.MustAdd(tt.zone)
			if tt.signed {
				z.Sign("d.test")
			}
			r := router(t, "", n)
			r.Resolver, r.Secure, r.Client.TLSConfig = z, z, clientTLS
			if tt.sts {
				r.STS = &mtasts.Fetcher{Resolver: z, Transport: policies{"d.test": "version: STSv1\nmode: testing\nmx: *.d.test\nmax_age: 86400\n"}}
			}
			e := envelope(t, "b@d.test")
			e.Params.RequireTLS = true
			res, err := r.Deliver(t.Context(), e, strings.NewReader(text))
			got := ""
			if err != nil {
				got = short(smtp.ReplyOf(err))
			} else {
				got = res[0].RemoteMTA
			}
			if got != tt.want {
				t.Errorf("%s, %v; want %s", got, err, tt.want)
			}
		})
	}
	for _, m := range rec.Messages() {
		if !m.Params.RequireTLS || m.Peer.TLS == nil {
			t.Errorf("%+v", m.Params)
		}
	}
}

// TestServerName: hosts are asked for by their name.
func TestServerName(t *testing.T) {
	serverTLS, _ := smtptest.TLS(t)
	rec := &smtptest.Recorder{}
	n := &network{hosts: map[string]string{"192.0.2.1": smtptest.NewServer(t, &smtpserver.Server{Handler: rec, TLS: serverTLS}, false)}}
	r := router(t, "d.test. IN MX 1 mx.d.test.\nmx.d.test. IN A 192.0.2.1", n)
	var names []string
	r.Client.Opened = func(c *smtpclient.Conn) error {
		names = append(names, c.TLS().ServerName, c.Host())
		return nil
	}
	if _, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, []string{"mx.d.test", "mx.d.test"}) || rec.Messages()[0].Peer.TLS.ServerName != "mx.d.test" {
		t.Errorf("%q", names)
	}
}
