package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/mailbricks/mailbricks/auth/dnstest"
)

const sample = `
example.com.  60 IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 30
example.com.  60 IN MX  20 backup.example.com.
example.com.  60 IN MX  10 mx.example.com.
example.com.  60 IN NS  ns.example.com.
example.com.  60 IN TXT "v=spf1 " "mx -all"
example.com.  60 IN TXT "semi\;colon \"quoted\" back\\slash \200"
mx.example.com. 60 IN A 192.0.2.1
mx.example.com. 60 IN AAAA 2001:db8::1
six.example.com. 60 IN AAAA 2001:db8::6
www.example.com. 10 IN CNAME web.example.com.
web.example.com. 60 IN CNAME mx.example.com.
dangling.example.com. 60 IN CNAME nowhere.example.com.
one.example.com. 60 IN CNAME two.example.com.
two.example.com. 60 IN CNAME one.example.com.
odd\032name.example.com. 60 IN TXT "odd"
_sip._tcp.example.com. 60 IN SRV 1 5 5060 mx.example.com.
_25._tcp.mx.example.com. 60 IN TLSA 3 1 1 00ff
1.2.0.192.in-addr.arpa. 60 IN PTR mx.example.com.
`

func load(t testing.TB) *dnstest.Zone {
	t.Helper()
	z, err := dnstest.Parse(strings.NewReader(sample), "")
	if err != nil {
		t.Fatal(err)
	}
	z.Sign("example.com")
	return z
}

// lookups is what both the zone and the resolver offer.
type lookups interface {
	LookupTXTSecure(context.Context, string) ([]string, bool, error)
	LookupMXSecure(context.Context, string) ([]*net.MX, bool, error)
	LookupIPAddr(context.Context, string) ([]net.IPAddr, error)
	LookupHost(context.Context, string) ([]string, error)
	LookupAddrSecure(context.Context, string) ([]string, bool, error)
	LookupCNAMESecure(context.Context, string) (string, bool, error)
	LookupNS(context.Context, string) ([]*net.NS, error)
	LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error)
	LookupTLSASecure(context.Context, string) ([][]byte, bool, error)
}

// all asks everything there is to ask about a name.
func all(ctx context.Context, r lookups, name string) (out []any) {
	say := func(v any, secure bool, err error) {
		if dnsErr, ok := errors.AsType[*net.DNSError](err); ok {
			var absent interface{ NXDomain() bool }
			err = fmt.Errorf("found %v temporary %v nxdomain %v", !dnsErr.IsNotFound, dnsErr.IsTemporary,
				errors.As(err, &absent) && absent.NXDomain())
		}
		out = append(out, v, secure, fmt.Sprint(err))
	}
	{
		v, secure, err := r.LookupTXTSecure(ctx, name)
		say(v, secure, err)
	}
	{
		v, secure, err := r.LookupMXSecure(ctx, name)
		say(v, secure, err)
	}
	{
		v, err := r.LookupIPAddr(ctx, name)
		say(v, false, err)
	}
	{
		v, err := r.LookupHost(ctx, name)
		say(v, false, err)
	}
	{
		v, secure, err := r.LookupAddrSecure(ctx, name)
		say(v, secure, err)
	}
	{
		v, secure, err := r.LookupCNAMESecure(ctx, name)
		say(v, secure, err)
	}
	{
		v, err := r.LookupNS(ctx, name)
		say(v, false, err)
	}
	{
		cname, v, err := r.LookupSRV(ctx, "sip", "tcp", name)
		say(v, cname == "_sip._tcp."+name, err)
	}
	{
		v, secure, err := r.LookupTLSASecure(ctx, name)
		say(v, secure, err)
	}
	return out
}

// The resolver says of a zone what the zone says of itself, in memory, over UDP and TCP, and from a recording.
func TestSameAsZone(t *testing.T) {
	z := load(t)
	z.Fail("broken.example.com", dnstest.ServFail)
	z.Fail("closed.example.com", dnstest.Refused)
	z.Fail("mx.example.com", dnstest.Truncate)
	z.Fail("six.example.com", dnstest.WrongID)
	server, err := z.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var recording bytes.Buffer
	names := []string{
		"example.com.", "mx.example.com", "six.example.com", "www.example.com", "dangling.example.com", "one.example.com",
		"odd name.example.com", "_25._tcp.mx.example.com", "192.0.2.1", "::ffff:192.0.2.1", "_tcp.example.com",
		"nothing.example.com", "example.org", "broken.example.com", "closed.example.com", "a..b",
		strings.Repeat("a", 64) + ".example.com", "nul\x00.example.com", `back\slash.example.com`,
	}
	run := func(t *testing.T, transport Transport) {
		r := New(transport, Options{TrustAD: true})
		for _, name := range names {
			for _, pass := range []string{"asked", "cached"} {
				if got, want := all(t.Context(), r, name), all(t.Context(), z, name); !reflect.DeepEqual(got, want) {
					t.Errorf("%s %q:\n got %v\nwant %v", pass, name, got, want)
				}
			}
		}
	}
	t.Run("memory", func(t *testing.T) { run(t, z) })
	t.Run("wire", func(t *testing.T) {
		run(t, &Recorder{Transport: &Servers{Addrs: []string{server.Addr()}}, W: &recording})
	})
	t.Run("replay", func(t *testing.T) {
		tr, err := Replay(&recording)
		if err != nil {
			t.Fatal(err)
		}
		run(t, tr)
		r := New(tr, Options{})
		_, err = r.LookupTXT(t.Context(), "never-asked.example.com")
		if dnsErr, ok := errors.AsType[*net.DNSError](err); !ok || !dnsErr.IsTemporary {
			t.Errorf("a question that was never asked: %v", err)
		}
	})
}

