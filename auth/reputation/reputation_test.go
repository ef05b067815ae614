package reputation_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/reputation"
)

const lists = `
2.0.0.127.bad.example.com.   IN A 127.0.0.2
99.2.0.192.bad.example.com.  IN A 127.0.0.2
99.2.0.192.bad.example.com.  IN TXT "Dynamic address, see http://bad.example.com?192.0.2.99"
98.2.0.192.bad.example.com.  IN A 127.0.0.6
97.2.0.192.bad.example.com.  IN A 127.0.1.1
97.2.0.192.bad.example.com.  IN A 127.0.1.2
97.2.0.192.bad.example.com.  IN TXT "two\010lines"
96.2.0.192.bad.example.com.  IN A 127.255.255.254
95.2.0.192.bad.example.com.  IN A 203.0.113.1
b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com. IN A 127.0.0.2
b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com. IN TXT "Spam received."
2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ugly.example.com. IN A 127.0.0.2
invalid.edu.doms.example.net. IN A 127.0.0.2
invalid.edu.doms.example.net. IN TXT "Host name used in phish"
test.doms.example.net.        IN A 127.0.0.2
*.wild.example.               IN A 127.0.0.2
*.parked.example.             IN A 203.0.113.9
`

// TestRFC5782 are the examples of RFC 5782 §2 and §3, and answers that are none.
func TestRFC5782(t *testing.T) {
	z := dnstest.New()
	z.MustAdd(lists)
	z.Fail("94.2.0.192.bad.example.com", dnstest.ServFail)
	bad := reputation.List{Zone: "bad.example.com"}
	ugly := reputation.List{Zone: "ugly.example.com.", Kind: reputation.IPv6 | reputation.IPv4}
	only2 := reputation.List{Zone: "bad.example.com", Accept: func(c netip.Addr) bool { return c.As4()[3] == 2 }}
	for _, tt := range []struct {
		list   reputation.List
		ip     string
		codes  string
		reason string
		err    error
	}{
		{bad, "192.0.2.99", "127.0.0.2", "Dynamic address, see http://bad.example.com?192.0.2.99", nil},
		{bad, "::ffff:192.0.2.99", "127.0.0.2", "Dynamic address, see http://bad.example.com?192.0.2.99", nil},
		{bad, "192.0.2.98", "127.0.0.6", "", nil},
		{bad, "192.0.2.97", "127.0.1.1 127.0.1.2", "two lines", nil},
		{only2, "192.0.2.97", "127.0.1.2", "two lines", nil},
		{only2, "192.0.2.98", "", "", nil},
		{bad, "192.0.2.1", "", "", nil},
		{bad, "192.0.2.96", "", "", reputation.ErrRefused},
		{bad, "192.0.2.95", "", "", reputation.ErrAnswer},
		{only2, "192.0.2.95", "", "", reputation.ErrAnswer},
		{bad, "2001:db8::1", "", "", reputation.ErrKind},
		{ugly, "2001:db8:1:2:3:4:567:89ab", "127.0.0.2", "Spam received.", nil},
		{ugly, "2001:db8::1", "", "", nil},
	} {
		got := tt.list.IP(t.Context(), z, netip.MustParseAddr(tt.ip))
		var codes []string
		for _, c := range got.Codes {
			codes = append(codes, c.String())
		}
		slices.Sort(codes)
		if strings.Join(codes, " ") != tt.codes || got.Reason != tt.reason || got.Listed != (tt.codes != "") || !errors.Is(got.Err, tt.err) || got.Zone != tt.list.Zone {
			t.Errorf("%s in %s: %+v, want %s %q %v", tt.ip, tt.list.Zone, got, tt.codes, tt.reason, tt.err)
		}
	}
	got := bad.IP(t.Context(), z, netip.MustParseAddr("192.0.2.94"))
	if d, ok := errors.AsType[*net.DNSError](got.Err); !ok || !d.IsTemporary || got.Listed {
		t.Errorf("%+v", got)
	}
	if l := bad.IP(t.Context(), z, netip.MustParseAddr("192.0.2.98")); !l.Code(4) || l.Code(1) {
		t.Errorf("%+v", l)
	}
	doms := reputation.List{Zone: "doms.example.net", Kind: reputation.Domains, Good: true}
	if l := doms.Domain(t.Context(), z, "Invalid.EDU."); !l.Listed || !l.Good || l.Reason != "Host name used in phish" {
		t.Errorf("%+v", l)
	}
	if l := doms.Domain(t.Context(), z, "example.org"); l.Listed || l.Err != nil {
		t.Errorf("%+v", l)
	}
	for name, l := range map[string]reputation.Listing{"long": doms.Domain(t.Context(), z, strings.Repeat("a.", 120)+"a"), "kind": bad.Domain(t.Context(), z, "example.org"), "no address": bad.IP(t.Context(), z, netip.Addr{})} {
		if !errors.Is(l.Err, reputation.ErrKind) || l.Listed {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if l := doms.Domain(t.Context(), z, "a..b"); l.Err == nil || l.Listed {
		t.Errorf("%+v", l)
	}
}

// TestTestPoints: RFC 5782 §5.
func TestTestPoints(t *testing.T) {
	z := dnstest.New()
	z.MustAdd(lists)
	z.Fail("1.0.0.127.slow.example", dnstest.ServFail)
	for _, tt := range []struct {
		list reputation.List
		err  error
	}{
		{reputation.List{Zone: "bad.example.com"}, nil},
		{reputation.List{Zone: "bad.example.com", Accept: func(netip.Addr) bool { return false }}, nil},
		{reputation.List{Zone: "ugly.example.com", Kind: reputation.IPv6}, nil},
		{reputation.List{Zone: "doms.example.net", Kind: reputation.Domains}, nil},
		{reputation.List{Zone: "bad.example.com", Kind: reputation.IPv4 | reputation.IPv6}, reputation.ErrTestPoint},
		{reputation.List{Zone: "gone.example"}, reputation.ErrTestPoint},
		{reputation.List{Zone: "wild.example"}, reputation.ErrTestPoint},
		{reputation.List{Zone: "wild.example", Kind: reputation.Domains}, reputation.ErrTestPoint},
		{reputation.List{Zone: "parked.example"}, reputation.ErrTestPoint},
	} {
		if err := tt.list.Test(t.Context(), z); !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: %v", tt.list.Zone, err)
		}
	}
	if err := (reputation.List{Zone: "slow.example"}).Test(t.Context(), z); err == nil || errors.Is(err, reputation.ErrTestPoint) {
		t.Error(err)
	}
}

// TestLists: several lists at once. One that is dead or answers everything lists nobody; its test points are asked once
// an hour.
func TestLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := dnstest.New()
		z.MustAdd(lists)
		var mu sync.Mutex
		asked := map[string]int{}
		z.Observe(func(name, _ string) {
			mu.Lock()
			defer mu.Unlock()
			asked[strings.TrimSuffix(name, ".")]++
		})
		l := &reputation.Lists{Resolver: z, Lists: []reputation.List{{Zone: "bad.example.com"}, {Zone: "wild.example"}, {Zone: "gone.example"}, {Zone: "doms.example.net", Kind: reputation.Domains}, {Zone: "ugly.example.com", Kind: reputation.IPv6, Good: true}}}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				got := l.IP(t.Context(), netip.MustParseAddr("192.0.2.99"))
				if len(got) != 3 || !got[0].Listed || got[1].Listed || !errors.Is(got[1].Err, reputation.ErrTestPoint) || got[2].Listed || !errors.Is(got[2].Err, reputation.ErrTestPoint) {
					t.Errorf("%+v", got)
				}
			})
		}
		wg.Wait()
		if got := l.Domain(t.Context(), "invalid.edu"); len(got) != 1 || !got[0].Listed {
			t.Errorf("%+v", got)
		}
		if got := l.IP(t.Context(), netip.MustParseAddr("2001:db8:1:2:3:4:567:89ab")); len(got) != 1 || !got[0].Listed || !got[0].Good {
			t.Errorf("%+v", got)
		}
		if n := asked["2.0.0.127.bad.example.com"]; n != 2 { // A, and the reason
			t.Errorf("test point asked %d times", n)
		}
		// gone.example comes back; it is tried again after six minutes, bad.example.com after an hour.
		z.MustAdd("2.0.0.127.gone.example. IN A 127.0.0.2\n99.2.0.192.gone.example. IN A 127.0.0.2")
		before := asked["1.0.0.127.bad.example.com"]
		time.Sleep(7 * time.Minute)
		if got := l.IP(t.Context(), netip.MustParseAddr("192.0.2.99")); !got[2].Listed || asked["1.0.0.127.bad.example.com"] != before {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Hour)
		if got := l.IP(t.Context(), netip.MustParseAddr("192.0.2.99")); !got[0].Listed || asked["1.0.0.127.bad.example.com"] != before+1 {
			t.Errorf("%+v, %d", got, asked["1.0.0.127.bad.example.com"])
		}
	})
}

