package dkim_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
)

const message = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a letter\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello  Bob,\r\n\r\nall is well. \r\n"

type pair struct {
	key    crypto.Signer
	record string
}

func keys(t testing.TB, a dkim.Algorithm) pair {
	t.Helper()
	key, err := dkim.GenerateKey(a)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, string(rec)}
}

func sign(t testing.TB, msg string, s ...dkim.Signer) string {
	t.Helper()
	fields, err := dkim.Sign(strings.NewReader(msg), s...)
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + msg
}

func verify(t testing.TB, v dkim.Verifier, msg string) []dkim.Result {
	t.Helper()
	res, err := v.Verify(t.Context(), strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestAttacks holds what an attacker may do to a signed message, or to the record of a key.
func TestAttacks(t *testing.T) {
	ed := keys(t, dkim.Ed25519SHA256)
	signer := dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key}
	z := func(rec string) zone { return zone{"s._domainkey.example.com": rec} }
	good := sign(t, message, signer)
	edit := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	now := time.Now()
	future := signer
	future.Now = func() time.Time { return now.Add(time.Hour) }
	expired := signer
	expired.Now, expired.Expiration = func() time.Time { return now.Add(-2 * time.Hour) }, time.Hour
	below := signer
	below.Identity = "ann@mail.example.com"
	p := strings.TrimPrefix(ed.record, "v=DKIM1; k=ed25519; ")
	edPub := ed.key.Public().(ed25519.PublicKey)
	spki := append([]byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}, edPub...)
	for _, tt := range []struct {
		name, record, msg string
		value             dkim.Value
		err               error
	}{
		{"good", ed.record, good, dkim.Pass, nil},
		{"second From", ed.record, "From: eve@evil.example\r\n" + good, dkim.Fail, dkim.ErrVerify},
		{"second Subject", ed.record, edit("Subject:", "Subject: x\r\nSubject:"), dkim.Fail, dkim.ErrVerify},
		{"Reply-To added", ed.record, "Reply-To: eve@evil.example\r\n" + good, dkim.Fail, dkim.ErrVerify},
		{"Content-Type added", ed.record, edit("Subject:", "Content-Type: text/html\r\nSubject:"), dkim.Fail, dkim.ErrVerify},
		{"unsigned field added", ed.record, "X-Any: thing\r\n" + good, dkim.Pass, nil},
		{"body extended", ed.record, good + "more\r\n", dkim.Fail, dkim.ErrBodyHash},
		{"white space in the body", ed.record, edit("Hello  Bob", "Hello \t Bob"), dkim.Pass, nil},
		{"b= broken", ed.record, edit(" b=", " b=AAAA"), dkim.Fail, dkim.ErrVerify},
		{"no b=", ed.record, edit(" b=", " z="), dkim.PermError, dkim.ErrSignature},
		{"tag twice", ed.record, edit("v=1;", "v=1; v=1;"), dkim.PermError, dkim.ErrSignature},
		{"v=2", ed.record, edit("v=1;", "v=2;"), dkim.PermError, dkim.ErrSignature},
		{"From not signed", ed.record, strings.ReplaceAll(edit("h=From :From", "h=To"), "h=From:From", "h=To"), dkim.PermError, dkim.ErrSignature},
		{"d= of one label", ed.record, edit("d=example.com", "d=com"), dkim.PermError, dkim.ErrSignature},
		{"NUL in d=", ed.record, edit("d=example.com", "d=example.com\x00.evil.example"), dkim.PermError, dkim.ErrSignature},
		{"i= outside of d=", ed.record, edit("s=s;", "s=s; i=ann@evil.example;"), dkim.PermError, dkim.ErrSignature},
		{"i= alike but outside", ed.record, edit("s=s;", "s=s; i=ann@evilexample.com;"), dkim.PermError, dkim.ErrSignature},
		{"i= in another case", ed.record, sign(t, message, dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key, Identity: "ann=@EXAMPLE.com"}), dkim.Pass, nil},
		{"l= over the body", ed.record, edit("s=s;", "s=s; l=99999;"), dkim.Fail, dkim.ErrBodyHash},
		{"l= of 77 digits", ed.record, edit("s=s;", "s=s; l="+strings.Repeat("9", 77)+";"), dkim.PermError, dkim.ErrSignature},
		{"l= of 76 digits", ed.record, edit("s=s;", "s=s; l="+strings.Repeat("9", 76)+";"), dkim.Fail, dkim.ErrBodyHash},
		{"l= negative", ed.record, edit("s=s;", "s=s; l=-1;"), dkim.PermError, dkim.ErrSignature},
		{"sha1", ed.record, edit("a=ed25519-sha256", "a=rsa-sha1"), dkim.PermError, dkim.ErrAlgorithm},
		{"unknown canonicalisation", ed.record, edit("c=relaxed/relaxed", "c=relaxed/nofws"), dkim.PermError, dkim.ErrSignature},
		{"unknown query", ed.record, edit("s=s;", "s=s; q=http;"), dkim.PermError, dkim.ErrSignature},
		{"x= before t=", ed.record, edit("s=s;", "s=s; x=1;"), dkim.PermError, dkim.ErrSignature},
		{"future", ed.record, sign(t, message, future), dkim.Fail, dkim.ErrFuture},
		{"expired", ed.record, sign(t, message, expired), dkim.Fail, dkim.ErrExpired},
		{"algorithm of another key", ed.record, edit("a=ed25519-sha256", "a=rsa-sha256"), dkim.PermError, dkim.ErrUnsuitable},
		{"no key", "", good, dkim.PermError, dkim.ErrNoKey},
		{"revoked", "v=DKIM1; k=ed25519; p=", good, dkim.PermError, dkim.ErrRevoked},
		{"k= does not fit p=", "v=DKIM1; " + p, good, dkim.PermError, dkim.ErrKey},
		{"ed25519 as SPKI", "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(spki), good, dkim.PermError, dkim.ErrKey},
		{"ed25519 short", "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPub[1:]), good, dkim.PermError, dkim.ErrKey},
		{"ed25519 small order", "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(make([]byte, 32)), good, dkim.PermError, dkim.ErrKey},
		{"v= not first", "k=ed25519; v=DKIM1; " + p, good, dkim.PermError, dkim.ErrKey},
		{"v= of another", "v=DKIM2; k=ed25519; " + p, good, dkim.PermError, dkim.ErrKey},
		{"no v=", "k=ed25519; " + p, good, dkim.Pass, nil},
		{"testing", ed.record + "; t=y", good, dkim.Policy, dkim.ErrTesting},
		{"h=sha1", ed.record + "; h=sha1", good, dkim.PermError, dkim.ErrUnsuitable},
		{"h=sha256", ed.record + "; h=sha1 : sha256", good, dkim.Pass, nil},
		{"other service", ed.record + "; s=tlsrpt", good, dkim.PermError, dkim.ErrUnsuitable},
		{"any service", ed.record + "; s=*", good, dkim.Pass, nil},
		{"t=s, i= below", ed.record + "; t=s", sign(t, message, below), dkim.PermError, dkim.ErrUnsuitable},
		{"i= below", ed.record, sign(t, message, below), dkim.Pass, nil},
		{"bad base64", "v=DKIM1; k=ed25519; p=!!", good, dkim.PermError, dkim.ErrKey},
	} {
		r := z(tt.record)
		if tt.record == "" {
			r = zone{}
		}
		res := verify(t, dkim.Verifier{Resolver: r}, tt.msg)
		if len(res) != 1 || res[0].Value != tt.value || !errors.Is(res[0].Err, tt.err) {
			t.Errorf("%s: %+v; want %s, %v", tt.name, res, tt.value, tt.err)
		}
	}
	if res := verify(t, dkim.Verifier{Resolver: z(ed.record + "; t=y"), AllowTesting: true}, good); res[0].Value != dkim.Pass || !res[0].Testing {
		t.Errorf("testing allowed: %+v", res)
	}
}

func TestRSASizes(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1023)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := dkim.AppendRecord(nil, small.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dkim.ParseRecord(string(rec)); !errors.Is(err, dkim.ErrKeyTooSmall) {
		t.Errorf("1023 bits: %v", err)
	}
	if _, err := dkim.Sign(strings.NewReader(message), dkim.Signer{Domain: "example.com", Selector: "s", Key: small}); !errors.Is(err, dkim.ErrKeyTooSmall) {
		t.Errorf("signing with 1023 bits: %v", err)
	}
	big := &rsa.PublicKey{N: new(big.Int).Lsh(small.N, 15500), E: 65537}
	if rec, err = dkim.AppendRecord(nil, big); err != nil {
		t.Fatal(err)
	}
	if _, err := dkim.ParseRecord(string(rec)); !errors.Is(err, dkim.ErrKeyTooBig) {
		t.Errorf("16523 bits: %v", err)
	}
	for _, e := range []int{1, 65536} {
		weak := keys(t, dkim.RSASHA256).key.(*rsa.PrivateKey).PublicKey
		weak.E = e
		if rec, err = dkim.AppendRecord(nil, &weak); err != nil {
			t.Fatal(err)
		}
		if _, err := dkim.ParseRecord(string(rec)); !errors.Is(err, dkim.ErrKey) {
			t.Errorf("e=%d: %v", e, err)
		}
	}
}

// signPartial signs message with l=, which no Signer does, from the exported pieces.
func signPartial(t *testing.T, key crypto.Signer, length int64) string {
	t.Helper()
	head, body, _ := strings.Cut(message, "\r\n\r\n")
	h := dkim.NewBodyHash(dkim.Relaxed, sha256.New(), length)
	_, _ = h.Write([]byte(body))
	field := fmt.Sprintf("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=s; h=From; l=%d; bh=%s; b=", length, base64.StdEncoding.EncodeToString(h.Sum()))
	from, _, _ := strings.Cut(head, "\r\n")
	in := dkim.Relaxed.AppendField(nil, []byte(from+"\r\n"))
	in = dkim.Relaxed.AppendField(in, []byte(field+"\r\n"))
	sum := sha256.Sum256(in[:len(in)-2])
	b, err := key.Sign(rand.Reader, sum[:], crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	return field + base64.StdEncoding.EncodeToString(b) + "\r\n" + message
}

// TestPartial: a signature with l= verifies, also under a body that was extended, and is not accepted unless asked for.
func TestPartial(t *testing.T) {
	ed := keys(t, dkim.Ed25519SHA256)
	r := zone{"s._domainkey.example.com": ed.record}
	const more = "--x\r\nContent-Type: text/html\r\n\r\n<p>Pay here\r\n"
	for _, tt := range []struct {
		length int64
		more   string
		value  dkim.Value // with AllowPartial
		err    error
	}{{28, "", dkim.Pass, nil}, {10, "", dkim.Pass, nil}, {10, more, dkim.Pass, nil}, {0, more, dkim.Pass, nil}, {1000, "", dkim.Fail, dkim.ErrBodyHash}} {
		signed := signPartial(t, ed.key, tt.length) + tt.more
		strict := verify(t, dkim.Verifier{Resolver: r}, signed)[0]
		if tt.err == nil && (strict.Value != dkim.Policy || !errors.Is(strict.Err, dkim.ErrPartial) || strict.Body != dkim.Good || strict.Header != dkim.Good) {
			t.Errorf("l=%d: %+v", tt.length, strict)
		}
		if tt.err != nil && (strict.Value != tt.value || !errors.Is(strict.Err, tt.err)) {
			t.Errorf("l=%d: %+v", tt.length, strict)
		}
		if res := verify(t, dkim.Verifier{Resolver: r, AllowPartial: true}, signed)[0]; res.Value != tt.value || !errors.Is(res.Err, tt.err) {
			t.Errorf("l=%d allowed: %+v", tt.length, res)
		}
	}
}

// TestAdded: fields that came after signing, of names that are signed, are told.
func TestAdded(t *testing.T) {
	ed := keys(t, dkim.Ed25519SHA256)
	v := dkim.Verifier{Resolver: zone{"s._domainkey.example.com": ed.record}}
	signed := sign(t, message, dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key, Headers: []string{"From", "to", "Subject", "Subject", "X-None"}})
	for prefix, want := range map[string]string{
		"":                           "",
		"FROM: eve@evil.example\r\n": "from",
		"To: x@y.example\r\nFrom: a@b.example\r\nTo : z@y.example\r\nX-Other: 1\r\n": "from to",
	} {
		res := verify(t, v, prefix+signed)[0]
		if res.Value != dkim.Pass || strings.Join(res.Added, " ") != want {
			t.Errorf("%q: %+v", prefix, res)
		}
	}
	// A signature may sign others of its own name, never itself.
	one := sign(t, message, dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key})
	two := sign(t, one, dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key, Headers: []string{"From", "DKIM-Signature", "DKIM-Signature"}})
	for _, res := range verify(t, v, two) {
		if res.Value != dkim.Pass || len(res.Added) > 0 {
			t.Errorf("%+v", res)
		}
	}
}

