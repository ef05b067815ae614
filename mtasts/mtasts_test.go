package mtasts_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/mtasts"
)

func TestParseRecord(t *testing.T) {
	for txt, id := range map[string]string{
		"v=STSv1; id=20160831085700Z;": "20160831085700Z", // RFC 8461 §3.1
		"v=STSv1;id=1":                 "1",
		"v=STSv1 ; id=1 ; x-y.z_1=a:b": "1",
		"v=STSv1; id=1; id=2;":         "1", // all but the first are ignored
		"v=STSv1; a=b; id=1":           "1",
	} {
		r, err := mtasts.ParseRecord(txt)
		if err != nil || r.ID != id {
			t.Errorf("%q: %v, %v", txt, r, err)
		}
		if again, err := mtasts.ParseRecord(string(r.Append(nil))); err != nil || again != r {
			t.Errorf("%q came back as %v, %v", txt, again, err)
		}
	}
	for _, txt := range []string{"", "v=STSv1", "v=STSv1;", "v=STSv2; id=1", "V=STSv1; id=1", "v=stsv1; id=1", "id=1; v=STSv1", "v=STSv1; id=", "v=STSv1; id=a-b",
		"v=STSv1; id=" + strings.Repeat("1", 33), "v=STSv1; id", "v=STSv1; id=1; ;", "v=STSv1; id=1;;", "v=STSv1; id=ü", "v=STSv1; id=1; -x=1", "v=STSv10; id=1"} {
		if r, err := mtasts.ParseRecord(txt); !errors.Is(err, mtasts.ErrSyntax) {
			t.Errorf("%q: %v, %v", txt, r, err)
		}
	}
}

const example = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n" // RFC 8461 §3.2

