package mailrelay_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func refusal(code int, e smtp.EnhancedCode) error { return smtp.NewError(code, e, "no") }

// TestMX: who gets in from outside, and what the sender is told.
func TestMX(t *testing.T) {
	alice := "alice@a.example"
	for name, tt := range map[string]struct {
		to     []string
		change func(*hop)
		said   string // begins with
		now    string // recipients that the store has when the reply is there
		later  string // and those that it gets from the queue
	}{
		"one":               {to: []string{"bob@b.example"}, said: "DATA 250 2.1.5 Delivered", now: "bob@b.example"},
		"case":              {to: []string{"bob@B.Example"}, said: "DATA 250 2.1.5", now: "bob@B.Example"},
		"U-label":           {to: []string{"bob@xn--bcher-kva.example"}, said: "DATA 250 2.1.5", now: "bob@xn--bcher-kva.example"},
		"postmaster":        {to: []string{"Postmaster"}, said: "DATA 250 2.1.5", now: "Postmaster"},
		"another domain":    {to: []string{"eve@c.example"}, said: "RCPT 550 5.7.1 Relaying denied"},
		"domain below":      {to: []string{"eve@sub.b.example"}, said: "RCPT 550 5.7.1"},
		"percent":           {to: []string{"eve%c.example@d.example"}, said: "RCPT 550 5.7.1"},
		"literal":           {to: []string{"bob@[127.0.0.1]"}, said: "RCPT 550 5.7.1"},
		"one here, one not": {to: []string{"eve@c.example", "bob@b.example"}, said: "RCPT 550 5.7.1 Relaying denied; DATA 250 2.1.5", now: "bob@b.example"},
		"unknown": {to: []string{"nobody@b.example"}, change: func(h *hop) {
			h.atRcpt = map[string]error{"nobody@b.example": refusal(550, smtp.EnhancedCode{5, 1, 1})}
		},
			said: "RCPT 550 5.1.1 no"},
		"unknown among others": {to: []string{"nobody@b.example", "bob@b.example"}, change: func(h *hop) {
			h.atRcpt = map[string]error{"nobody@b.example": refusal(550, smtp.EnhancedCode{5, 1, 1})}
		},
			said: "RCPT 550 5.1.1 no; DATA 250 2.1.5", now: "bob@b.example"},
		"refused at the end": {to: []string{"bob@b.example"}, change: func(h *hop) {
			h.results = map[string]smtp.Reply{"bob@b.example": smtp.NewReply(552, smtp.EnhancedCode{5, 2, 2}, "full")}
		}, said: "DATA 552 5.2.2 full"},
		"two":              {to: []string{"bob@b.example", "carol@b.example"}, said: "DATA 250 2.0.0 Queued", later: "bob@b.example carol@b.example"},
		"two domains":      {to: []string{"bob@b.example", "carol@xn--bcher-kva.example"}, said: "DATA 250 2.0.0 Queued", later: "bob@b.example carol@xn--bcher-kva.example"},
		"refused for good": {to: []string{"bob@b.example"}, change: func(h *hop) { h.atMail = refusal(552, smtp.EnhancedCode{5, 3, 4}) }, said: "RCPT 552 5.3.4"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			if tt.change != nil {
				r.store.set(func() { tt.change(r.store) })
			}
			text := letter(alice, tt.to[0])
			said := send(t, r.MX(), stranger("192.0.2.1"), alice, smtp.RcptParams{}, text, tt.to...)
			if !strings.HasPrefix(said, tt.said) || tt.said == "" {
				t.Errorf("said %q, want %q", said, tt.said)
			}
			if tt.now != "" {
				if all := r.store.all(); len(all) != 1 || strings.Join(all[0].to, " ") != tt.now || !strings.HasSuffix(all[0].body, text) ||
					!strings.HasPrefix(all[0].body, "Authentication-Results: mx.b.example") {
					t.Errorf("the store has %+v", all)
				}
			}
			if tt.later != "" {
				var to []string
				for len(to) < len(strings.Fields(tt.later)) {
					got := <-r.store.got
					to = append(to, got.to...)
					if !strings.HasSuffix(got.body, text) {
						t.Errorf("the store has %q", got.body)
					}
				}
				if len(to) != len(strings.Fields(tt.later)) {
					t.Errorf("the store has it for %q", to)
				}
			}
			if tt.now == "" && tt.later == "" && (len(r.store.all()) > 0 || r.spool.Len() > 0) {
				t.Errorf("the store has %+v", r.store.all())
			}
			if len(r.world.all()) > 0 {
				t.Errorf("relayed: %+v", r.world.all())
			}
		})
	}
}