// TestSmallOrder: with each of these keys somebody who has no key can sign; all are refused.
func TestSmallOrder(t *testing.T) {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	eighth, _ := new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
	var ys []*big.Int
	for _, y := range []*big.Int{big.NewInt(0), big.NewInt(1), eighth, new(big.Int).Sub(p, eighth), new(big.Int).Sub(p, big.NewInt(1)), p, new(big.Int).Add(p, big.NewInt(1))} {
		ys = append(ys, y, new(big.Int).Or(y, new(big.Int).Lsh(big.NewInt(1), 255)))
	}
	encode := func(y *big.Int) []byte {
		b := y.FillBytes(make([]byte, 32))
		slices.Reverse(b)
		return b
	}
	forged := func(key []byte) bool {
		for i := range 64 {
			for _, r := range ys {
				if ed25519.Verify(key, []byte{byte(i)}, append(encode(r), make([]byte, 32)...)) {
					return true
				}
			}
		}
		return false
	}
	n := 0
	for _, y := range ys {
		key := encode(y)
		if forged(key) {
			n++
		}
		rec := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key)
		if _, err := dkim.ParseRecord(rec); !errors.Is(err, dkim.ErrKey) {
			t.Errorf("%x: %v", key, err)
		}
	}
	if n < 8 { // some encodings that are not canonical are no keys for crypto/ed25519 either
		t.Errorf("%d of the keys can be abused: the table is wrong", n)
	}
	if pub := keys(t, dkim.Ed25519SHA256).key.Public().(ed25519.PublicKey); forged(pub) {
		t.Error("a good key can be abused: the test is wrong")
	}
}

