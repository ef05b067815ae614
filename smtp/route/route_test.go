package route_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/route"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func path(t testing.TB, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParseMailbox(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func envelope(t testing.TB, to ...string) smtp.Envelope {
	e := smtp.Envelope{From: path(t, "alice@sender.test")}
	for _, r := range to {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: path(t, r)})
	}
	return e
}

const text = "Subject: hi\r\n\r\nHello\r\n.\r\n"

// A network stands between a Router and hosts: addresses of a zone lead to servers on loopback.
type network struct {
	mu    sync.Mutex
	hosts map[string]string // address to server; "" refuses; "hang" never answers
	tried []string
}

func (n *network) dial(ctx context.Context, nw, addr string) (net.Conn, error) {
	ap := netip.MustParseAddrPort(addr)
	n.mu.Lock()
	n.tried = append(n.tried, ap.Addr().String())
	to, ok := n.hosts[ap.Addr().String()]
	n.mu.Unlock()
	switch {
	case !ok || to == "":
		return nil, errors.New("connection refused")
	case to == "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return (&net.Dialer{}).DialContext(ctx, nw, to)
}

func (n *network) dialed() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.tried)
}

// server starts a server that takes everything.
func server(t *testing.T, rec *smtptest.Recorder) string {
	return smtptest.NewServer(t, &smtpserver.Server{Handler: rec, NoReceived: true}, false)
}

