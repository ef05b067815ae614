package auth_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth"
	"github.com/mailbricks/mailbricks/dkim"
)

// BenchmarkCheck is one signed message with SPF, DKIM and DMARC that pass, DNS in memory. BenchmarkCheck/dkim is the
// signature alone.
func BenchmarkCheck(b *testing.B) {
	z, key := world(b)
	for _, size := range []int{4 << 10, 1 << 20} {
		m := []byte(signed(b, key, "example.com", letter+strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", size/46)))
		b.Run(fmt.Sprintf("all/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(m)))
			b.ReportAllocs()
			c := auth.Checker{ID: "mx.example.org", Resolver: z}
			for b.Loop() {
				v, err := c.Check(b.Context(), from, bytes.NewReader(m))
				if err != nil || keywords(v) != "pass pass pass" {
					b.Fatal(v, err)
				}
			}
		})
		b.Run(fmt.Sprintf("dkim/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(m)))
			b.ReportAllocs()
			v := dkim.Verifier{Resolver: z}
			for b.Loop() {
				if res, err := v.Verify(b.Context(), bytes.NewReader(m)); err != nil || res[0].Value != dkim.Pass {
					b.Fatal(res, err)
				}
			}
		})
	}
}
