package route_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/mtasts"
	"github.com/mailbricks/mailbricks/mtasts/dane"
	"github.com/mailbricks/mailbricks/mtasts/tlsrpt"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/route"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestCount: what each failure is called in a report (RFC 8460 §4.3).
func TestCount(t *testing.T) {
	sts := mtasts.Policy{Mode: mtasts.ModeEnforce, MX: []string{"*.d.test"}, MaxAge: 86400 * time.Second}
	records := &dane.Policy{Base: "mx.d.test", Records: []dane.Record{{Usage: dane.EE, Selector: dane.SPKI, Matching: dane.SHA256, Data: make([]byte, 32)}}}
	tls := func(err error) error {
		return &smtpclient.Error{Op: "TLS", Host: "mx.d.test", Err: fmt.Errorf("tls: %w", err)}
	}
	for _, tt := range []struct {
		rep    route.Report
		policy tlsrpt.PolicyType
		want   tlsrpt.ResultType
	}{
		{route.Report{Policy: sts}, tlsrpt.STS, ""},
		{route.Report{DANE: records}, tlsrpt.TLSA, ""},
		{route.Report{Policy: sts, Err: smtpclient.ErrNoTLS}, tlsrpt.STS, tlsrpt.StartTLSNotSupported},
		{route.Report{Policy: sts, Err: &smtpclient.Error{Op: "STARTTLS", Reply: smtp.NewReply(454, smtp.EnhancedCode{4, 7, 0}, "no")}}, tlsrpt.STS, tlsrpt.StartTLSNotSupported},
		{route.Report{Policy: sts, Err: tls(x509.CertificateInvalidError{Reason: x509.Expired})}, tlsrpt.STS, tlsrpt.CertificateExpired},
		{route.Report{Policy: sts, Err: tls(x509.HostnameError{Certificate: &x509.Certificate{}})}, tlsrpt.STS, tlsrpt.CertificateHostMismatch},
		{route.Report{Policy: sts, Err: tls(x509.UnknownAuthorityError{})}, tlsrpt.STS, tlsrpt.CertificateNotTrusted},
		{route.Report{Policy: sts, Err: tls(errors.New("handshake failure"))}, tlsrpt.STS, tlsrpt.ValidationFailure},
		{route.Report{DANE: records, Err: tls(&dane.VerifyError{Base: "mx.d.test", Err: dane.ErrNoMatch})}, tlsrpt.TLSA, tlsrpt.ValidationFailure},
		{route.Report{DANE: records, Err: tls(&dane.VerifyError{Base: "mx.d.test", Err: dane.ErrName})}, tlsrpt.TLSA, tlsrpt.CertificateHostMismatch},
		{route.Report{DANE: records, Err: tls(&dane.VerifyError{Base: "mx.d.test", Err: fmt.Errorf("%w: %w", dane.ErrChain, x509.CertificateInvalidError{Reason: x509.Expired})})}, tlsrpt.TLSA, tlsrpt.CertificateExpired},
		{route.Report{DANE: records, Err: tls(&dane.VerifyError{Base: "mx.d.test", Err: dane.ErrChain})}, tlsrpt.TLSA, tlsrpt.CertificateNotTrusted},
		{route.Report{Err: &route.Error{Err: &dane.LookupError{Name: "x", Err: errors.New("SERVFAIL")}}}, tlsrpt.NoPolicy, tlsrpt.DNSSECInvalid},
		{route.Report{Err: &mtasts.FetchError{Domain: "d.test", Reason: "status 404"}}, tlsrpt.NoPolicy, tlsrpt.STSPolicyFetchError},
		{route.Report{Err: &mtasts.FetchError{Domain: "d.test", Reason: "policy", Err: mtasts.ErrSyntax}}, tlsrpt.NoPolicy, tlsrpt.STSPolicyInvalid},
		{route.Report{Err: &mtasts.FetchError{Domain: "d.test", Reason: "connect", Err: x509.UnknownAuthorityError{}}}, tlsrpt.NoPolicy, tlsrpt.STSWebPKIInvalid},
	} {
		tt.rep.Domain, tt.rep.Host = "d.test", "mx.d.test"
		var to tlsrpt.Report
		tt.rep.Count(&to)
		tt.rep.Count(&to)
		p := to.Policies[0]
		switch {
		case len(to.Policies) != 1 || p.Policy.Type != tt.policy || p.Policy.Domain != "d.test":
			t.Errorf("%v: %+v", tt.rep.Err, to)
		case tt.want == "" && (p.Success != 2 || p.Failure != 0), tt.want != "" && (p.Success != 0 || p.Failure != 2 || len(p.Failures) != 1 || p.Failures[0].Type != tt.want || p.Failures[0].Count != 2):
			t.Errorf("%v: %+v; want %s", tt.rep.Err, p, tt.want)
		}
		if tt.policy == tlsrpt.STS && strings.Join(p.Policy.Strings, "\n") != "version: STSv1\nmode: enforce\nmx: *.d.test\nmax_age: 86400" {
			t.Errorf("%q", p.Policy.Strings)
		}
	}
}

// TestCountDelivery sends mail and reads the report about it.
func TestCountDelivery(t *testing.T) {
	own, _ := smtptest.TLS(t, "whoever.test")
	n := &network{hosts: map[string]string{
		"192.0.2.1": smtptest.NewServer(t, &smtpserver.Server{Handler: &smtptest.Recorder{}}, false),
		"192.0.2.2": smtptest.NewServer(t, &smtpserver.Server{Handler: &smtptest.Recorder{}, TLS: own}, false),
	}}
	z := dnstest.New()
	z.MustAdd("d.test. IN MX 1 plain.d.test.\nd.test. IN MX 2 good.d.test.\nplain.d.test. IN A 192.0.2.1\ngood.d.test. IN A 192.0.2.2\n" +
		"_25._tcp.plain.d.test. IN TLSA " + tlsa(t, own, dane.EE, dane.SPKI) + "\n_25._tcp.good.d.test. IN TLSA " + tlsa(t, own, dane.EE, dane.SPKI))
	z.Sign("d.test")
	r := router(t, "", n)
	r.Resolver, r.Secure, r.DANE = z, z, z
	var to tlsrpt.Report
	r.Report = func(_ context.Context, rep route.Report) { rep.Count(&to) } // one message at a time
	if _, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if p := to.Policies[0]; len(to.Policies) != 1 || p.Success != 1 || p.Failure != 1 || p.Failures[0].Type != tlsrpt.StartTLSNotSupported || p.Failures[0].MXHost != "plain.d.test" {
		t.Errorf("%+v", to)
	}
}
