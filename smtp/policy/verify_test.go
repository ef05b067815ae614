package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// world is a zone of domains with different policies, and the keys of all.
type world struct {
	*dnstest.Zone
	keys map[string]dkim.Signer
}

const good, bad = "192.0.2.1", "198.51.100.1"

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{dnstest.New(), map[string]dkim.Signer{}}
	for domain, p := range map[string]string{"reject.example": "reject", "quarantine.example": "quarantine", "none.example": "none"} {
		w.AddTXT(domain, "v=spf1 ip4:"+good+" -all")
		w.AddTXT("_dmarc."+domain, "v=DMARC1; p="+p)
		w.sign(t, domain)
	}
	w.AddTXT("plain.example", "v=spf1 ip4:"+good+" -all")
	w.AddTXT("mx.helo.example", "v=spf1 ip4:"+good+" -all")
	w.AddTXT("_dmarc.helo.example", "v=DMARC1; p=reject")
	w.AddTXT("slowspf.example", "v=spf1 include:slow.example -all")
	w.AddTXT("_dmarc.slowspf.example", "v=DMARC1; p=reject")
	w.Fail("slow.example", dnstest.Timeout)
	w.Fail("_dmarc.slow.example", dnstest.Timeout)
	w.AddTXT("slowkey.example", "v=spf1 -all")
	w.AddTXT("_dmarc.slowkey.example", "v=DMARC1; p=quarantine")
	w.sign(t, "slowkey.example")
	w.Fail("s._domainkey.slowkey.example", dnstest.ServFail)
	return w
}

func (w world) sign(t *testing.T, domain string) {
	t.Helper()
	z := zone{}
	w.keys[domain] = z.keyFor(t, "s", domain)
	for name, txt := range z {
		w.AddTXT(name, txt)
	}
}

// signed signs a message.
func (w world) signed(t *testing.T, domain, message string) string {
	t.Helper()
	f, err := dkim.Sign(strings.NewReader(message), w.keys[domain])
	if err != nil {
		t.Fatal(err)
	}
	return string(f) + message
}

// deliver sends one message through a Verifier and returns the reply, with what arrived behind it.
func deliver(t *testing.T, v policy.Verifier, ip, from string, body io.Reader) (smtp.Reply, *recorder) {
	t.Helper()
	p, _, err := smtp.ParsePath(from)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	res, err := smtp.Deliver(t.Context(), v.Handler(r), smtp.Envelope{
		Peer: &smtp.Peer{Hello: "mx.helo.example", RemoteAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 40000))},
		From: p, Params: smtp.MailParams{Size: 100}, Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.org"}}}}, body)
	if err != nil || r.closed != 1 {
		t.Fatalf("%v, closed %d times", err, r.closed)
	}
	return res[0].Reply, r
}

func by(domain string) string { return strings.Replace(letter, "example.com", domain, 1) }