// TestMixed: recipients whose results differ are all told of: those that the store refuses by a notification.
func TestMixed(t *testing.T) {
	r := newRig(t, nil)
	r.store.results = map[string]smtp.Reply{"carol@b.example": smtp.NewReply(552, smtp.EnhancedCode{5, 2, 2}, "Mailbox full")}
	said := send(t, r.MX(), stranger("192.0.2.1"), "alice@a.example", smtp.RcptParams{}, letter("alice@a.example", "bob@b.example"), "bob@b.example", "carol@b.example")
	if !strings.HasPrefix(said, "DATA 250 2.0.0") {
		t.Fatal(said)
	}
	if got := <-r.store.got; strings.Join(got.to, " ") != "bob@b.example" {
		t.Errorf("delivered to %q", got.to)
	}
	dsn := <-r.world.got
	if dsn.from != "" || strings.Join(dsn.to, " ") != "alice@a.example" || !strings.Contains(dsn.body, "carol@b.example") ||
		!strings.Contains(dsn.body, "552 5.2.2 Mailbox full") || strings.Contains(dsn.body, "Final-Recipient: rfc822; bob@b.example") {
		t.Errorf("notification %+v", dsn)
	}
	// It is signed, so that DMARC passes at the receiver, whom an empty reverse-path tells nothing.
	res, err := dkim.Verifier{Resolver: r.zone}.Verify(t.Context(), strings.NewReader(dsn.body))
	if err != nil || len(res) != 1 || res[0].Value != dkim.Pass {
		t.Errorf("signatures of the notification: %+v, %v", res, err)
	}
}

// TestStoreAway: mail that comes while the store is out of reach waits in the queue.
func TestStoreAway(t *testing.T) {
	for name, at := range map[string]func(*hop, bool){
		"at MAIL": func(h *hop, away bool) {
			h.atMail = nil
			if away {
				h.atMail = errors.New("connection refused")
			}
		},
		"at RCPT": func(h *hop, away bool) {
			h.atRcpt = nil
			if away {
				h.atRcpt = map[string]error{"bob@b.example": refusal(451, smtp.EnhancedCode{4, 3, 0})}
			}
		},
	} {
		r := newRig(t, func(c *mailrelay.Config) { c.Retry = []time.Duration{time.Hour} })
		r.store.set(func() { at(r.store, true) })
		if said := send(t, r.MX(), stranger("192.0.2.1"), "alice@a.example", smtp.RcptParams{}, letter("alice@a.example", "bob@b.example"), "bob@b.example"); !strings.HasPrefix(said, "DATA 250 2.0.0 Queued") {
			t.Errorf("%s: %s", name, said)
		}
		r.store.set(func() { at(r.store, false) })
		for len(r.store.all()) == 0 {
			if _, err := r.Queue().Retry(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-r.store.got:
			case <-time.After(time.Millisecond):
			}
		}
	}
}

// TestSuccessWanted: the queue tells of success where the store would not.
func TestSuccessWanted(t *testing.T) {
	r := newRig(t, nil)
	said := send(t, r.MX(), stranger("192.0.2.1"), "alice@a.example", smtp.RcptParams{Notify: smtp.NotifySuccess}, letter("alice@a.example", "bob@b.example"), "bob@b.example")
	if !strings.HasPrefix(said, "DATA 250 2.0.0 Queued") {
		t.Fatal(said)
	}
	<-r.store.got
	if dsn := <-r.world.got; !strings.Contains(dsn.body, "Action: relayed") {
		t.Errorf("%q", dsn.body)
	}
}