// slow answers when the context ends.
type slow struct{ reputation.Resolver }

func (slow) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), Name: host, IsTimeout: true, IsTemporary: true}
}

// TestListsTime: a list that does not answer takes no longer than the context, and the next caller asks again.
func TestListsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &reputation.Lists{Resolver: slow{}, Lists: []reputation.List{{Zone: "a.example"}, {Zone: "b.example"}}}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			got := l.IP(ctx, netip.MustParseAddr("192.0.2.1"))
			cancel()
			if took := time.Since(start); took != time.Second || len(got) != 2 || got[0].Err == nil || got[0].Listed {
				t.Errorf("%v, %+v", took, got)
			}
		}
	})
}

// TestRFC5518 is the example of RFC 5518 §4 and §5, and what is not believed.
func TestRFC5518(t *testing.T) {
	z := dnstest.New()
	z.MustAdd(`
somebank.example._vouch.certifier-a.example. IN TXT "transaction list"
somebank.example._vouch.certifier-b.example. IN TXT "all"
somebank.example._vouch.list.example.        IN TXT "list"
somebank.example._vouch.odd.example.         IN TXT "v=spf1 all"
somebank.example._vouch.upper.example.       IN TXT "Transaction"
somebank.example._vouch.two.example.         IN TXT "all"
somebank.example._vouch.two.example.         IN TXT "transaction"
somebank.example._vouch.own.example.         IN TXT "all"
`)
	z.Fail("somebank.example._vouch.slow.example", dnstest.ServFail)
	field := " md=somebank.example; mc=transaction;\r\n    mv=certifier-a.example:certifier-b.example:list.example:odd.example:upper.example:two.example:slow.example:own.example;"
	v, err := reputation.ParseVBR(field)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := reputation.ParseVBR(string(v.Append(nil))); err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
		t.Errorf("%+v, %v", again, err)
	}
	from := []string{"other.example", "SomeBank.example"}
	for _, tt := range []struct {
		authenticated, trusted []string
		want                   string
		err                    bool
	}{
		{from, []string{"certifier-a.example"}, "certifier-a.example", false},
		{from, []string{"certifier-b.example.", "certifier-a.example"}, "certifier-b.example", false},
		{from, []string{"list.example", "Certifier-A.example"}, "certifier-a.example", false},
		{from, []string{"list.example"}, "", false},
		{from, []string{"odd.example", "upper.example", "two.example"}, "", false},
		{from, []string{"not-named.example"}, "", false},
		{from, nil, "", false}, // own.example vouches for itself
		{[]string{"www.somebank.example"}, []string{"certifier-a.example"}, "", false},
		{nil, []string{"certifier-a.example"}, "", false},
		{from, []string{"slow.example"}, "", true},
		{from, []string{"slow.example", "certifier-a.example"}, "certifier-a.example", false},
	} {
		got, err := v.Verify(t.Context(), z, tt.authenticated, tt.trusted)
		if got != tt.want || (err != nil) != (tt.err && tt.want == "") && tt.want == "" {
			t.Errorf("%q trusted: %q, %v", tt.trusted, got, err)
		}
	}
}

