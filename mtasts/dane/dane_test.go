package dane_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/mtasts/dane"
)

// An authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serial int64

// issue makes a certificate; a nil issuer signs itself.
func issue(t testing.TB, by *authority, edit func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("certificate ", serial)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	edit(c)
	a := &authority{key: key}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func isCA(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// certs is a root, an intermediate and certificates of a host below them.
type certs struct {
	root, middle, good, other, expired, common, wild, alone *authority
}

func newCerts(t testing.TB) certs {
	var c certs
	c.root = issue(t, nil, isCA)
	c.middle = issue(t, c.root, isCA)
	c.good = issue(t, c.middle, named("mx.example.com"))
	c.other = issue(t, c.middle, named("other.example"))
	c.expired = issue(t, c.middle, func(x *x509.Certificate) {
		x.DNSNames, x.NotBefore, x.NotAfter = []string{"mx.example.com"}, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})
	c.common = issue(t, c.middle, func(x *x509.Certificate) { x.Subject.CommonName = "*.example.com" })
	c.wild = issue(t, c.middle, named("*.example.com"))
	c.alone = issue(t, nil, named("whoever.example"))
	return c
}

func record(t testing.TB, u dane.Usage, s dane.Selector, m dane.Matching, c *authority) dane.Record {
	t.Helper()
	r, err := dane.New(u, s, m, c.cert)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// handshake speaks TLS to a server that shows a chain, under a policy, and returns what the client says.
func handshake(t testing.TB, p *dane.Policy, leaf *authority, chain ...*authority) error {
	t.Helper()
	cert := tls.Certificate{PrivateKey: leaf.key, Certificate: [][]byte{leaf.cert.Raw}}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.cert.Raw)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var sni string
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s := tls.Server(conn, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { sni = h.ServerName; return &cert, nil }})
		if s.HandshakeContext(t.Context()) == nil {
			_, _ = s.Read(make([]byte, 1)) // until the client closes
		}
	})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	err = tls.Client(conn, p.TLSConfig(&tls.Config{MinVersion: tls.VersionTLS12})).HandshakeContext(t.Context())
	_ = conn.Close()
	wg.Wait()
	if sni != p.Base {
		t.Errorf("SNI %q, want %q", sni, p.Base)
	}
	return err
}