func router(t *testing.T, zone string, n *network) *route.Router {
	t.Helper()
	z := dnstest.New()
	z.MustAdd(zone)
	r := &route.Router{Resolver: z, Client: smtpclient.Config{Hostname: "relay.sender.test", Dial: n.dial}}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRoutes(t *testing.T) {
	const zone = `
		mx.test.           IN MX 10 mx1.mx.test.
		mx.test.           IN MX 20 mx2.mx.test.
		mx1.mx.test.       IN A 192.0.2.1
		mx2.mx.test.       IN A 192.0.2.2
		implicit.test.     IN A 192.0.2.1
		empty.test.        IN TXT "nothing here"
		null.test.         IN MX 0 .
		halfnull.test.     IN MX 0 .
		halfnull.test.     IN MX 10 mx1.mx.test.
		dead.test.         IN MX 5 nobody.mx.test.
		half.test.         IN MX 5 nobody.mx.test.
		half.test.         IN MX 9 mx2.mx.test.
		self.test.         IN MX 5 relay.sender.test.
		self.test.         IN MX 5 mx1.mx.test.
		self.test.         IN MX 9 mx2.mx.test.
		backup.test.       IN MX 5 mx1.mx.test.
		backup.test.       IN MX 7 RELAY.sender.test.
		backup.test.       IN MX 7 mx2.mx.test.
		other.test.        IN MX 7 also-me.test.
		relay.sender.test. IN A 192.0.2.9
		alias.test.        IN CNAME implicit.test.
		xn--bcher-kva.test. IN MX 1 mx1.mx.test.
		v6.test.           IN AAAA 2001:db8::1
		number.test.       IN MX 1 192.0.2.1.
		`
	tests := []struct {
		to   string
		want string // reply and host
		hits []string
	}{
		{"b@mx.test", "250 mx1.mx.test", []string{"192.0.2.1"}},
		{"b@MX.Test", "250 mx1.mx.test", []string{"192.0.2.1"}},
		{"b@implicit.test", "250 implicit.test", []string{"192.0.2.1"}},
		{"b@alias.test", "250 alias.test", []string{"192.0.2.1"}},
		{"b@empty.test", "550 5.1.2", nil},
		{"b@nowhere.test", "550 5.1.2", nil},
		{"b@null.test", "556 5.1.10", nil},
		{"b@halfnull.test", "250 mx1.mx.test", []string{"192.0.2.1"}},
		{"b@dead.test", "550 5.4.4", nil},
		{"b@half.test", "250 mx2.mx.test", []string{"192.0.2.2"}},
		{"b@self.test", "554 5.4.6", nil},
		{"b@backup.test", "250 mx1.mx.test", []string{"192.0.2.1"}},
		{"b@other.test", "554 5.4.6", nil},
		{"b@relay.sender.test", "554 5.4.6", nil},
		{"b@bücher.test", "250 mx1.mx.test", []string{"192.0.2.1"}},
		{"b@v6.test", "250 v6.test", []string{"2001:db8::1"}},
		{"b@number.test", "550 5.4.4", nil},
		{"b@[192.0.2.2]", "250 192.0.2.2", []string{"192.0.2.2"}},
		{"b@[IPv6:2001:db8::1]", "250 2001:db8::1", []string{"2001:db8::1"}},
		{"b@servfail.test", "451 4.4.3", nil},
		{"b@silent.test", "451 4.4.3", nil},
		{"b@hostfail.test", "451 4.4.3", nil},
	}
	for _, batch := range []bool{true, false} {
		for _, tt := range tests {
			rec := &smtptest.Recorder{}
			addr := server(t, rec)
			n := &network{hosts: map[string]string{"192.0.2.1": addr, "192.0.2.2": addr, "2001:db8::1": addr}}
			z := dnstest.New()
			z.MustAdd(zone + "\nhostfail.test. IN MX 5 servfail.test.\nservfail.test. IN A 192.0.2.1\nsilent.test. IN A 192.0.2.1")
			z.Fail("servfail.test", dnstest.ServFail)
			z.Fail("silent.test", dnstest.Timeout)
			r := router(t, "", n)
			r.Resolver, r.Self = z, []string{"also-me.test."}
			var h smtp.Handler = r
			if !batch {
				h = struct{ smtp.Handler }{r}
			}
			res, err := smtp.Deliver(t.Context(), h, envelope(t, tt.to), strings.NewReader(text))
			got := ""
			switch {
			case err != nil:
				got = short(smtp.ReplyOf(err))
			case res[0].Reply.OK():
				got = fmt.Sprint(res[0].Reply.Code, " ", res[0].RemoteMTA)
			default:
				got = short(res[0].Reply)
			}
			if got != tt.want || !slices.Equal(n.dialed(), tt.hits) {
				t.Errorf("%s: %s, dialed %v; want %s, %v", tt.to, got, n.dialed(), tt.want, tt.hits)
			}
			if ms := rec.Messages(); strings.HasPrefix(tt.want, "250") && (len(ms) != 1 || string(ms[0].Body) != text) {
				t.Errorf("%s: taken %v", tt.to, ms)
			}
		}
	}
}

func short(r smtp.Reply) string { return fmt.Sprint(r.Code, " ", r.Enhanced) }

// TestNextHost lets the best host fail in every way, and looks whether the next one is asked.
func TestNextHost(t *testing.T) {
	const hello = "> 220 mx1 ESMTP\n< EHLO *\n> 250 mx1\n"
	tests := []struct {
		name   string
		script smtptest.Script // of the best host; "": refuses connections
		next   bool
		reply  string // where the first host decides
	}{
		{"no connection", "", true, ""},
		{"greeting 421", "> 421 4.3.2 busy", true, ""},
		{"greeting 450", "> 450 4.3.2 busy", true, ""},
		{"greeting 554", "> 554 5.3.2 no mail here", false, "554 5.3.2"},
		{"closes at once", "= close", true, ""},
		{"garbage", "> SSH-2.0-OpenSSH_9.2", true, ""},
		{"EHLO 421", "> 220 mx1\n< EHLO *\n> 421 4.3.2 busy", true, ""},
		{"closes at EHLO", "> 220 mx1\n< EHLO *\n= close", true, ""},
		{"MAIL 421", hello + "< MAIL *\n> 421 4.3.2 busy", true, ""},
		{"closes at MAIL", hello + "< MAIL *\n= close", true, ""},
		{"RCPT 421", hello + "< MAIL *\n> 250 ok\n< RCPT *\n> 421 4.3.2 busy", true, ""},
		{"MAIL 451", hello + "< MAIL *\n> 451 4.7.1 greylisted\n< QUIT\n> 221 bye", false, "451 4.7.1"},
		{"MAIL 550", hello + "< MAIL *\n> 550 5.7.1 no\n< QUIT\n> 221 bye", false, "550 5.7.1"},
		{"RCPT 450", hello + "< MAIL *\n> 250 ok\n< RCPT *\n> 450 4.2.0 later\n< QUIT\n> 221 bye", false, "450 4.2.0"},
		{"RCPT 550", hello + "< MAIL *\n> 250 ok\n< RCPT *\n> 550 5.1.1 nobody\n< QUIT\n> 221 bye", false, "550 5.1.1"},
		{"lost after the message", hello + "< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n> 354 go\n< data\n= close", false, "451 4.4.2"},
		{"refused at the end", hello + "< MAIL *\n> 250 ok\n< RCPT *\n> 250 ok\n< DATA\n> 354 go\n< data\n> 554 5.6.0 no\n< QUIT\n> 221 bye", false, "554 5.6.0"},
	}
	for _, batch := range []bool{true, false} {
		for _, tt := range tests {
			t.Run(fmt.Sprint(tt.name, " ", batch), func(t *testing.T) {
				rec := &smtptest.Recorder{}
				n := &network{hosts: map[string]string{"192.0.2.2": server(t, rec)}}
				if tt.script != "" {
					// What is not ASCII alone is asked for before the message is looked at.
					n.hosts["192.0.2.1"] = smtptest.NewScriptServer(t, nil, false, smtptest.Script(strings.ReplaceAll(string(tt.script), "> 250 mx1\n", "> 250-mx1\n> 250 8BITMIME\n"))).Addr
				}
				r := router(t, "d.test. IN MX 1 mx1.d.test.\nd.test. IN MX 2 mx2.d.test.\nmx1.d.test. IN A 192.0.2.1\nmx2.d.test. IN A 192.0.2.2", n)
				var h smtp.Handler = r
				if !batch {
					h = struct{ smtp.Handler }{r}
				}
				res, err := smtp.Deliver(t.Context(), h, envelope(t, "b@d.test"), strings.NewReader(text))
				if err != nil {
					res = smtp.SameResult(1, smtp.ReplyOf(err))
				}
				r.Close()
				if tt.next {
					if res[0].Reply.Code != 250 || res[0].RemoteMTA != "mx2.d.test" || len(rec.Messages()) != 1 {
						t.Errorf("%+v, %v", res[0], err)
					}
				} else if short(res[0].Reply) != tt.reply || len(rec.Messages()) != 0 {
					t.Errorf("%+v, %v, want %s", res[0], err, tt.reply)
				}
			})
		}
	}
}

// TestNextAddress: a host's other addresses are asked before the next host is.
func TestNextAddress(t *testing.T) {
	busy := func(t *testing.T) string {
		return smtptest.NewScriptServer(t, nil, false, "> 421 4.3.2 busy").Addr
	}
	for _, tt := range []struct {
		name  string
		hosts string // which of the three addresses of mx1 take mail: busy, refuses, or ok
		want  string
		hits  int
	}{
		{"all right", "ok ok ok", "mx1.d.test", 1},
		{"one busy", "busy ok refuses", "mx1.d.test", 2},
		{"one refuses, one busy", "refuses busy ok", "mx1.d.test", 3},
		{"two busy", "busy busy ok", "mx1.d.test", 3},
		{"none", "busy refuses busy", "mx2.d.test", 4},
	} {
		rec := &smtptest.Recorder{}
		n := &network{hosts: map[string]string{"192.0.2.9": server(t, rec)}}
		var zone strings.Builder
		zone.WriteString("d.test. IN MX 1 mx1.d.test.\nd.test. IN MX 2 mx2.d.test.\nmx2.d.test. IN A 192.0.2.9\n")
		for i, how := range strings.Fields(tt.hosts) {
			zone.WriteString(fmt.Sprintf("mx1.d.test. IN A 192.0.2.%d\n", i))
			switch how {
			case "ok":
				n.hosts[fmt.Sprintf("192.0.2.%d", i)] = server(t, rec)
			case "busy":
				n.hosts[fmt.Sprintf("192.0.2.%d", i)] = busy(t)
			}
		}
		r := router(t, zone.String(), n)
		res, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text))
		if err != nil || res[0].RemoteMTA != tt.want || len(n.dialed()) < tt.hits || len(rec.Messages()) != 1 {
			t.Errorf("%s: %v, %v, dialed %v", tt.name, res, err, n.dialed())
		}
		seen := make(map[string]bool)
		for i, a := range n.dialed() {
			if seen[a] && n.hosts[a] != "" { // one that refuses may be tried again
				t.Errorf("%s: dial %d: %s again", tt.name, i, a)
			}
			seen[a] = true
		}
	}
}

