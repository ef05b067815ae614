package dkim_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/dkim"
)

// BenchmarkVerify and BenchmarkSign stand beside their floor: one hash of the body and the crypto.
func BenchmarkVerify(b *testing.B) {
	k := keys(b, dkim.RSASHA256)
	v := dkim.Verifier{Resolver: zone{"s._domainkey.example.com": k.record}}
	for _, size := range []int{4 << 10, 1 << 20} {
		msg := message + strings.Repeat("The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n", size/77)
		signer := dkim.Signer{Domain: "example.com", Selector: "s", Key: k.key}
		for _, n := range []int{1, 3} {
			signed := msg
			for range n {
				signed = sign(b, signed, signer)
			}
			b.Run(fmt.Sprintf("%d KiB, %d signatures", size>>10, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if res := verify(b, v, signed); res[0].Value != dkim.Pass {
						b.Fatal(res)
					}
				}
			})
		}
		sum := sha256.Sum256([]byte(msg))
		sig, err := k.key.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%d KiB, floor", size>>10), func(b *testing.B) {
			for b.Loop() {
				sum := sha256.Sum256([]byte(msg))
				if err := rsa.VerifyPKCS1v15(k.key.Public().(*rsa.PublicKey), crypto.SHA256, sum[:], sig); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d KiB, sign", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sign(b, msg, signer)
			}
		})
		b.Run(fmt.Sprintf("%d KiB, sign floor", size>>10), func(b *testing.B) {
			for b.Loop() {
				sum := sha256.Sum256([]byte(msg))
				if _, err := k.key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMany is the price of signatures beyond the limit: they are named in the results and not looked at. The floor has
// as many fields of that length, which are no signatures.
func BenchmarkMany(b *testing.B) {
	k := keys(b, dkim.RSASHA256)
	v := dkim.Verifier{Resolver: zone{"s._domainkey.example.com": k.record}}
	msg := message + strings.Repeat("The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n", 53)
	one := sign(b, msg, dkim.Signer{Domain: "example.com", Selector: "s", Key: k.key})
	field := strings.TrimSuffix(one, msg)
	for _, c := range []struct {
		name string
		n    int
		more string
	}{{"8 signatures", 8, ""}, {"301 signatures", 301, ""}, {"301 signatures, floor", 8, strings.Repeat("X"+field[1:], 293)}} {
		n, signed := c.n, []byte(c.more+strings.Repeat(field, c.n)+msg)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				passed := 0
				res, err := v.Verify(b.Context(), bytes.NewReader(signed))
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range res {
					if r.Value == dkim.Pass {
						passed++
					}
				}
				if len(res) != n || passed != 8 {
					b.Fatalf("%d of %d pass", passed, len(res))
				}
			}
		})
	}
}
