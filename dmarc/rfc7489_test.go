package dmarc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dmarc"
)

// TestDiscoverSuffix: organizational domains by the list of public suffixes (RFC 7489 §3.2, §6.6.3), where they differ from
// those of the tree walk and where not.
func TestDiscoverSuffix(t *testing.T) {
	z := dnstest.New()
	z.MustAdd(`
_dmarc.example.co.uk.     IN TXT "v=DMARC1; p=reject; sp=quarantine; np=none"
_dmarc.a.example.co.uk.   IN TXT "v=DMARC1; p=none; psd=n"
b.example.co.uk.          IN TXT "it exists"
_dmarc.co.uk.             IN TXT "v=DMARC1; p=reject; psd=y"
_dmarc.two.example.com.   IN TXT "v=DMARC1; p=none"
_dmarc.two.example.com.   IN TXT "v=DMARC1; p=quarantine"
_dmarc.example.com.       IN TXT "v=DMARC1; p=reject"
`)
	z.Fail("_dmarc.slow.com", dnstest.ServFail)
	for _, tt := range []struct{ author, dkim, want, org string }{
		{"example.co.uk", "", "fail/reject", "example.co.uk"},
		{"b.example.co.uk", "", "fail/quarantine", "example.co.uk"},
		{"no.example.co.uk", "", "fail/none", "example.co.uk"},
		{"a.example.co.uk", "example.co.uk", "pass/none", "example.co.uk"}, // psd=n says nothing
		{"x.a.example.co.uk", "a.example.co.uk", "pass/none", "example.co.uk"},
		{"b.example.co.uk", "other.co.uk", "fail/quarantine", "example.co.uk"},
		{"other.co.uk", "", "none/", "other.co.uk"}, // nor psd=y
		{"co.uk", "", "fail/reject", "co.uk"},
		{"two.example.com", "", "none/", "example.com"},
		{"w.x.y.z.example.com", "example.com", "pass/reject", "example.com"},
		{"example.com", "evilexample.com", "fail/reject", "example.com"},
		{"a.slow.com", "", "temperror/", ""},
	} {
		m := dmarc.Message{From: []string{"x@" + tt.author}, Discovery: dmarc.DiscoverSuffix}
		if tt.dkim != "" {
			m.DKIM = []string{tt.dkim}
		}
		r := dmarc.Verify(t.Context(), z, m)
		if got := fmt.Sprintf("%s/%s", r.Value, r.Policy); got != tt.want || r.Organizational != tt.org {
			t.Errorf("%s, DKIM %s: %s, organizational %s: %s", tt.author, tt.dkim, got, r.Organizational, r.Reason)
		}
		if questions := strings.Count(fmt.Sprint(r.Steps), "TXT _dmarc"); tt.dkim == "" && questions > 2 {
			t.Errorf("%s: %d questions", tt.author, questions)
		}
	}
}