// TestVerify shows certificates to policies, over TLS.
func TestVerify(t *testing.T) {
	c := newCerts(t)
	names := []string{"mx.example.com", "example.com"}
	for name, tt := range map[string]struct {
		records []dane.Record
		leaf    *authority
		chain   []*authority
		want    error
	}{
		"3 1 1":                      {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.good)}, c.good, nil, nil},
		"3 0 1":                      {[]dane.Record{record(t, dane.EE, dane.Cert, dane.SHA256, c.good)}, c.good, nil, nil},
		"3 0 2":                      {[]dane.Record{record(t, dane.EE, dane.Cert, dane.SHA512, c.good)}, c.good, nil, nil},
		"3 0 0":                      {[]dane.Record{record(t, dane.EE, dane.Cert, dane.Full, c.good)}, c.good, nil, nil},
		"3 1 0":                      {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.Full, c.good)}, c.good, nil, nil},
		"3 1 1, expired":             {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.expired)}, c.expired, nil, nil},
		"3 1 1, other name":          {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.alone)}, c.alone, nil, nil},
		"3 1 1 of another":           {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.alone)}, c.good, nil, dane.ErrNoMatch},
		"3 1 1 of the authority":     {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.middle)}, c.good, []*authority{c.middle}, dane.ErrNoMatch},
		"one of two":                 {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.alone), record(t, dane.EE, dane.SPKI, dane.SHA256, c.good)}, c.good, nil, nil},
		"unusable beside":            {[]dane.Record{{Usage: 1, Selector: 1, Matching: 1, Data: make([]byte, 32)}, record(t, dane.EE, dane.SPKI, dane.SHA256, c.good)}, c.good, nil, nil},
		"strongest hash is wrong":    {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.good), record(t, dane.EE, dane.SPKI, dane.SHA512, c.alone)}, c.good, nil, dane.ErrNoMatch},
		"strongest of its kind":      {[]dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.good), record(t, dane.EE, dane.Cert, dane.SHA512, c.alone)}, c.good, nil, nil},
		"2 0 1, root":                {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.good, []*authority{c.middle, c.root}, nil},
		"2 0 1, middle":              {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.middle)}, c.good, []*authority{c.middle}, nil},
		"2 1 1, middle":              {[]dane.Record{record(t, dane.TA, dane.SPKI, dane.SHA256, c.middle)}, c.good, []*authority{c.middle}, nil},
		"2 1 0, middle":              {[]dane.Record{record(t, dane.TA, dane.SPKI, dane.Full, c.middle)}, c.good, []*authority{c.middle}, nil},
		"2 0 1, not shown":           {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.good, []*authority{c.middle}, dane.ErrNoMatch},
		"2 0 0, not shown":           {[]dane.Record{record(t, dane.TA, dane.Cert, dane.Full, c.root)}, c.good, []*authority{c.middle}, nil},
		"2 0 1, broken chain":        {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.good, []*authority{c.root}, dane.ErrChain},
		"2 0 1, shown, not above":    {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.alone, []*authority{c.root}, dane.ErrChain},
		"2 0 1, expired":             {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.expired, []*authority{c.middle, c.root}, dane.ErrChain},
		"2 0 1, other name":          {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.other, []*authority{c.middle, c.root}, dane.ErrName},
		"2 0 1, wildcard":            {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.wild, []*authority{c.middle, c.root}, nil},
		"2 0 1, common name":         {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}, c.common, []*authority{c.middle, c.root}, nil},
		"2 or 3":                     {[]dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root), record(t, dane.EE, dane.SPKI, dane.SHA256, c.other)}, c.other, nil, nil},
		"all unusable: anybody":      {[]dane.Record{{Usage: 0, Data: []byte{1}}}, c.alone, nil, nil},
		"2 1 1, the host's own, one": {[]dane.Record{record(t, dane.TA, dane.SPKI, dane.SHA256, c.good)}, c.good, nil, nil},
	} {
		p := &dane.Policy{Base: names[0], Names: names, Records: tt.records}
		err := handshake(t, p, tt.leaf, tt.chain...)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if v, ok := errors.AsType[*dane.VerifyError](err); tt.want != nil && (!ok || v.Base != names[0]) {
			t.Errorf("%s: %T", name, err)
		}
	}
	unusable := &dane.Policy{Records: []dane.Record{{Usage: 1}}}
	if err := unusable.Verify(tls.ConnectionState{}); !errors.Is(err, dane.ErrNoTLSA) {
		t.Error(err)
	}
	if err := (&dane.Policy{Records: []dane.Record{record(t, dane.EE, dane.SPKI, dane.SHA256, c.good)}}).Verify(tls.ConnectionState{}); !errors.Is(err, dane.ErrNoMatch) {
		t.Error(err)
	}
	// The next-hop name is one of the host's, where the MX set is secure.
	p := &dane.Policy{Base: "mx.provider.example", Names: []string{"mx.provider.example", "other.example"}, Records: []dane.Record{record(t, dane.TA, dane.Cert, dane.SHA256, c.root)}}
	if err := handshake(t, p, c.other, c.middle, c.root); err != nil {
		t.Error(err)
	}
}

