package arc_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/dkim"
)

// BenchmarkVerify is a chain of three sets by RSA on a message of 1 MiB: six signatures, one hash of the body.
func BenchmarkVerify(b *testing.B) {
	h := newHosts(b)
	m := letter + strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 1<<20/46)
	for i := 1; i <= 3; i++ {
		fields, err := h.sealer(i, dkim.RSASHA256).Seal(strings.NewReader(m), map[bool]arc.Value{true: arc.None, false: arc.Pass}[i == 1])
		if err != nil {
			b.Fatal(err)
		}
		m = string(fields) + m
	}
	b.SetBytes(int64(len(m)))
	b.ReportAllocs()
	for b.Loop() {
		if r := h.verify(m); r.Value != arc.Pass {
			b.Fatal(r.Err)
		}
	}
}
