package dkim_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/internal/suites"
)

// zone answers TXT questions.
type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if txt, ok := z[name]; ok {
		return []string{txt}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// RFC 8463 A.1, A.2
const (
	rfc8463Ed25519 = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
	rfc8463RSA     = `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
`
)

var rfc8463Zone = zone{
	"brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
	"test._domainkey.football.example.com": "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR" +
		"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC" +
		"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3" +
		"Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}

// RFC 8463 A.3, in two parts.
var (
	rfc8463Signatures = crlf(`DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
`)
	rfc8463Message = crlf(`From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
`)
)

func TestRFC8463(t *testing.T) {
	v := dkim.Verifier{Resolver: rfc8463Zone}
	res, err := v.Verify(t.Context(), strings.NewReader(rfc8463Signatures+rfc8463Message))
	if err != nil || len(res) != 2 {
		t.Fatal(res, err)
	}
	for i, want := range []string{
		"dkim=pass header.d=football.example.com header.i=@football.example.com header.s=brisbane header.a=ed25519-sha256 header.b=\"/gCrinpc\"",
		"dkim=pass header.d=football.example.com header.i=@football.example.com header.s=test header.a=rsa-sha256 header.b=F45dVWDf",
	} {
		if got := string(res[i].AppendResult(nil)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for name, message := range map[string]string{
		"body":   strings.Replace(rfc8463Message, "hungry", "thirsty", 1),
		"header": strings.Replace(rfc8463Message, "dinner", "supper", 1),
		"added":  "Subject: another\r\n" + rfc8463Message,
	} {
		res, err := v.Verify(t.Context(), strings.NewReader(rfc8463Signatures+message))
		for _, r := range res {
			if r.Value != dkim.Fail || (r.Body == dkim.Bad) != (name == "body") || (r.Header == dkim.Bad) != (name != "body") {
				t.Errorf("%s changed: %+v, %v", name, r, err)
			}
		}
	}
}

// TestRFC8463Sign makes the RFC's Ed25519 signature anew, which is deterministic.
func TestRFC8463Sign(t *testing.T) {
	seed, _ := base64.StdEncoding.DecodeString(rfc8463Ed25519)
	block, _ := pem.Decode([]byte(rfc8463RSA))
	rsaKey, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer := dkim.Signer{Domain: "football.example.com", Key: ed25519.NewKeyFromSeed(seed), Selector: "brisbane", Identity: "@football.example.com",
		Now: func() time.Time { return time.Unix(1528637909, 0) }}
	second := signer
	second.Key, second.Selector, second.Expiration = rsaKey, "test", 365*24*time.Hour
	second.HeaderCanon, second.BodyCanon = dkim.Simple, dkim.Simple
	fields, err := dkim.Sign(strings.NewReader(rfc8463Message), signer, second)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(fields), "\r\n"), "\r\n") {
		if len(line) > 78 {
			t.Errorf("line of %d octets: %s", len(line), line)
		}
	}
	v := dkim.Verifier{Resolver: rfc8463Zone, Now: func() time.Time { return time.Unix(1528637909+86400, 0) }}
	res, err := v.Verify(t.Context(), strings.NewReader(string(fields)+rfc8463Message))
	if err != nil || len(res) != 2 || res[0].Value != dkim.Pass || res[1].Value != dkim.Pass {
		t.Errorf("%+v, %v\n%s", res, err, fields)
	}
	v.Now = func() time.Time { return time.Unix(1528637909+366*86400, 0) }
	if res, _ := v.Verify(t.Context(), strings.NewReader(string(fields)+rfc8463Message)); res[0].Value != dkim.Pass || res[1].Value != dkim.Fail {
		t.Errorf("after x=: %+v", res)
	}
}

// TestSuites verifies the signed messages of other projects.
func TestSuites(t *testing.T) {
	dir := suites.Dir(t, "dkim/mail-auth")
	files, err := filepath.Glob(filepath.Join(dir, "0*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		records, message, _ := strings.Cut(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n\n")
		z := zone{}
		for line := range strings.SplitSeq(records, "\n") {
			name, txt, _ := strings.Cut(line, " ")
			z[strings.TrimSuffix(name, ".")] = txt
		}
		v := dkim.Verifier{Resolver: z, Now: func() time.Time { return time.Unix(1667870000, 0) }, AllowTesting: true}
		res, err := v.Verify(t.Context(), dkim.NewCRLFReader(strings.NewReader(message)))
		if err != nil || len(res) == 0 {
			t.Errorf("%s: %v, %v", filepath.Base(file), res, err)
		}
		for _, r := range res {
			if r.Value != dkim.Pass {
				t.Errorf("%s: %s", filepath.Base(file), r.AppendResult(nil))
			}
		}
	}
	dir = suites.Dir(t, "dkim/mimekit")
	b, err := os.ReadFile(filepath.Join(dir, "rfc8463-example.msg"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := dkim.Verifier{Resolver: rfc8463Zone}.Verify(t.Context(), dkim.NewCRLFReader(strings.NewReader(string(b))))
	if err != nil || len(res) != 2 || res[0].Value != dkim.Pass || res[1].Value != dkim.Pass {
		t.Errorf("rfc8463-example.msg: %+v, %v", res, err)
	}
}