func TestParsePolicy(t *testing.T) {
	p, err := mtasts.ParsePolicy([]byte(example))
	if err != nil || p.Mode != mtasts.ModeEnforce || p.MaxAge != 7*24*time.Hour || !slices.Equal(p.MX, []string{"mail.example.com", "*.example.net", "backupmx.example.com"}) {
		t.Fatalf("%+v, %v", p, err)
	}
	if string(p.Append(nil)) != example {
		t.Errorf("%q", p.Append(nil))
	}
	for _, text := range []string{
		strings.ReplaceAll(example, "\r\n", "\n"), strings.ReplaceAll(example, "\r\n", "  \r\n"), strings.TrimSuffix(example, "\r\n"),
		example + "max_age: junk\r\n", example + "mode: junk\r\n", example + "x-new: any thing, ü\r\n", "version: STSv1\nmode: none\nmax_age: 0\n",
		strings.Replace(example, "enforce", "testing", 1),
	} {
		if _, err := mtasts.ParsePolicy([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, change := range [][2]string{
		{"version: STSv1\r\n", ""}, {"STSv1", "STSv2"}, {"mode: enforce\r\n", ""}, {"enforce", "Enforce"}, {"max_age: 604800\r\n", ""}, {"604800", "-1"},
		{"604800", "1000000000000"}, {"604800", "31557601"}, {"604800", ""}, {"mail.example.com", "*"}, {"*.example.net", "*.a.*.b"}, {"*.example.net", "a.*.b"},
		{"mail.example.com", "mail..example.com"}, {"mail.example.com", "bücher.example"}, {"mail.example.com", "-a.example"}, {"mode", "mo de"}, {"mode:", "mode"},
		{"enforce\r\n", "enforce\x00\r\n"}, {"enforce\r\n", "enforce\rmx: evil.example\r\n"}, {"\r\nmode", "\r\n\r\nmode"},
	} {
		text := strings.Replace(example, change[0], change[1], 1)
		if p, err := mtasts.ParsePolicy([]byte(text)); !errors.Is(err, mtasts.ErrSyntax) {
			t.Errorf("%q for %q: %+v, %v", change[1], change[0], p, err)
		}
	}
	for _, text := range []string{"", "\n", "version: STSv1\nmode: enforce\nmax_age: 1\n", strings.Repeat("x", mtasts.MaxPolicy+1)} {
		if _, err := mtasts.ParsePolicy([]byte(text)); !errors.Is(err, mtasts.ErrSyntax) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestMatch(t *testing.T) {
	p, err := mtasts.ParsePolicy([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"mail.example.com": true, "MAIL.example.COM.": true, "a.example.net": true,
		"example.net": false, "a.b.example.net": false, "evilexample.net": false, "mail.example.com.evil.org": false, "xmail.example.com": false, "": false, ".": false, "*.example.net": false,
	} {
		if got := p.Match(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

type zone struct {
	txt map[string][]string
	err error
}

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if z.err != nil {
		return nil, z.err
	}
	if txt, ok := z.txt[name]; ok {
		return txt, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// host is a policy host on loopback: a real TLS server with a certificate that the transport trusts.
func host(t *testing.T, h http.HandlerFunc) *http.Transport {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	tr := mtasts.NewTransport(netip.MustParsePrefix("127.0.0.0/8"))
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, s.Listener.Addr().String())
	}
	tr.TLSClientConfig = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	return tr
}

func serve(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/mta-sts.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, text)
	}
}

// The test server's certificate is for example.com and *.example.com, so the policy host is mta-sts.example.com.
func announced(id string) zone {
	return zone{txt: map[string][]string{"_mta-sts.example.com": {"unrelated", "v=STSv1; id=" + id}}}
}

func TestFetch(t *testing.T) {
	good := serve(example)
	for _, tt := range []struct {
		name   string
		zone   zone
		host   http.HandlerFunc
		domain string
		reason string // "" good, "none" ErrNone, else of a FetchError
	}{
		{"good", announced("1"), good, "example.com", ""},
		{"final dot and case", announced("1"), good, "Example.COM.", ""},
		{"no record", zone{}, good, "example.com", "none"},
		{"two records", zone{txt: map[string][]string{"_mta-sts.example.com": {"v=STSv1; id=1", "v=STSv1; id=2"}}}, good, "example.com", "none"},
		{"bad record", announced("a b"), good, "example.com", "none"},
		{"DNS failure", zone{err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, good, "example.com", "record"},
		{"redirect", announced("1"), func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusMovedPermanently)
		}, "example.com", "status 301"},
		{"not found", announced("1"), http.NotFound, "example.com", "status 404"},
		{"too long", announced("1"), serve(example + strings.Repeat("x: y\n", mtasts.MaxPolicy/5)), "example.com", "policy"},
		{"HTML", announced("1"), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>", example) }, "example.com", "media type text/html"},
		{"malformed", announced("1"), serve("version: STSv1"), "example.com", "policy"},
		{"certificate for another name", zone{txt: map[string][]string{"_mta-sts.example.org": {"v=STSv1; id=1"}}}, good, "example.org", "connect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := mtasts.Fetcher{Resolver: tt.zone, Transport: host(t, tt.host)}
			p, err := f.Fetch(t.Context(), tt.domain)
			fe, _ := errors.AsType[*mtasts.FetchError](err)
			switch {
			case tt.reason == "" && (err != nil || p.Mode != mtasts.ModeEnforce):
				t.Errorf("%+v, %v", p, err)
			case tt.reason == "none" && !errors.Is(err, mtasts.ErrNone):
				t.Errorf("%v", err)
			case tt.reason != "" && tt.reason != "none" && (fe == nil || fe.Reason != tt.reason):
				t.Errorf("%v, want %s", err, tt.reason)
			}
		})
	}
}

// TestGuard: without an exception a policy host on loopback is not dialed.
func TestGuard(t *testing.T) {
	s := httptest.NewTLSServer(serve(example))
	defer s.Close()
	tr := mtasts.NewTransport()
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, s.Listener.Addr().String())
	}
	_, err := mtasts.Fetcher{Resolver: announced("1"), Transport: tr}.Fetch(t.Context(), "example.com")
	if fe, ok := errors.AsType[*mtasts.FetchError](err); !ok || fe.Reason != "connect" || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}

// TestSlow: a policy that drips is given up at the timeout, which is absolute.
func TestSlow(t *testing.T) {
	tr := host(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for r.Context().Err() == nil {
			fmt.Fprint(w, "x")
			w.(http.Flusher).Flush()
		}
	})
	_, err := mtasts.Fetcher{Resolver: announced("1"), Transport: tr, Timeout: 20 * time.Millisecond}.Fetch(t.Context(), "example.com")
	if _, ok := errors.AsType[*mtasts.FetchError](err); !ok {
		t.Errorf("%v", err)
	}
}

func TestCache(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	gets, up, text := 0, true, example
	tr := host(t, func(w http.ResponseWriter, r *http.Request) {
		gets++
		if !up {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		serve(text)(w, r)
	})
	f := mtasts.Fetcher{Resolver: announced("1"), Transport: tr, Cache: &mtasts.MemoryCache{}, Now: func() time.Time { return now }}
	step := func(name string, wantMode mtasts.Mode, wantGets int) {
		t.Helper()
		p, err := f.Fetch(t.Context(), "example.com")
		if p.Mode != wantMode || (err == nil) != (wantMode != "") || gets != wantGets {
			t.Errorf("%s: %q, %v after %d requests; want %q, %d", name, p.Mode, err, gets, wantMode, wantGets)
		}
	}
	step("first", mtasts.ModeEnforce, 1)
	step("cached", mtasts.ModeEnforce, 1)
	f.Resolver = announced("2")
	text = strings.Replace(example, "enforce", "testing", 1)
	step("another id", mtasts.ModeTesting, 2)
	f.Resolver, up = announced("3"), false
	step("cannot be fetched: the cached one holds", mtasts.ModeTesting, 3)
	step("not tried again within five minutes", mtasts.ModeTesting, 3)
	now = now.Add(6 * time.Minute)
	step("tried again", mtasts.ModeTesting, 4)
	f.Resolver = zone{}
	step("record gone: the cached one holds", mtasts.ModeTesting, 4)
	f.Resolver = zone{err: errors.New("DNS is down")}
	step("DNS down: the cached one holds", mtasts.ModeTesting, 4)
	now = now.Add(8 * 24 * time.Hour)
	step("expired", "", 4)
}

func TestCacheIsBounded(t *testing.T) {
	c := &mtasts.MemoryCache{Max: 3}
	for i := range 10 {
		if err := c.Put(t.Context(), fmt.Sprint(i), mtasts.Cached{}); err != nil {
			t.Fatal(err)
		}
	}
	have := 0
	for i := range 10 {
		if _, ok, _ := c.Get(t.Context(), fmt.Sprint(i)); ok {
			have++
		}
	}
	if have != 3 {
		t.Errorf("%d domains, want 3", have)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=STSv1; id=20160831085700Z;")
	f.Add("v=STSv1;id=1;x=y")
	f.Fuzz(func(t *testing.T, txt string) {
		r, err := mtasts.ParseRecord(txt)
		if err != nil {
			return
		}
		if again, err := mtasts.ParseRecord(string(r.Append(nil))); err != nil || again != r {
			t.Fatalf("%q: %v became %v, %v", txt, r, again, err)
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("version: STSv1\nmode: none\nmax_age: 0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := mtasts.ParsePolicy(text)
		if err != nil {
			return
		}
		again, err := mtasts.ParsePolicy(p.Append(nil))
		if err != nil || again.Mode != p.Mode || again.MaxAge != p.MaxAge || !slices.Equal(again.MX, p.MX) {
			t.Fatalf("%q: %+v became %+v, %v", text, p, again, err)
		}
	})
}

// May mail for this domain go to this host?
func ExamplePolicy_Match() {
	p, err := mtasts.ParsePolicy([]byte("version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 604800\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Match("mail.example.net"), p.Match("example.net"), p.Match("a.b.example.net"))
	// Output: true false false
}

// Publish a policy: the TXT record and what the web server answers.
func ExamplePolicy_Append() {
	fmt.Printf("_mta-sts.example.com. TXT \"%s\"\n", mtasts.Record{ID: "20261124"}.Append(nil))
	policy := mtasts.Policy{Mode: mtasts.ModeTesting, MX: []string{"mx.example.com"}, MaxAge: 7 * 24 * time.Hour}
	fmt.Print(strings.ReplaceAll(string(policy.Append(nil)), "\r", ""))
	// Output:
	// _mta-sts.example.com. TXT "v=STSv1; id=20261124;"
	// version: STSv1
	// mode: testing
	// mx: mx.example.com
	// max_age: 604800
}