// TestPolicies: Verify obeys DMARC, Open only tells.
func TestPolicies(t *testing.T) {
	for _, tt := range []struct {
		policy mailrelay.Policy
		ip     string
		said   string
		dmarc  string
	}{
		{mailrelay.Verify, "192.0.2.1", "DATA 250 2.1.5", "dmarc=pass"},
		{mailrelay.Verify, "198.51.100.1", "DATA 550 5.7.1", ""},
		{mailrelay.Open, "198.51.100.1", "DATA 250 2.1.5", "dmarc=fail"},
	} {
		r := newRig(t, func(c *mailrelay.Config) { c.Policy = tt.policy })
		said := send(t, r.MX(), stranger(tt.ip), "alice@a.example", smtp.RcptParams{}, letter("alice@a.example", "bob@b.example"), "bob@b.example")
		if !strings.HasPrefix(said, tt.said) {
			t.Errorf("%v: %s", tt, said)
		}
		all := r.store.all()
		if tt.dmarc == "" && len(all) != 0 || tt.dmarc != "" && (len(all) != 1 || !strings.Contains(all[0].body, tt.dmarc)) {
			t.Errorf("%v: %+v", tt, all)
		}
	}
}

// TestSubmission: users' mail is signed and queued, for here and elsewhere; nobody else's is taken.
func TestSubmission(t *testing.T) {
	r := newRig(t, nil)
	text := letter("carol@b.example", "alice@a.example")
	if said := send(t, r.Submission(), stranger("192.0.2.1"), "carol@b.example", smtp.RcptParams{}, text, "alice@a.example"); said != "MAIL 530 5.7.0 Authentication required" {
		t.Error(said)
	}
	said := send(t, r.Submission(), user("carol"), "carol@b.example", smtp.RcptParams{}, text, "alice@a.example", "bob@b.example", "dave@a.example")
	if !strings.HasPrefix(said, "DATA 250 2.0.0 Queued") {
		t.Fatal(said)
	}
	here, there := <-r.store.got, <-r.world.got
	if strings.Join(here.to, " ") != "bob@b.example" || strings.Join(there.to, " ") != "alice@a.example dave@a.example" || there.from != "carol@b.example" {
		t.Errorf("%q and %q", here.to, there.to)
	}
	for _, got := range []taken{here, there} {
		res, err := dkim.Verifier{Resolver: r.zone}.Verify(t.Context(), strings.NewReader(got.body))
		if err != nil || len(res) != 1 || res[0].Value != dkim.Pass || !strings.HasSuffix(got.body, text) {
			t.Errorf("%+v, %v: %q", res, err, got.body)
		}
	}
}

// TestForgery: a user cannot pretend that this host has verified a message.
func TestForgery(t *testing.T) {
	r := newRig(t, nil)
	keep := letter("carol@b.example", "bob@b.example")
	for name, text := range map[string]string{
		"forged": "Authentication-Results: MX.b.example;\r\n dkim=pass header.d=bank.example\r\nMailbricks-Decision: class=trusted\r\n\tx=y\r\n" +
			"MAILBRICKS-decision : class=trusted\r\n" + keep,
		"clean": keep,
		"other": "Authentication-Results: mx.other.example; dkim=pass\r\n" + keep,
	} {
		if said := send(t, r.Submission(), user("carol"), "carol@b.example", smtp.RcptParams{}, text, "bob@b.example"); !strings.HasPrefix(said, "DATA 250") {
			t.Fatal(said)
		}
		got := <-r.store.got
		if strings.Contains(got.body, "bank.example") || strings.Contains(strings.ToLower(got.body), "decision") || strings.Contains(got.body, "x=y") ||
			strings.Contains(got.body, "mx.other.example") != (name == "other") || !strings.HasSuffix(got.body, keep) {
			t.Errorf("%s: %q", name, got.body)
		}
	}
	long := "X: " + strings.Repeat("x", 2<<20) + "\r\n" + keep
	if said := send(t, r.Submission(), user("carol"), "carol@b.example", smtp.RcptParams{}, long, "bob@b.example"); !strings.HasPrefix(said, "DATA 552 5.3.4") {
		t.Error(said)
	}
}

