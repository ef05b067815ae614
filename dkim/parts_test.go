package dkim_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/dkim"
)

// TestParseSeal and the fields of ARC that are like DKIM-Signature: what is malformed, and what is not although
// it would be in a DKIM-Signature.
func TestParseSeal(t *testing.T) {
	const good = "i=1; a=rsa-sha256; cv=none; d=Example.com; s=sel; t=1; b=AAAA"
	if s, err := dkim.ParseSeal(good); err != nil || s.Domain != "example.com" || s.Selector != "sel" || s.HeaderCanon != dkim.Relaxed || s.Time.Unix() != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	for old, new := range map[string]string{
		"a=rsa-sha256; ": "", "d=Example.com": "d=", "d=Example": "d=a b", "s=sel; ": "", "b=AAAA": "b=A", "t=1": "t=", "cv=none": "h=from", "i=1": "i", "AAAA": strings.Repeat("A", 20000),
	} {
		if _, err := dkim.ParseSeal(strings.Replace(good, old, new, 1)); !errors.Is(err, dkim.ErrSignature) {
			t.Errorf("%q for %q: %v", new, old, err)
		}
	}
	const ams = "i=1; v=7; a=rsa-sha256; bh=AAAA; d=example.com; s=sel; h=to::subject; b=AAAA"
	if s, err := dkim.ParseMessageSignature(ams); err != nil || len(s.Headers) != 2 || s.Identity != "" || s.BodyCanon != dkim.Relaxed {
		t.Errorf("%+v, %v", s, err)
	}
	for old, new := range map[string]string{"h=to::subject; ": "", "h=to": "h=t o", "bh=AAAA; ": "", "s=sel": "s=", "i=1": "c=x"} {
		if _, err := dkim.ParseMessageSignature(strings.Replace(ams, old, new, 1)); !errors.Is(err, dkim.ErrSignature) {
			t.Errorf("%q for %q: %v", new, old, err)
		}
	}
	if _, err := dkim.ParseSignature(ams); !errors.Is(err, dkim.ErrSignature) {
		t.Error(err)
	}
}

// TestRecordVerify: a key is for its own algorithm, and says which of three things is wrong.
func TestRecordVerify(t *testing.T) {
	sum := make([]byte, 32)
	for _, a := range []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} {
		k := keys(t, a)
		rec, err := dkim.ParseRecord(k.record)
		if err != nil {
			t.Fatal(err)
		}
		b, err := dkim.SignSum(k.key, sum)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dkim.KeyAlgorithm(k.key); got != a || err != nil {
			t.Error(got, err)
		}
		for _, tt := range []struct {
			a    dkim.Algorithm
			sum  byte
			want error
		}{{a, 0, nil}, {a, 1, dkim.ErrVerify}, {"rsa-sha1", 0, dkim.ErrAlgorithm}, {map[dkim.Algorithm]dkim.Algorithm{dkim.RSASHA256: dkim.Ed25519SHA256, dkim.Ed25519SHA256: dkim.RSASHA256}[a], 0, dkim.ErrUnsuitable}} {
			sum[0] = tt.sum
			if err := rec.Verify(&dkim.Signature{Algorithm: tt.a, Signature: b}, sum); !errors.Is(err, tt.want) {
				t.Errorf("%s, key %s: %v", tt.a, a, err)
			}
		}
		sum[0] = 0
	}
}