func TestVerify(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		ip, from, message string
		code              int
		want              string // spf dkim dmarc
		quarantine        bool
	}{
		"SPF":                    {good, "<a@reject.example>", by("reject.example"), 250, "pass none pass", false},
		"DKIM":                   {bad, "<list@plain.example>", w.signed(t, "reject.example", by("reject.example")), 250, "fail pass pass", false},
		"both":                   {good, "<a@reject.example>", w.signed(t, "reject.example", by("reject.example")), 250, "pass pass pass", false},
		"forged":                 {bad, "<a@reject.example>", by("reject.example"), 550, "fail none fail", false},
		"forged, SPF of another": {good, "<a@plain.example>", by("reject.example"), 550, "pass none fail", false},
		"DKIM of another":        {bad, "<a@plain.example>", w.signed(t, "none.example", by("reject.example")), 550, "fail pass fail", false},
		"changed":                {bad, "<a@plain.example>", w.signed(t, "reject.example", by("reject.example")) + "PS\r\n", 550, "fail fail fail", false},
		"subdomain":              {bad, "<a@plain.example>", by("news.reject.example"), 550, "fail none fail", false},
		"p=quarantine":           {bad, "<a@plain.example>", by("quarantine.example"), 250, "fail none fail", true},
		"p=none":                 {bad, "<a@plain.example>", by("none.example"), 250, "fail none fail", false},
		"no policy":              {bad, "<a@plain.example>", by("plain.example"), 250, "fail none none", false},
		"no author":              {good, "<a@plain.example>", "Subject: x\r\n\r\n", 250, "pass none none", false},
		"two From fields":        {good, "<a@reject.example>", "From: eve@plain.example\r\n" + by("reject.example"), 550, "pass none permerror", false},
		"two author domains":     {good, "<a@none.example>", "From: a@none.example, b@plain.example\r\n\r\n", 550, "pass none permerror", false},
		"null sender":            {good, "<>", by("plain.example"), 250, "pass none none", false},
		"HELO does not count":    {good, "<>", by("helo.example"), 550, "pass none fail", false},
		"DMARC does not answer":  {good, "<a@plain.example>", by("slow.example"), 451, "pass none temperror", false},
		"SPF does not answer":    {good, "<a@slowspf.example>", by("slowspf.example"), 451, "temperror none fail", false},
		"key does not answer":    {bad, "<a@slowkey.example>", w.signed(t, "slowkey.example", by("slowkey.example")), 451, "fail temperror fail", false},
		"SPF does not matter":    {good, "<a@slowspf.example>", by("none.example"), 250, "temperror none fail", false},
		"one key of two":         {bad, "<a@slowkey.example>", w.signed(t, "reject.example", w.signed(t, "slowkey.example", by("reject.example"))), 250, "fail pass pass", false},
	} {
		var rep *policy.Report
		v := policy.Verifier{ID: "mx.example.org", Resolver: w, Report: func(_ context.Context, r *policy.Report) { rep = r }, Limits: policy.Limits{Memory: 10, Dir: t.TempDir()}}
		reply, r := deliver(t, v, tt.ip, tt.from, iotest.HalfReader(strings.NewReader(tt.message)))
		d := "none"
		if len(rep.DKIM) > 0 {
			d = string(rep.DKIM[0].Value)
		}
		if steps := rep.Trace(); len(steps) < 3 || len(rep.Questions) == 0 || steps[len(steps)-1].Check != "dmarc" {
			t.Errorf("%s: trace %+v, questions %v", name, steps, rep.Questions)
		}
		if got := fmt.Sprint(rep.SPF.Result, " ", d, " ", rep.DMARC.Value); got != tt.want || reply.Code != tt.code || rep.Quarantine != tt.quarantine {
			t.Errorf("%s: %s, %s, %+v", name, got, reply, rep.DMARC)
			continue
		}
		if enhanced := map[int]smtp.EnhancedCode{250: {2, 0, 0}, 550: {5, 7, 1}, 451: {4, 7, 0}}[tt.code]; reply.Enhanced != enhanced {
			t.Errorf("%s: %s", name, reply)
		}
		if tt.code != 250 {
			if r.data != 0 {
				t.Errorf("%s: handed on though refused", name)
			}
			continue
		}
		top := string(rep.Field)
		if tt.quarantine {
			top += "Mailbricks-Decision: class=quarantine\r\n"
		}
		if r.message != top+tt.message {
			t.Errorf("%s: %q", name, r.message)
		}
		f, err := authres.Parse(strings.TrimPrefix(strings.TrimSuffix(top, "\r\n"), "Authentication-Results:"))
		if !tt.quarantine && (err != nil || f.ID != "mx.example.org" || f.Results[0].Method != "spf" || f.Results[1].Method != "dkim" || f.Results[len(f.Results)-1].Method != "dmarc") {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		if r.params.Size < 100+int64(len(r.message)-len(tt.message)) {
			t.Errorf("%s: SIZE=%d", name, r.params.Size)
		}
	}
}

func TestReportOnly(t *testing.T) {
	w := newWorld(t)
	for _, m := range []string{by("reject.example"), by("slow.example"), "From: eve@plain.example\r\n" + by("reject.example"), by("quarantine.example")} {
		reply, r := deliver(t, policy.Verifier{ID: "mx.example.org", Resolver: w, ReportOnly: true}, bad, "<a@plain.example>", strings.NewReader(m))
		if !reply.OK() || !strings.HasPrefix(r.message, "Authentication-Results: mx.example.org;\r\n") || !strings.HasSuffix(r.message, m) || strings.Contains(r.message, policy.DecisionField) {
			t.Errorf("%s: %q", reply, r.message)
		}
	}
}

// TestForged: what only this host may say does not come in.
func TestForged(t *testing.T) {
	w := newWorld(t)
	kept := "Received: x\r\nAuthentication-Results: other.example; spf=pass\r\nX-Mailbricks-Decision: no\r\n"
	forged := "Authentication-Results: MX.example.org; dmarc=pass header.from=reject.example\r\n" +
		"Authentication-Results: (x) mx2.example.org 1;\r\n\tdmarc=pass\r\nMAILBRICKS-decision : class=trusted;\r\n channel=bob\r\n"
	v := policy.Verifier{ID: "mx.example.org", OtherIDs: []string{"mx2.example.org"}, Resolver: w}
	reply, r := deliver(t, v, good, "<a@plain.example>", strings.NewReader(forged+kept+by("plain.example")))
	field, rest, _ := strings.Cut(r.message, "Received:")
	if !reply.OK() || "Received:"+rest != kept+by("plain.example") || strings.Count(field, "dmarc=") != 1 || !strings.Contains(field, "dmarc=none") {
		t.Errorf("%s: %q", reply, r.message)
	}
	// A signature over what is taken away was checked before.
	msg := "Authentication-Results: mx.example.org; spf=pass\r\n" + by("reject.example")
	key := w.keys["reject.example"]
	key.Headers = []string{"From", "Authentication-Results"}
	f, err := dkim.Sign(strings.NewReader(msg), key)
	if err != nil {
		t.Fatal(err)
	}
	if reply, r := deliver(t, v, bad, "<a@plain.example>", strings.NewReader(string(f)+msg)); !reply.OK() || strings.Count(r.message, "Authentication-Results:") != 1 {
		t.Errorf("%s: %q", reply, r.message)
	}
}