// TestLookup: what counts as secure, which name is the base, and when mail must wait.
func TestLookup(t *testing.T) {
	const zone = `
mx.signed.example.             IN A 192.0.2.1
_25._tcp.mx.signed.example.    IN TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
_26._tcp.mx.signed.example.    IN TLSA 1 1 1 0000000000000000000000000000000000000000000000000000000000000000
_27._tcp.mx.signed.example.    IN CNAME shared.signed.example.
shared.signed.example.         IN TLSA 2 0 1 0000000000000000000000000000000000000000000000000000000000000001
plain.signed.example.          IN A 192.0.2.1
mx.plain.example.              IN A 192.0.2.1
_25._tcp.mx.plain.example.     IN TLSA 3 1 1 00
alias.signed.example.          IN CNAME mx.signed.example.
own.signed.example.            IN CNAME plain.signed.example.
_25._tcp.own.signed.example.   IN TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000002
out.signed.example.            IN CNAME mx.plain.example.
_25._tcp.out.signed.example.   IN TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000003
away.plain.example.            IN CNAME mx.plain.example.
fails.signed.example.          IN A 192.0.2.1
lost.signed.example.           IN A 192.0.2.1
astray.signed.example.         IN CNAME mx.plain.example.
six.signed.example.            IN AAAA 2001:db8::1
_25._tcp.six.signed.example.   IN CNAME _25._tcp.mx.plain.example.
`
	z := dnstest.New()
	z.MustAdd(zone)
	z.Sign("signed.example")
	z.Fail("_25._tcp.fails.signed.example", dnstest.ServFail)
	z.Fail("lost.signed.example", dnstest.ServFail)
	z.Fail("_25._tcp.astray.signed.example", dnstest.ServFail)
	z.Fail("_25._tcp.mx.plain2.example", dnstest.ServFail)
	for name, tt := range map[string]struct {
		host dane.Host
		want string // base, names, number of records; "" for no DANE, "wait" for an error
		auth bool
	}{
		"secure":                {dane.Host{Name: "MX.signed.example.", Port: 25}, "mx.signed.example [mx.signed.example] 1", true},
		"next hop":              {dane.Host{Name: "mx.signed.example", Port: 25, NextHop: []string{"Signed.Example.", "mx.signed.example"}}, "mx.signed.example [mx.signed.example signed.example] 1", true},
		"unusable":              {dane.Host{Name: "mx.signed.example", Port: 26}, "mx.signed.example [mx.signed.example] 1", false},
		"shared by alias":       {dane.Host{Name: "mx.signed.example", Port: 27}, "mx.signed.example [mx.signed.example] 1", true},
		"other port":            {dane.Host{Name: "mx.signed.example", Port: 28}, "", false},
		"no records":            {dane.Host{Name: "plain.signed.example", Port: 25}, "", false},
		"unsigned":              {dane.Host{Name: "mx.plain.example", Port: 25}, "", false},
		"no such host":          {dane.Host{Name: "absent.signed.example", Port: 25}, "", false},
		"alias to secure":       {dane.Host{Name: "alias.signed.example", Port: 25}, "mx.signed.example [mx.signed.example] 1", true},
		"records at the alias":  {dane.Host{Name: "own.signed.example", Port: 25}, "own.signed.example [own.signed.example] 1", true},
		"alias out of DNSSEC":   {dane.Host{Name: "out.signed.example", Port: 25}, "out.signed.example [out.signed.example] 1", true},
		"alias, nothing signed": {dane.Host{Name: "away.plain.example", Port: 25}, "", false},
		"records out of DNSSEC": {dane.Host{Name: "six.signed.example", Port: 25}, "", false},
		"records fail":          {dane.Host{Name: "fails.signed.example", Port: 25}, "wait", false},
		"address fails":         {dane.Host{Name: "lost.signed.example", Port: 25}, "wait", false},
		"alias out, fails":      {dane.Host{Name: "astray.signed.example", Port: 25}, "", false},
	} {
		p, err := dane.Lookup(t.Context(), z, tt.host)
		got := ""
		if le, ok := errors.AsType[*dane.LookupError](err); ok && le.Name != "" {
			got = "wait"
		} else if err != nil {
			got = err.Error()
		}
		if p != nil {
			got = fmt.Sprint(p.Base, " ", p.Names, " ", len(p.Records)+p.Broken)
			if p.Authenticates() != tt.auth {
				t.Errorf("%s: authenticates %v", name, p.Authenticates())
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestProblemServers: a server of unsigned names that fails at TLSA is not asked (RFC 7672 §2.2.2).
func TestProblemServers(t *testing.T) {
	z := dnstest.New()
	z.MustAdd("mx.plain.example. IN A 192.0.2.1")
	z.Fail("_25._tcp.mx.plain.example", dnstest.ServFail)
	z.Observe(func(name, qtype string) {
		if qtype == "TLSA" {
			t.Errorf("%s was asked for TLSA", name)
		}
	})
	if p, err := dane.Lookup(t.Context(), z, dane.Host{Name: "mx.plain.example", Port: 25}); p != nil || err != nil {
		t.Error(p, err)
	}
}

// broken answers with RDATA that no record has.
type broken struct{ *dnstest.Zone }

func (broken) LookupTLSASecure(context.Context, string) ([][]byte, bool, error) {
	return [][]byte{nil, {3}, {3, 1, 1}, make([]byte, 3+dane.MaxData+1)}, true, nil
}

// TestBroken: records that are secure and malformed still say that there is TLS.
func TestBroken(t *testing.T) {
	z := dnstest.New()
	z.MustAdd("mx.example. IN A 192.0.2.1")
	z.Sign("example")
	p, err := dane.Lookup(t.Context(), broken{z}, dane.Host{Name: "mx.example", Port: 25})
	if err != nil || p == nil || p.Broken != 4 || p.Authenticates() {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestMalformed: what each malformed record gets.
func TestMalformed(t *testing.T) {
	for text, want := range map[string]error{
		"": dane.ErrRecord, "3 1 1": dane.ErrRecord, "3 1 x 00": dane.ErrRecord, "256 1 1 00": dane.ErrRecord, "-1 1 1 00": dane.ErrRecord, "3 1 1 0": dane.ErrRecord, "3 1 1 zz": dane.ErrRecord,
		"3 1 1 " + strings.Repeat("00", dane.MaxData+1): dane.ErrRecord,
		"0 1 1 " + strings.Repeat("00", 32):             dane.ErrUnusable, "1 1 1 " + strings.Repeat("00", 32): dane.ErrUnusable, "4 1 1 " + strings.Repeat("00", 32): dane.ErrUnusable,
		"255 1 1 " + strings.Repeat("00", 32): dane.ErrUnusable, "3 2 1 " + strings.Repeat("00", 32): dane.ErrUnusable, "3 1 3 " + strings.Repeat("00", 32): dane.ErrUnusable,
		"3 1 1 " + strings.Repeat("00", 31): dane.ErrUnusable, "3 1 1 " + strings.Repeat("00", 33): dane.ErrUnusable, "3 1 2 " + strings.Repeat("00", 32): dane.ErrUnusable,
		"2 0 0 00": dane.ErrUnusable, "3 1 0 3000": dane.ErrUnusable,
	} {
		r, err := dane.ParseText(text)
		if err == nil {
			err = r.Usable()
		}
		if !errors.Is(err, want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestID: the same records in another order verify the same; another name or record does not.
func TestID(t *testing.T) {
	a, b := dane.Record{Usage: 3, Data: []byte{1}}, dane.Record{Usage: 3, Data: []byte{2}}
	p := dane.Policy{Names: []string{"x"}, Records: []dane.Record{a, b}}
	if q := (&dane.Policy{Names: []string{"x"}, Records: []dane.Record{b, a}}); q.ID() != p.ID() {
		t.Error("order counts")
	}
	for _, q := range []*dane.Policy{{Names: []string{"y"}, Records: p.Records}, {Names: []string{"x"}, Records: p.Records[:1]}} {
		if q.ID() == p.ID() {
			t.Errorf("%+v", q)
		}
	}
}

func FuzzParseText(f *testing.F) {
	f.Add("3 1 1 0123456789abcdef")
	f.Add("2 0 0 3000")
	f.Add(" 255\t255 255 00 11 ")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := dane.ParseText(text)
		if err != nil {
			if !errors.Is(err, dane.ErrRecord) {
				t.Error(err)
			}
			return
		}
		again, err := dane.ParseText(r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%v, %v", again, err)
		}
		wire, err := dane.ParseRecord(r.Append(nil))
		if err != nil || wire.String() != r.String() {
			t.Errorf("%v, %v", wire, err)
		}
		_ = r.Usable()
	})
}