// TestManySignatures: eight are checked, the rest are reported as not checked, and cost nothing.
func TestManySignatures(t *testing.T) {
	ed := keys(t, dkim.Ed25519SHA256)
	signed := sign(t, message, dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key})
	field := signed[:strings.Index(signed, "From:")]
	lookups := 0
	v := dkim.Verifier{Resolver: counting{zone{"s._domainkey.example.com": ed.record}, &lookups}}
	res := verify(t, v, strings.Repeat(field, 300)+signed)
	passed, unchecked := 0, 0
	for _, r := range res {
		switch {
		case r.Value == dkim.Pass:
			passed++
		case r.Value == dkim.Neutral && errors.Is(r.Err, dkim.ErrTooMany):
			unchecked++
		}
	}
	if passed != 8 || unchecked != 293 || lookups != 1 {
		t.Errorf("%d passed, %d unchecked, %d look-ups", passed, unchecked, lookups)
	}
}

type counting struct {
	zone
	n *int
}

func (c counting) LookupTXT(ctx context.Context, name string) ([]string, error) {
	*c.n++
	return c.zone.LookupTXT(ctx, name)
}

type failing struct{}

func (failing) LookupTXT(context.Context, string) ([]string, error) {
	return nil, &net.DNSError{Err: "timeout", IsTimeout: true, IsTemporary: true}
}