// TestHandlers: MX and Submission keep the rules of smtp.Transaction.
func TestHandlers(t *testing.T) {
	to := []smtp.Path{{Local: "bob", Domain: "b.example"}, {Local: "carol", Domain: "b.example"}}
	t.Run("MX, one recipient", func(t *testing.T) {
		smtptest.TestHandler(t, smtptest.HandlerTest{
			New: func(t *testing.T) smtp.Handler {
				r := newRig(t, func(c *mailrelay.Config) { c.Policy = mailrelay.Open })
				r.store.got = nil
				return withRig{r.MX(), r}
			},
			From:    smtp.Path{Local: "alice", Domain: "a.example"},
			To:      to[:1],
			Refused: smtp.Path{Local: "eve", Domain: "c.example"},
			Taken: func(_ *testing.T, h smtp.Handler) (out [][]byte) {
				r := h.(withRig).r
				for r.spool.Len() > 0 { // the same recipient twice goes through the queue
					runtime.Gosched()
				}
				for _, m := range r.store.all() {
					out = append(out, []byte(m.body))
				}
				return out
			},
		})
	})
	t.Run("MX", func(t *testing.T) {
		smtptest.TestHandler(t, smtptest.HandlerTest{
			New: func(t *testing.T) smtp.Handler {
				return newRig(t, func(c *mailrelay.Config) { c.Policy = mailrelay.Open }).MX()
			},
			From:    smtp.Path{Local: "alice", Domain: "a.example"},
			To:      to,
			Refused: smtp.Path{Local: "eve", Domain: "c.example"},
		})
	})
	t.Run("Submission", func(t *testing.T) {
		smtptest.TestHandler(t, smtptest.HandlerTest{
			New: func(t *testing.T) smtp.Handler {
				next := newRig(t, nil).Submission()
				return loggedIn{next}
			},
			From: smtp.Path{Local: "carol", Domain: "b.example"},
			To:   to,
		})
	})
}

// withRig is a Handler with what it belongs to.
type withRig struct {
	smtp.Handler
	r *rig
}

// loggedIn makes every peer a user.
type loggedIn struct{ next smtp.Handler }

func (h loggedIn) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	who := *peer
	who.Identity = "carol"
	return h.next.Mail(ctx, &who, from, p)
}

// TestEvents: each step of a letter is told.
func TestEvents(t *testing.T) {
	r := newRig(t, nil)
	text := letter("alice@a.example", "bob@b.example")
	r.store.atRcpt = map[string]error{"nobody@b.example": refusal(550, smtp.EnhancedCode{5, 1, 1})}
	send(t, r.MX(), stranger("192.0.2.1"), "alice@a.example", smtp.RcptParams{}, text, "nobody@b.example", "bob@b.example")
	mx, deliver := r.seen(mailrelay.MX), r.seen(mailrelay.Deliver)
	if len(mx) != 1 || len(deliver) != 1 {
		t.Fatalf("%d events at MX, %d at the store", len(mx), len(deliver))
	}
	for _, ev := range append(mx, deliver...) {
		if ev.MessageID != "<1@a.example>" || ev.Err != nil || len(ev.Results) != 2 || ev.Results[0].Reply.Code != 550 || ev.Results[1].Reply.Code != 250 ||
			ev.Envelope.Recipients[1].To.Address() != "bob@b.example" || ev.Envelope.Peer.IP().String() != "192.0.2.1" || ev.Size < int64(len(text)) {
			t.Errorf("%+v", ev)
		}
	}
	send(t, r.MX(), stranger("192.0.2.1"), "alice@a.example", smtp.RcptParams{}, text, "eve@c.example")
	if mx := r.seen(mailrelay.MX); len(mx) != 2 || mx[1].Err == nil || mx[1].Results[0].Reply.Code != 550 {
		t.Errorf("%+v", mx)
	}
}