func TestUntrusted(t *testing.T) {
	r := New(load(t), Options{})
	if txt, secure, err := r.LookupTXTSecure(t.Context(), "example.com"); err != nil || secure || len(txt) != 2 {
		t.Errorf("%q, secure %v, %v: the AD bit of a server that nobody trusts", txt, secure, err)
	}
}

// counted counts the questions that reach a transport.
type counted struct {
	Transport
	n int
}

func (c *counted) Exchange(ctx context.Context, q []byte) ([]byte, error) {
	c.n++
	return c.Transport.Exchange(ctx, q)
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := load(t)
		z.MustAdd("other.example. 100 IN SOA ns.example.com. h.example.com. 1 1 1 1 99999999\nother.example. 99999999 IN A 192.0.2.7")
		c := &counted{Transport: z}
		r := New(c, Options{CacheSize: 2, MaxTTL: time.Hour, MaxNegativeTTL: 40 * time.Second})
		ask := func(name string, wait time.Duration, want int) {
			t.Helper()
			time.Sleep(wait)
			c.n = 0
			_, _ = r.LookupNetIP(t.Context(), "ip4", name)
			if c.n != want {
				t.Errorf("%s after %s: %d questions, want %d", name, wait, c.n, want)
			}
		}
		ask("www.example.com", 0, 1)
		ask("WWW.example.com.", 9*time.Second, 0)
		ask("www.example.com", time.Second, 1) // the alias had 10 seconds, its target 60
		ask("none.example.com", 0, 1)
		ask("none.example.com", 29*time.Second, 0)
		ask("none.example.com", time.Second, 1) // RFC 2308 §5: the SOA's minimum
		ask("absent.other.example", 0, 1)
		ask("absent.other.example", 39*time.Second, 0)
		ask("absent.other.example", time.Second, 1)
		ask("other.example", 0, 1)
		ask("other.example", time.Hour-time.Second, 0)
		ask("other.example", time.Second, 1)
		ask("mx.example.com", 0, 1)
		ask("other.example", 0, 0)
		ask("www.example.com", 0, 1) // pushes mx out, which was used the longest ago
		ask("other.example", 0, 0)
		ask("mx.example.com", 0, 1)
		z.Fail("mx.example.com", dnstest.ServFail)
		ask("nothing.example.org", 0, 1) // no SOA: not kept
		ask("nothing.example.org", 0, 1)
		if len(r.cache.entries) != 2 || r.cache.recent.Len() != 2 {
			t.Errorf("%d entries in a cache of two", len(r.cache.entries))
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := load(t)
		z.Fail("slow.example.com", dnstest.Timeout)
		r := New(z, Options{Timeout: 5 * time.Second})
		start := time.Now()
		_, err := r.LookupTXT(t.Context(), "slow.example.com")
		if dnsErr, ok := errors.AsType[*net.DNSError](err); !ok || !dnsErr.IsTimeout || !dnsErr.IsTemporary || dnsErr.IsNotFound {
			t.Errorf("%#v", err)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("took %s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.LookupTXT(ctx, "slow.example.com"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if d := time.Since(start); d != 6*time.Second {
			t.Errorf("took %s", d)
		}
	})
}