func (failing) LookupTXTSecure(context.Context, string) ([]string, bool, error) {
	return []string{rfc8463Zone["brisbane._domainkey.football.example.com"]}, true, nil
}

func TestLookup(t *testing.T) {
	res := verify(t, dkim.Verifier{Resolver: failing{}}, rfc8463Signatures+rfc8463Message)
	if res[0].Value != dkim.TempError || res[0].Secure {
		t.Errorf("%+v", res[0])
	}
	if res := verify(t, dkim.Verifier{}, rfc8463Signatures+rfc8463Message); res[0].Value != dkim.TempError {
		t.Errorf("no resolver: %+v", res[0])
	}
	res = verify(t, dkim.Verifier{Resolver: failing{}, SecureResolver: failing{}}, rfc8463Signatures+rfc8463Message)
	if res[0].Value != dkim.Pass || !res[0].Secure {
		t.Errorf("%+v", res[0])
	}
}

// blocked answers when it is told to end.
type blocked struct{}

func (blocked) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestReadError: a body that cannot be read leaves no goroutine behind.
func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) { // panics where one waits for ever
		r := io.MultiReader(strings.NewReader(rfc8463Signatures+rfc8463Message), iotest.ErrReader(broken))
		if _, err := (dkim.Verifier{Resolver: blocked{}}).Verify(context.Background(), r); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	})
	if _, err := (dkim.Verifier{}).Verify(t.Context(), strings.NewReader(strings.Repeat("x", 2<<20))); err == nil {
		t.Error("a header of 2 MiB was read")
	}
}