// TestNew: what is missing is said.
func TestNew(t *testing.T) {
	for _, c := range []mailrelay.Config{{}, {Hostname: "a"}, {Hostname: "a", Spool: newRig(t, nil).spool},
		{Hostname: "a", Spool: newRig(t, nil).spool, Next: &hop{}, Local: []string{"b.example"}},
		{Hostname: "a", Spool: newRig(t, nil).spool, Next: &hop{}, Local: []string{"b.example"}, Deliver: &hop{}},
		{Hostname: "a", Spool: newRig(t, nil).spool, Next: &hop{}, Policy: 7}} {
		if _, err := mailrelay.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// TestAdmin drives the administration over HTTP.
func TestAdmin(t *testing.T) {
	r := newRig(t, func(c *mailrelay.Config) { c.Retry = []time.Duration{time.Hour} })
	r.world.set(func() { r.world.atRcpt = map[string]error{"alice@a.example": refusal(451, smtp.EnhancedCode{4, 7, 1})} })
	send(t, r.Submission(), user("carol"), "carol@b.example", smtp.RcptParams{}, letter("carol@b.example", "alice@a.example"), "alice@a.example")
	ask := func(h http.Handler, method, url, token string) (int, string) {
		req := httptest.NewRequest(method, url, nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		b, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(b)
	}
	open, closed := r.Admin(""), r.Admin("s3cret")
	const here = "http://127.0.0.1:9999"
	var status int
	var said string
	for !strings.Contains(said, "451 4.7.1 no") { // until the first attempt is over
		if status, said = ask(open, "GET", here+"/queue", ""); status != 200 {
			t.Fatal(status, said)
		}
	}
	for _, want := range []string{`"from":"carol@b.example"`, `"to":"alice@a.example"`, `"state":"waiting"`, `"attempts":1`} {
		if !strings.Contains(said, want) {
			t.Errorf("no %s in %s", want, said)
		}
	}
	if status, said := ask(open, "GET", here+"/metrics", ""); status != 200 || !strings.Contains(said, "\nmailbricks_queue_messages 1\n") ||
		!strings.Contains(said, "\nmailbricks_relay_transactions_total{stage=\"submission\",result=\"ok\"} 1\n") ||
		!strings.Contains(said, "\nmailbricks_queue_deferred_recipients_total 1\n") {
		t.Error(status, said)
	}
	for _, tt := range []struct {
		h           http.Handler
		method, url string
		token       string
		status      int
	}{
		{closed, "GET", here + "/queue", "", 401},
		{closed, "GET", here + "/queue", "s3cre", 401},
		{closed, "GET", "http://relay.example/queue", "s3cret", 200},
		{open, "GET", "http://evil.example/queue", "", 403},
		{open, "GET", "http://localhost/queue", "", 200},
		{open, "GET", "http://[::1]:80/queue", "", 200},
		{open, "GET", here + "/queue/retry", "", 405},
		{open, "GET", here + "/", "", 404},
	} {
		if status, said := ask(tt.h, tt.method, tt.url, tt.token); status != tt.status {
			t.Errorf("%s %s: %d %s", tt.method, tt.url, status, said)
		}
	}
	cross := httptest.NewRequest("POST", here+"/queue/retry", nil)
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	if open.ServeHTTP(w, cross); w.Code != 403 {
		t.Errorf("another site's page: %d", w.Code)
	}
	r.world.set(func() { r.world.atRcpt = nil })
	if status, said := ask(open, "POST", here+"/queue/retry?id=none", ""); status != 200 || said != "{\"retried\":0}\n" {
		t.Error(status, said)
	}
	if status, said := ask(open, "POST", here+"/queue/retry", ""); status != 200 || said != "{\"retried\":1}\n" {
		t.Error(status, said)
	}
	<-r.world.got
}
