package dkim_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/dkim"
)

const goodSignature = "v=1; a=rsa-sha256; d=example.com; s=s; h=From:To; bh=AAAA; b=AAAA"

// badSignatures are changes of goodSignature that make it malformed.
func badSignatures() [][2]string {
	return [][2]string{
		{"v=1; ", ""}, {"v=1", "v=01"}, {"v=1", "v=1x"}, {"v=1", "v="}, {"a=rsa-sha256; ", ""}, {"d=example.com; ", ""}, {"s=s; ", ""}, {"h=From:To; ", ""},
		{"bh=AAAA; ", ""}, {"b=AAAA", "b="}, {"bh=AAAA", "bh=A"}, {"b=AAAA", "b=****"}, {"b=AAAA", "b=AAAA; b=AAAA"}, {"d=example.com", "d=example.com; d=evil.example"},
		{"d=example.com", "d=com"}, {"d=example.com", "d=example..com"}, {"d=example.com", "d=.example.com"}, {"d=example.com", "d=example.com."}, {"d=example.com", "d=exa mple.com"},
		{"d=example.com", "d=example.com(.evil.example"}, {"d=example.com", "d=\"example.com\""}, {"d=example.com", "d=example.com\x00.evil.example"}, {"d=example.com", "d=b\xc3\xbccher.example"},
		{"d=example.com", "d=" + strings.Repeat("a", 64) + ".example"}, {"d=example.com", "d=" + strings.Repeat("a.", 127) + "example"}, {"s=s;", "s=a/b;"}, {"s=s;", "s=;"},
		{"h=From:To", "h=To"}, {"h=From:To", "h=From:"}, {"h=From:To", "h=From::To"}, {"h=From:To", "h=From:T o"}, {"h=From:To", "h=From" + strings.Repeat(":To", 256)},
		{"; b=", "; c=; b="}, {"; b=", "; c=loose; b="}, {"; b=", "; c=relaxed/loose; b="}, {"; b=", "; c=relaxed/relaxed/relaxed; b="}, {"; b=", "; q=dns/any; b="},
		{"; b=", "; l=; b="}, {"; b=", "; l=-1; b="}, {"; b=", "; l=1.5; b="}, {"; b=", "; l=0x10; b="}, {"; b=", "; l=" + strings.Repeat("1", 77) + "; b="},
		{"; b=", "; t=yesterday; b="}, {"; b=", "; t=2; x=1; b="}, {"; b=", "; t=2; x=2; b="}, {"; b=", "; x=; b="},
		{"; b=", "; i=ann; b="}, {"; b=", "; i=@evil.example; b="}, {"; b=", "; i=@evilexample.com; b="}, {"; b=", "; i=@example.com.evil.example; b="}, {"; b=", "; i=a=4@example.com; b="},
		{"; b=", "; i=a=4g@example.com; b="}, {"; b=", "; i=a=3d@example.com; b="}, {"; b=", "; junk; b="}, {"; b=", "; =x; b="}, {"; b=", "; 1a=x; b="},
		{"; b=", "; n=\x00; b="}, {"; b=", "; z=" + strings.Repeat("x", 16<<10) + "; b="},
	}
}

func TestMalformedSignatures(t *testing.T) {
	if _, err := dkim.ParseSignature(goodSignature); err != nil {
		t.Fatal(err)
	}
	for _, c := range badSignatures() {
		value := strings.Replace(goodSignature, c[0], c[1], 1)
		if s, err := dkim.ParseSignature(value); !errors.Is(err, dkim.ErrSignature) || value == goodSignature {
			t.Errorf("%.40q for %q: %+v, %v", c[1], c[0], s, err)
		}
	}
	for _, value := range []string{"", ";", "=", "\x00", "v=1", strings.Repeat("v=1;", 10_000)} {
		if _, err := dkim.ParseSignature(value); !errors.Is(err, dkim.ErrSignature) {
			t.Errorf("%.40q: %v", value, err)
		}
	}
}

// badRecords are malformed key records, with the error that each gets.
func badRecords() map[string]error {
	b64 := func(n int) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x30}, n)) }
	return map[string]error{
		"":                                 dkim.ErrKey,
		"v=DKIM1":                          dkim.ErrKey,
		"p":                                dkim.ErrKey,
		"some text":                        dkim.ErrKey,
		"v=spf1 -all":                      dkim.ErrKey,
		"v=DKIM1; p=AAAA; p=AAAA":          dkim.ErrKey,
		"v=DKIM2; p=AAAA":                  dkim.ErrKey,
		"v=dkim1; p=AAAA":                  dkim.ErrKey,
		"p=AAAA; v=DKIM1":                  dkim.ErrKey,
		"v=DKIM1; p=":                      dkim.ErrRevoked,
		"v=DKIM1; k=ed25519; p= \t":        dkim.ErrRevoked,
		"v=DKIM1; p=!":                     dkim.ErrKey,
		"v=DKIM1; p=AAA":                   dkim.ErrKey,
		"v=DKIM1; p=AAAA":                  dkim.ErrKey, // RSA of no shape
		"v=DKIM1; k=dsa; p=AAAA":           dkim.ErrKey,
		"v=DKIM1; k=; p=AAAA":              dkim.ErrKey,
		"v=DKIM1; k=ed25519; p=" + b64(31): dkim.ErrKey,
		"v=DKIM1; k=ed25519; p=" + b64(33): dkim.ErrKey,
		"v=DKIM1; k=ed25519; p=" + b64(44): dkim.ErrKey,
		"v=DKIM1; k=rsa; p=" + b64(64<<10): dkim.ErrKeyTooBig,
		"v=DKIM1; k=ed25519; p=" + b64(32) + "\x00": dkim.ErrKey,
	}
}

func TestMalformedRecords(t *testing.T) {
	for txt, want := range badRecords() {
		if r, err := dkim.ParseRecord(txt); !errors.Is(err, want) {
			t.Errorf("%.60q: %+v, %v; want %v", txt, r, err, want)
		}
	}
}

// badKeys are texts that hold no private key for DKIM.
func badKeys(t testing.TB) map[string]string {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return map[string]string{
		"empty": "", "no PEM": "MIIB", "begin alone": "-----BEGIN PRIVATE KEY-----\n", "not base64": "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n",
		"not DER": block("PRIVATE KEY", []byte("text")), "no octets": block("PRIVATE KEY", nil), "ECDSA": block("PRIVATE KEY", der), "cut": block("PRIVATE KEY", der[:len(der)-9]),
		"two keys": rfc8463RSA + rfc8463RSA, "text behind": rfc8463RSA + "text", "public": block("PUBLIC KEY", []byte{0x30, 0}),
	}
}

func TestMalformedPrivateKeys(t *testing.T) {
	for name, text := range badKeys(t) {
		if k, err := dkim.ParsePrivateKey([]byte(text)); !errors.Is(err, dkim.ErrPrivateKey) {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	f.Add([]byte(rfc8463RSA))
	for _, text := range badKeys(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := dkim.ParsePrivateKey(text)
		if err != nil {
			if !errors.Is(err, dkim.ErrPrivateKey) {
				t.Fatal(err)
			}
			return
		}
		out, err := dkim.AppendPrivateKey(nil, k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dkim.ParsePrivateKey(out); err != nil {
			t.Fatal(err)
		}
	})
}