func TestMalformedVBR(t *testing.T) {
	for _, s := range []string{
		"", "md=a.example", "md=a.example;mc=all", "mc=all;mv=b.example", "md=a.example;mc=all;mv=", "md=;mc=all;mv=b.example", "md=a.example;mc=;mv=b.example", "md=a.example;mc=all;mv=b.example:",
		"md=a b;mc=all;mv=b.example", "md=a.example;mc=a1;mv=b.example", "md=a.example;md=a.example;mc=all;mv=b", "md=a.example;mc=all;mc=all;mv=b", "md=a.example;mc=all;mv=b;mv=c", "x", "md=a.example;mc=all;mv=b;x",
		"md=a..example;mc=all;mv=b", "md=.a;mc=all;mv=b", "md=a\x00b;mc=all;mv=b", "md=a;mc=all;mv=" + strings.Repeat("b:", 20) + "b", "md=" + strings.Repeat("a", 300) + ";mc=all;mv=b",
	} {
		if v, err := reputation.ParseVBR(s); !errors.Is(err, reputation.ErrVBR) {
			t.Errorf("%q: %+v, %v", s, v, err)
		}
	}
	if v, err := reputation.ParseVBR("MV = B.example ; X=1; mc=ALL;; MD=a.example"); err != nil || v.Domain != "a.example" || v.Type != "all" || v.Certifiers[0] != "b.example" {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestIPRev: RFC 8601 §2.7.3 and §3.
func TestIPRev(t *testing.T) {
	z := dnstest.New()
	z.MustAdd(`
1.2.0.192.in-addr.arpa. IN PTR Mail.Example.com.
1.2.0.192.in-addr.arpa. IN PTR other.example.com.
mail.example.com.       IN A 192.0.2.1
other.example.com.      IN A 192.0.2.2
2.2.0.192.in-addr.arpa. IN PTR mail.example.com.
3.2.0.192.in-addr.arpa. IN PTR nowhere.example.com.
5.2.0.192.in-addr.arpa. IN PTR slow.example.com.
7.2.0.192.in-addr.arpa. IN PTR slow.example.com.
7.2.0.192.in-addr.arpa. IN PTR seven.example.com.
seven.example.com.      IN A 192.0.2.7
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. IN PTR six.example.com.
six.example.com.        IN AAAA 2001:db8::1
six.example.com.        IN A 192.0.2.1
`)
	for i := range 30 {
		z.MustAdd(fmt.Sprintf("8.2.0.192.in-addr.arpa. IN PTR n%02d.example.com.", i))
	}
	z.Fail("4.2.0.192.in-addr.arpa", dnstest.ServFail)
	z.Fail("slow.example.com", dnstest.ServFail)
	n := 0
	z.Observe(func(name, qtype string) {
		if qtype != "PTR" {
			n++
		}
	})
	for ip, want := range map[string]struct {
		result reputation.Result
		names  string
		err    bool
	}{
		"192.0.2.1":        {reputation.Pass, "mail.example.com", false},
		"::ffff:192.0.2.1": {reputation.Pass, "mail.example.com", false},
		"192.0.2.2":        {reputation.Fail, "", false},
		"192.0.2.3":        {reputation.Fail, "", false},
		"192.0.2.4":        {reputation.TempError, "", true},
		"192.0.2.5":        {reputation.TempError, "", true},
		"192.0.2.6":        {reputation.PermError, "", false},
		"192.0.2.7":        {reputation.Pass, "seven.example.com", false},
		"192.0.2.8":        {reputation.Fail, "", false},
		"2001:db8::1":      {reputation.Pass, "six.example.com", false},
		"2001:db8::2":      {reputation.PermError, "", false},
	} {
		n = 0
		got := reputation.IPRev(t.Context(), z, netip.MustParseAddr(ip))
		if got.Result != want.result || strings.Join(got.Names, " ") != want.names || (got.Err != nil) != want.err || n > reputation.MaxNames {
			t.Errorf("%s: %+v, %d questions", ip, got, n)
		}
		f, err := authres.Parse("x; " + string(got.AppendResult(nil)))
		if err != nil || f.Results[0].Value != string(want.result) || f.Results[0].Property("policy", "iprev") != netip.MustParseAddr(ip).Unmap().String() {
			t.Errorf("%s: %s, %v", ip, got.AppendResult(nil), err)
		}
	}
	if got := string(reputation.Reverse{Result: reputation.Pass, IP: netip.MustParseAddr("192.0.2.200")}.AppendResult(nil)); got != "iprev=pass policy.iprev=192.0.2.200" { // RFC 8601 appendix B.6
		t.Error(got)
	}
}

func FuzzParseVBR(f *testing.F) {
	f.Add(" md=somebank.example; mc=transaction;\r\n    mv=certifier-a.example:certifier-b.example;")
	f.Add("MV=a:b;MD = x ;mc=all;y=z")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := reputation.ParseVBR(s)
		if err != nil {
			return
		}
		again, err := reputation.ParseVBR(string(v.Append(nil)))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
			t.Errorf("%+v, %+v, %v", v, again, err)
		}
	})
}
