package dkim

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
)

// TestParseRSA: whatever the fast reader takes, x509 takes for the same key, also where every octet and every length of the
// encoding is off.
func TestParseRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	check := func(der []byte) {
		t.Helper()
		got := parseRSA(der)
		any, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			if bare, err2 := x509.ParsePKCS1PublicKey(der); err2 == nil {
				any = bare
			}
		}
		want, _ := any.(*rsa.PublicKey)
		if (got == nil) != (want == nil) || got != nil && !got.Equal(want) {
			t.Errorf("%x:\ngot  %v\nwant %v", der, got, want)
		}
	}
	check(good)
	check(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	for i := range good {
		check(good[:i])
		for _, b := range []byte{0, 1, 2, 3, 0x7f, 0x80, 0x81, 0x82, 0xff, good[i] + 1, good[i] - 1} {
			bad := bytes.Clone(good)
			bad[i] = b
			check(bad)
		}
	}
	check(append(bytes.Clone(good), 0))
}