// TestAllHostsFail: what may change is what is told.
func TestAllHostsFail(t *testing.T) {
	n := &network{hosts: map[string]string{}}
	r := router(t, "d.test. IN MX 1 none.d.test.\nd.test. IN MX 2 mx.d.test.\nd.test. IN MX 3 none2.d.test.\nmx.d.test. IN A 192.0.2.1", n)
	_, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text))
	if e, ok := errors.AsType[*smtpclient.Error](err); !ok || e.Op != "connect" || e.Host != "mx.d.test" || short(smtp.ReplyOf(err)) != "451 4.4.1" {
		t.Fatal(err)
	}
}

func TestSeveralDomains(t *testing.T) {
	rec := &smtptest.Recorder{OnRcpt: func(to smtp.Path, _ smtp.RcptParams) error {
		if to.Local == "nobody" {
			return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
		}
		return nil
	}}
	addr := server(t, rec)
	n := &network{hosts: map[string]string{"192.0.2.1": addr}}
	zone := "a.test. IN A 192.0.2.1\nb.test. IN A 192.0.2.1"
	to := []string{"x@a.test", "x@b.test", "nobody@A.test", "x@none.test", "y@a.test", "z@[192.0.2.7]"}
	res, err := router(t, zone, n).Deliver(t.Context(), envelope(t, to...), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"250 2.0.0 a.test", "250 2.0.0 b.test", "550 5.1.1 a.test", "550 5.1.2 ", "250 2.0.0 a.test", "451 4.4.1 "} {
		if got := short(res[i].Reply) + " " + res[i].RemoteMTA; got != want {
			t.Errorf("%s: %s, want %s", to[i], got, want)
		}
	}
	if ms := rec.Messages(); len(ms) != 2 || len(ms[0].Recipients) != 2 || string(ms[0].Body) != text || string(ms[1].Body) != text {
		t.Errorf("taken %+v", ms)
	}
	// One at a time: one domain a transaction.
	res, err = smtp.Deliver(t.Context(), struct{ smtp.Handler }{router(t, zone, n)}, envelope(t, to...), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"250 2.0.0", "452 4.5.3", "550 5.1.1", "452 4.5.3", "250 2.0.0", "452 4.5.3"} {
		if got := short(res[i].Reply); got != want {
			t.Errorf("one at a time, %s: %s, want %s", to[i], got, want)
		}
	}
	big := router(t, zone, n)
	big.MaxSize = 10
	if _, err := big.Deliver(t.Context(), envelope(t, to...), strings.NewReader(text)); err == nil || short(smtp.ReplyOf(err)) != "552 5.3.4" {
		t.Error(err)
	}
	body := errors.New("disk")
	if _, err := big.Deliver(t.Context(), envelope(t, to...), io.MultiReader(strings.NewReader("x"), errorReader{body})); !errors.Is(err, body) {
		t.Error(err)
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

func TestReuse(t *testing.T) {
	rec := &smtptest.Recorder{}
	n := &network{hosts: map[string]string{"192.0.2.1": server(t, rec)}}
	r := router(t, "a.test. IN MX 1 mx.test.\nb.test. IN MX 1 mx.test.\nmx.test. IN A 192.0.2.1", n)
	for range 3 {
		for _, to := range []string{"x@a.test", "x@b.test"} {
			if _, err := r.Deliver(t.Context(), envelope(t, to), strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(n.dialed()) != 1 || len(rec.Messages()) != 6 {
		t.Errorf("%d connections, %d messages", len(n.dialed()), len(rec.Messages()))
	}
}

// TestGreetedByOwnName: a host that says our own name is ourselves.
func TestGreetedByOwnName(t *testing.T) {
	rec := &smtptest.Recorder{}
	n := &network{hosts: map[string]string{"192.0.2.1": smtptest.NewServer(t, &smtpserver.Server{Handler: rec, Hostname: "Relay.Sender.test"}, false), "192.0.2.2": server(t, rec)}}
	r := router(t, "d.test. IN MX 1 one.d.test.\nd.test. IN MX 2 two.d.test.\none.d.test. IN A 192.0.2.1\ntwo.d.test. IN A 192.0.2.2", n)
	_, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text))
	if err == nil || short(smtp.ReplyOf(err)) != "554 5.4.6" || len(rec.Messages()) != 0 || len(n.dialed()) != 1 {
		t.Errorf("%v, dialed %v", err, n.dialed())
	}
	// Another's refusal of a connection is obeyed too.
	r.Client.Hostname = "else.test"
	r.Client.Opened = func(c *smtpclient.Conn) error { return smtp.NewError(451, smtp.EnhancedCode{4, 7, 1}, "Not "+c.Name()) }
	if _, err = r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text)); err == nil || smtp.ReplyOf(err).String() != "451 4.7.1 Not Relay.Sender.test" {
		t.Error(err)
	}
}

// TestGuard: without a Dial of its own a Router does not dial special addresses.
func TestGuard(t *testing.T) {
	rec := &smtptest.Recorder{}
	addr := netip.MustParseAddrPort(server(t, rec))
	r := router(t, "d.test. IN A 127.0.0.1", nil)
	r.Client.Dial, r.Port = nil, int(addr.Port())
	_, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text))
	if err == nil || short(smtp.ReplyOf(err)) != "451 4.4.4" {
		t.Fatal(err)
	}
	r.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if _, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	r.Allow, r.Port = nil, 25
	r.Redirect = func(hostport string) string {
		return map[string]string{"d.test:25": addr.String()}[hostport]
	}
	if _, err := r.Deliver(t.Context(), envelope(t, "b@d.test"), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if len(rec.Messages()) != 2 {
		t.Errorf("%d messages", len(rec.Messages()))
	}
}