func TestKeys(t *testing.T) {
	for _, a := range []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} {
		k := keys(t, a)
		text, err := dkim.AppendPrivateKey(nil, k.key)
		if err != nil {
			t.Fatal(err)
		}
		again, err := dkim.ParsePrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := dkim.ParseRecord(k.record)
		if err != nil || !rec.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(again.Public()) {
			t.Errorf("%s: %v", a, err)
		}
	}
	if _, err := dkim.GenerateKey("rsa-sha1"); err == nil {
		t.Error("a key for rsa-sha1")
	}
	for _, text := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", rfc8463RSA + rfc8463RSA} {
		if _, err := dkim.ParsePrivateKey([]byte(text)); err == nil {
			t.Errorf("%.30q was taken", text)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	ed := keys(t, dkim.Ed25519SHA256)
	for name, s := range map[string]dkim.Signer{
		"no domain":       {Selector: "s", Key: ed.key},
		"no selector":     {Domain: "example.com", Key: ed.key},
		"no key":          {Domain: "example.com", Selector: "s"},
		"injected tag":    {Domain: "example.com; x=1", Selector: "s", Key: ed.key},
		"injected in h=":  {Domain: "example.com", Selector: "s", Key: ed.key, Headers: []string{"From", "To; l=0"}},
		"line in h=":      {Domain: "example.com", Selector: "s", Key: ed.key, Headers: []string{"From", "To\r\nBcc"}},
		"empty in h=":     {Domain: "example.com", Selector: "s", Key: ed.key, Headers: []string{"From", ""}},
		"From not signed": {Domain: "example.com", Selector: "s", Key: ed.key, Headers: []string{"To"}},
	} {
		if f, err := dkim.Sign(strings.NewReader(message), s); err == nil {
			t.Errorf("%s: %s", name, f)
		}
	}
	if f, err := dkim.Sign(strings.NewReader("To: a@b\r\n\r\n"), dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key}); err == nil {
		t.Errorf("a message without From: %s", f)
	}
}

// TestSignAbsence: a signer that names From signs that there is none, and nobody can add one (RFC 6376 §5.4).
func TestSignAbsence(t *testing.T) {
	const text = "To: a@b\r\n\r\nHello\r\n"
	ed := keys(t, dkim.Ed25519SHA256)
	record, err := dkim.AppendRecord(nil, ed.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	z := dnstest.New()
	z.AddTXT("s._domainkey.example.com", string(record))
	fields, err := dkim.Sign(strings.NewReader(text), dkim.Signer{Domain: "example.com", Selector: "s", Key: ed.key, Headers: []string{"From", "To"}})
	if err != nil {
		t.Fatal(err)
	}
	for add, want := range map[string]dkim.Value{"": dkim.Pass, "From: eve@example.net\r\n": dkim.Fail} {
		res, err := dkim.Verifier{Resolver: z}.Verify(t.Context(), strings.NewReader(string(fields)+add+text))
		if err != nil || len(res) != 1 || res[0].Value != want {
			t.Errorf("with %q: %+v %v, want %s", add, res, err, want)
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	f.Add(" v=1; a=rsa-sha256; c=relaxed; d=example.com; s=s; i=a=20b@x.example.com; l=1; t=1; x=2; q=dns/txt; h=From:To; bh=AAAA; b=AA\r\n AA")
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := dkim.ParseSignature(s)
		if err != nil && !errors.Is(err, dkim.ErrSignature) {
			t.Fatal(err)
		}
		if res := (dkim.Result{Value: dkim.Fail, Err: err, Signature: sig}).AppendResult(nil); bytes.ContainsAny(res, "\r\n\x00") {
			t.Fatalf("%q", res)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	f.Add("v=DKIM1; h=sha1:sha256; s=email; t=y:s; n=x; p=")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := dkim.ParseRecord(s)
		if (err == nil) != (r.Key != nil) {
			t.Fatalf("%q: %+v, %v", s, r, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add(rfc8463Signatures + rfc8463Message)
	f.Fuzz(func(t *testing.T, msg string) {
		for _, r := range verify(t, dkim.Verifier{Resolver: rfc8463Zone}, msg) {
			if r.Value == dkim.Pass && !strings.Contains(msg, "football.example.com") {
				t.Fatalf("%q: %+v", msg, r)
			}
		}
	})
}