func TestNextServer(t *testing.T) {
	z := load(t)
	good, err := z.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	broken := dnstest.New()
	broken.Fail("example.com", dnstest.ServFail)
	broken.Fail("mx.example.com", dnstest.Timeout)
	bad, err := broken.Serve("")
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	servers := &Servers{Addrs: []string{"127.0.0.1:1", bad.Addr(), good.Addr()}, TryTimeout: 50 * time.Millisecond}
	r := New(servers, Options{})
	if txt, err := r.LookupTXT(t.Context(), "example.com"); err != nil || len(txt) != 2 {
		t.Errorf("after SERVFAIL: %q, %v", txt, err)
	}
	if ips, err := r.LookupNetIP(t.Context(), "ip4", "mx.example.com"); err != nil || len(ips) != 1 {
		t.Errorf("after silence: %v, %v", ips, err)
	}
	if _, err := New(&Servers{}, Options{}).LookupTXT(t.Context(), "example.com"); err == nil {
		t.Error("answer from no server")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := servers.Exchange(ctx, make([]byte, headerSize)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// scripted answers each question with the records of the owner alone, as an authoritative server would.
type scripted map[string]string

func (s scripted) Exchange(_ context.Context, query []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		return nil, err
	}
	m := new(dns.Msg).SetReply(q)
	for line := range strings.SplitSeq(s[q.Question[0].Name], "\n") {
		if rr, _ := dns.NewRR(line); rr != nil {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m.Pack()
}

func TestAliases(t *testing.T) {
	s := scripted{
		"a.example.": "a.example. 60 IN CNAME b.example.",
		"b.example.": "b.example. 60 IN CNAME c.example.\nc.example. 60 IN CNAME d.example.",
		"d.example.": "d.example. 60 IN TXT \"end\"\nx.example. 60 IN TXT \"nobody asked\"\nd.example. 60 CH TXT \"other class\"",
		"p.example.": "p.example. 60 IN CNAME q.example.",
		"q.example.": "q.example. 60 IN CNAME p.example.",
		"r.example.": "r.example. 60 IN CNAME r.example.",
		"s.example.": "x.example. 60 IN TXT \"poison\"",
	}
	for i := range 20 {
		s[fmt.Sprintf("n%d.example.", i)] = fmt.Sprintf("n%d.example. 60 IN CNAME n%d.example.", i, i+1)
	}
	r := New(s, Options{})
	if txt, err := r.LookupTXT(t.Context(), "a.example"); err != nil || fmt.Sprint(txt) != "[end]" {
		t.Errorf("aliases over three packets: %q, %v", txt, err)
	}
	for _, name := range []string{"p.example", "r.example", "n0.example"} {
		_, err := r.LookupTXT(t.Context(), name)
		if dnsErr, ok := errors.AsType[*net.DNSError](err); !ok || !dnsErr.IsTemporary {
			t.Errorf("%s: %v", name, err)
		}
	}
	if txt, err := r.LookupTXT(t.Context(), "s.example"); err == nil {
		t.Errorf("records of another name: %q", txt)
	}
}

func TestSystem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	conf := "nameserver 192.0.2.53\nnameserver 2001:db8::53\noptions timeout:4 attempts:5\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := systemFrom(file)
	want := &Servers{Addrs: []string{"192.0.2.53:53", "[2001:db8::53]:53"}, TryTimeout: 4 * time.Second, Tries: 5}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := systemFrom(file + ".absent"); err == nil {
		t.Error("no file, no error")
	}
}

func TestReplayMalformed(t *testing.T) {
	for _, text := range []string{
		"nonsense", `{"name":"a.","type":"NOPE","rcode":"NOERROR"}`, `{"name":"a.","type":"TXT","rcode":"NOPE"}`,
		`{"name":"a.","type":"TXT","rcode":"NOERROR","answer":["nonsense"]}`,
		`{"name":"a.","type":"TXT","rcode":"NOERROR","answer":[""]}`, strings.Repeat("x", maxRecordingLine+1),
	} {
		if _, err := Replay(strings.NewReader(text)); err == nil {
			t.Errorf("read: %.80s", text)
		}
	}
}

type fixed []byte

func (f fixed) Exchange(_ context.Context, query []byte) ([]byte, error) {
	out := append([]byte(nil), f...)
	copy(out, query[:2]) // the right id, or nothing is looked at
	return out, nil
}

func FuzzAnswer(f *testing.F) {
	q, _ := new(dns.Msg).SetQuestion("example.com.", dns.TypeTXT).Pack()
	z := load(f)
	a, _ := z.Exchange(f.Context(), q)
	f.Add(a)
	f.Add(q)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		r := New(fixed(packet), Options{TrustAD: true})
		txt, _, err := r.LookupTXTSecure(t.Context(), "example.com")
		if (err == nil) != (len(txt) > 0) {
			t.Errorf("%q, %v", txt, err)
		}
	})
}

func FuzzReplay(f *testing.F) {
	f.Add(`{"name":"example.com.","type":"TXT","rcode":"NOERROR","answer":["example.com. 60 IN TXT \"a\""]}`)
	f.Add(`{"name":"example.com.","type":"TXT","error":"no answer"}`)
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := Replay(strings.NewReader(text))
		if err != nil {
			return
		}
		_, _ = New(tr, Options{}).LookupTXT(t.Context(), "example.com")
	})
}

func BenchmarkCachedTXT(b *testing.B) {
	r := New(load(b), Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.LookupTXT(b.Context(), "example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
