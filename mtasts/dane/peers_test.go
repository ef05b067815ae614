package dane_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/mtasts/dane"
)

// serve shows a chain to whoever comes, until the test ends.
func serve(t *testing.T, leaf *authority, chain ...*authority) string {
	t.Helper()
	cert := tls.Certificate{PrivateKey: leaf.key, Certificate: [][]byte{leaf.cert.Raw}}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.cert.Raw)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 1)) // the handshake, until the peer closes
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().(*net.TCPAddr).String()
}

// TestOpenSSL asks OpenSSL about the same records and certificates, with the names of RFC 7672 §3.2.2.
func TestOpenSSL(t *testing.T) {
	openssl := suites.Program(t, "openssl", "openssl")
	c := newCerts(t)
	for name, tt := range map[string]struct {
		records []dane.Record
		leaf    *authority
		chain   []*authority
	}{
		"3 1 1":                 {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.good)}, c.good, nil},
		"3 0 2":                 {[]dane.Record{record(t, dane.EE, dane.Cert, dane.SHA512, c.good)}, c.good, nil},
		"3 1 0":                 {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.Full, c.good)}, c.good, nil},
		"3 1 1, expired":        {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.expired)}, c.expired, nil},
		"3 1 1, other name":     {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.other)}, c.other, nil},
		"3 1 1 of another":      {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.alone)}, c.good, nil},
		"strongest is wrong":    {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.good), record(t, dane.EE, dane.SPKI, dane.SHA512, c.alone)}, c.good, nil},
		"2 0 1, root":           {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.good, []*authority{c.middle, c.root}},
		"2 1 1, middle":         {[]dane.Record{record(t, dane.TA, dane.SPKI, dane.SHA256, c.middle)}, c.good, []*authority{c.middle}},
		"2 0 0, root not shown": {[]dane.Record{record(t, dane.TA, dane.Cert, dane.Full, c.root)}, c.good, []*authority{c.middle}},
		"2 0 1, root not shown": {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.good, []*authority{c.middle}},
		"2 0 1, other name":     {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.other, []*authority{c.middle, c.root}},
		"2 0 1, wildcard":       {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.wild, []*authority{c.middle, c.root}},
		"2 0 1, common name":    {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.common, []*authority{c.middle, c.root}},
		"2 0 1, expired":        {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.expired, []*authority{c.middle, c.root}},
		"2 0 1, not above":      {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.alone, []*authority{c.root}},
	} {
		shown := []*x509.Certificate{tt.leaf.cert}
		for _, a := range tt.chain {
			shown = append(shown, a.cert)
		}
		p := &dane.Policy{Base: "mx.example.com", Names: []string{"mx.example.com"}, Records: tt.records}
		ours := p.Verify(tls.ConnectionState{PeerCertificates: shown})
		args := []string{"s_client", "-brief", "-verify_return_error", "-dane_ee_no_namechecks", "-connect", serve(t, tt.leaf, tt.chain...), "-dane_tlsa_domain", p.Base}
		for _, r := range tt.records {
			args = append(args, "-dane_tlsa_rrdata", r.String())
		}
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Stdin = strings.NewReader("")
		out, err := cmd.CombinedOutput()
		if (err == nil) != (ours == nil) {
			t.Errorf("%s: we say %v; OpenSSL says %v: %s", name, ours, err, out)
		}
	}
}