// TestManySignatures: those that were not looked at do not fill the header.
func TestManySignatures(t *testing.T) {
	w := newWorld(t)
	signed := w.signed(t, "reject.example", by("reject.example"))
	one := signed[:strings.Index(signed, "From:")]
	reply, r := deliver(t, policy.Verifier{ID: "mx.example.org", Resolver: w}, bad, "<a@plain.example>", strings.NewReader(strings.Repeat(one, 300)+signed))
	if n := strings.Count(r.message, " dkim="); !reply.OK() || n != 9 {
		t.Errorf("%s: %d results", reply, n)
	}
}

// TestVerifyRefuses: what cannot be read is not handed on.
func TestVerifyRefuses(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		body   io.Reader
		limits policy.Limits
		code   int
	}{
		"body breaks":    {io.MultiReader(strings.NewReader(by("plain.example")), iotest.ErrReader(broken)), policy.Limits{}, 451},
		"header breaks":  {iotest.ErrReader(broken), policy.Limits{}, 451},
		"too big":        {strings.NewReader(by("plain.example")), policy.Limits{Message: 80}, 552},
		"header too big": {strings.NewReader(by("plain.example")), policy.Limits{Header: 10}, 552},
	} {
		reply, r := deliver(t, policy.Verifier{ID: "mx.example.org", Resolver: w, Limits: tt.limits}, good, "<a@plain.example>", tt.body)
		if reply.Code != tt.code || r.data != 0 {
			t.Errorf("%s: %s, Data called %d times", name, reply, r.data)
		}
	}
	for name, v := range map[string]policy.Verifier{"no ID": {Resolver: w}, "no Resolver": {ID: "mx.example.org"}} {
		if _, err := v.Handler(&recorder{}).Mail(t.Context(), &smtp.Peer{}, smtp.Path{}, smtp.MailParams{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := (policy.Verifier{ID: "x", Resolver: w}).Handler(refusing{}).Mail(t.Context(), &smtp.Peer{}, smtp.Path{}, smtp.MailParams{}); smtp.ReplyOf(err).Code != 550 {
		t.Error(err)
	}
}

// silent never answers.
type silent struct{ *dnstest.Zone }

func (silent) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: "no answer", IsTimeout: true}
}

// TestSilence: DNS that never answers holds a message for the timeouts, and an abandoned transaction not at all.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := policy.Verifier{ID: "mx.example.org", Resolver: silent{dnstest.New()}}.Handler(&recorder{})
		peer := &smtp.Peer{Hello: "x.example", RemoteAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}}
		tx, err := h.Mail(t.Context(), peer, smtp.Path{Local: "a", Domain: "example.com"}, smtp.MailParams{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Close(); err != nil { // synctest finds a goroutine that is left
			t.Error(err)
		}
		tx, err = h.Mail(t.Context(), peer, smtp.Path{Local: "a", Domain: "example.com"}, smtp.MailParams{})
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		if err := tx.Rcpt(t.Context(), smtp.Path{Local: "b", Domain: "example.org"}, smtp.RcptParams{}); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Data(t.Context(), strings.NewReader(letter)); smtp.ReplyOf(err).Code != 451 {
			t.Error(err)
		}
	})
}

// A border host verifies what comes in and shows each verdict.
func ExampleVerifier() {
	zone := dnstest.New()
	zone.AddTXT("example.com", "v=spf1 ip4:192.0.2.1 -all")
	zone.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject")
	v := policy.Verifier{ID: "mx.example.org", Resolver: zone, Report: func(_ context.Context, r *policy.Report) {
		fmt.Println(r.Peer.IP(), "SPF", r.SPF.Result, "DMARC", r.DMARC.Value)
	}}
	h := v.Handler(&recorder{})
	for _, ip := range []string{"192.0.2.1", "198.51.100.1"} {
		res, err := smtp.Deliver(context.Background(), h, smtp.Envelope{
			Peer:       &smtp.Peer{Hello: "mx.example.com", RemoteAddr: &net.TCPAddr{IP: net.ParseIP(ip)}},
			From:       smtp.Path{Local: "ann", Domain: "example.com"},
			Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.org"}}},
		}, strings.NewReader(letter))
		fmt.Println(res[0].Reply, err)
	}
	// Output:
	// 192.0.2.1 SPF pass DMARC pass
	// 250 2.0.0 taken <nil>
	// 198.51.100.1 SPF fail DMARC fail
	// 550 5.7.1 Rejected by the DMARC policy of example.com <nil>
}
