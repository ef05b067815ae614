package dane_test

import (
	"slices"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/mtasts/dane"
)

// TestRFC7672Names is the example of RFC 7672 §3.2.2: mail for exchange.example.org, which is an alias of example.com.
func TestRFC7672Names(t *testing.T) {
	z := dnstest.New()
	const ta = "2 0 1 0000000000000000000000000000000000000000000000000000000000000000"
	z.MustAdd(`
exchange.example.org.            IN CNAME mail.example.org.
mail.example.org.                IN CNAME example.com.
example.com.                     IN MX    10 mx10.example.com.
example.com.                     IN MX    15 mx15.example.com.
example.com.                     IN MX    20 mx20.example.com.
mx10.example.com.                IN A     192.0.2.10
_25._tcp.mx10.example.com.       IN TLSA  ` + ta + `
mx15.example.com.                IN CNAME mxbackup.example.com.
mxbackup.example.com.            IN A     192.0.2.15
_25._tcp.mx15.example.com.       IN TLSA  ` + ta + `
mx20.example.com.                IN CNAME mxbackup.example.net.
mxbackup.example.net.            IN A     198.51.100.20
_25._tcp.mxbackup.example.net.   IN TLSA  ` + ta + `
`)
	for _, domain := range []string{"example.com", "example.net", "example.org"} {
		z.Sign(domain)
	}
	mx, secure, err := z.LookupMXSecure(t.Context(), "exchange.example.org.")
	if err != nil || !secure || len(mx) != 3 {
		t.Fatal(mx, secure, err)
	}
	for host, base := range map[string]string{"mx10.example.com.": "mx10.example.com", "mx15.example.com.": "mx15.example.com", "mx20.example.com.": "mxbackup.example.net"} {
		p, err := dane.Lookup(t.Context(), z, dane.Host{Name: host, Port: 25, NextHop: []string{"exchange.example.org", "example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{base, "exchange.example.org", "example.com"}; p == nil || p.Base != base || !slices.Equal(p.Names, want) || !p.Authenticates() {
			t.Errorf("%s: %+v", host, p)
		}
	}
}
