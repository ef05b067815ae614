package policy_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

// TestClasses: recipients that are decided on differently do not share a transaction.
func TestClasses(t *testing.T) {
	const alone = "452 4.5.3 Decided on by itself, send it in a transaction of its own"
	r := newRig(t)
	token := func(to, scope string) string { s, _ := r.token(capability.Limits{Scope: scope}, to); return s }
	for _, who := range []string{bob, carol} {
		if err := r.known.SetRelation(t.Context(), who, "ann@a.example", policy.Relation{State: policy.Known}); err != nil {
			t.Fatal(err)
		}
	}
	const dave, erin, postmaster = "dave@example.org", "erin@example.org", "postmaster@example.org"
	for name, tt := range map[string]struct {
		from string
		to   []smtp.Recipient
		want string
	}{
		"those who know the sender":      {"ann@a.example", []smtp.Recipient{rcpt(bob, "", ""), rcpt(carol, "", "")}, taken + "|" + taken},
		"one who does, one who does not": {"ann@a.example", []smtp.Recipient{rcpt(bob, "", ""), rcpt(dave, "", "")}, taken + "|" + alone},
		"the other way round":            {"ann@a.example", []smtp.Recipient{rcpt(dave, "", r.stamp(price, dave)), rcpt(bob, "", "")}, taken + "|" + alone},
		"two strangers":                  {"ann@a.example", []smtp.Recipient{rcpt(dave, "", r.stamp(price, dave)), rcpt(erin, "", r.stamp(price, erin))}, taken + "|" + alone},
		"capabilities of one scope":      {"x@esp.example", []smtp.Recipient{rcpt(dave, token(dave, "a.example"), ""), rcpt(erin, token(erin, "a.example"), "")}, taken + "|" + taken},
		"capabilities of two scopes":     {"x@esp.example", []smtp.Recipient{rcpt(dave, token(dave, "a.example"), ""), rcpt(erin, token(erin, "ann@a.example"), "")}, taken + "|" + alone},
		"capability and acquaintance":    {"ann@a.example", []smtp.Recipient{rcpt(dave, token(dave, "a.example"), ""), rcpt(bob, "", "")}, taken + "|" + alone},
		"capability and stranger":        {"x@esp.example", []smtp.Recipient{rcpt(dave, token(dave, "a.example"), ""), rcpt(erin, "", "")}, taken + "|" + alone},
		"postmaster and stranger":        {"x@esp.example", []smtp.Recipient{rcpt(postmaster, "", ""), rcpt(erin, "", "")}, taken + "|" + alone},
	} {
		before := r.count()
		if got := strings.Join(r.send(tt.from, strings.NewReader(fromAuthor("ann@a.example")), tt.to...), "|"); got != tt.want || r.count() != before+1 {
			t.Errorf("%s: %s", name, got)
		}
	}
	// Several whose capability does not let the author in are refused together, and the price names none of them.
	got := r.send("x@esp.example", strings.NewReader(fromAuthor("eve@evil.example")), rcpt(dave, token(dave, "a.example"), ""), rcpt(erin, token(erin, "a.example"), ""))
	if want := strings.TrimSuffix(asks, "; resource="+bob); got[0] != want || got[1] != want {
		t.Errorf("%q", got)
	}
	// An author who is not the sender that several recipients know is a stranger to all of them.
	if got := r.send("ann@a.example", strings.NewReader(fromAuthor("eve@evil.example")), rcpt(bob, "", ""), rcpt(carol, "", "")); !strings.HasPrefix(got[0], "550 5.7.1") || got[0] != got[1] {
		t.Errorf("%q", got)
	}
}

// TestAcquaintances: who was written to may answer, if it is really they.
func TestAcquaintances(t *testing.T) {
	r := newRig(t)
	set := func(who string, s policy.State) {
		if err := r.known.SetRelation(t.Context(), bob, who, policy.Relation{State: s}); err != nil {
			t.Fatal(err)
		}
	}
	set("Ann@a.example", policy.Known)
	set("eve@a.example", policy.Blocked)
	const blocked = "550 5.7.1 Unknown sender, capability not established"
	for name, tt := range map[string]struct{ from, message, want, decision string }{
		"known":                              {"ann@a.example", fromAuthor("ann@a.example"), taken, "class=trusted\r\n"},
		"known, other reverse path":          {"bounce@esp.example", fromAuthor("ANN@a.example"), taken, "class=trusted\r\n"},
		"another author":                     {"ann@a.example", fromAuthor("dan@a.example"), asks, ""},
		"not authenticated":                  {"ann@a.example", "From: ann@a.example\r\n\r\n", "550 5.7.20 No passing DKIM signature found", ""},
		"blocked":                            {"eve@a.example", fromAuthor("eve@a.example"), blocked, ""},
		"blocked, other reverse path":        {"x@esp.example", fromAuthor("eve@a.example"), blocked, ""},
		"notification of the domain":         {"", fromAuthor("mailer-daemon@a.example"), taken, "class=open\r\n"},
		"notification of another":            {"", fromAuthor("mailer-daemon@b.example"), asks, ""},
		"author that cannot be told":         {"ann@a.example", fromAuthor("ann@a.example>"), "550 5.7.22 No valid author-matched DKIM signature found", ""},
		"a decision that was brought":        {"ann@a.example", fromAuthor("ann@a.example", "mailbricks-DECISION: class=trusted; channel=x\r\n"), taken, "class=trusted\r\nAuth"},
		"a decision of the Verifier":         {"ann@a.example", "Mailbricks-Decision: class=quarantine\r\n" + fromAuthor("ann@a.example"), taken, "class=quarantine\r\nAuth"},
		"an offer is not for the store":      {"ann@a.example", fromAuthor("ann@a.example", "Delivery-Capability-Offer: x\r\n"), taken, "class=trusted\r\nAuth"},
		"without a policy, signed":           {"x@esp.example", strings.Replace(fromAuthor("ann@a.example"), "dmarc=pass", "dmarc=none", 1), taken, "class=trusted\r\n"},
		"without a policy, signed by others": {"x@esp.example", strings.ReplaceAll(strings.Replace(fromAuthor("ann@a.example"), "dmarc=pass", "dmarc=none", 1), "=a.example;", "=b.example;"), "550 5.7.22 No valid author-matched DKIM signature found", ""},
		"signed, and DMARC fails":            {"x@esp.example", strings.Replace(fromAuthor("ann@a.example"), "dmarc=pass", "dmarc=fail", 1), "550 5.7.22 No valid author-matched DKIM signature found", ""},
	} {
		before := r.count()
		if got := r.send(tt.from, strings.NewReader(tt.message), rcpt(bob, "", ""))[0]; got != tt.want || (got == taken) != (r.count() > before) {
			t.Errorf("%s: %s", name, got)
		} else if m, _ := r.inbox.last(); got == taken && (!strings.HasPrefix(m, "Mailbricks-Decision: "+tt.decision) || strings.Count(m, "Decision") != 1) {
			t.Errorf("%s: %q", name, m)
		}
	}
	if reply := r.send("eve@a.example", strings.NewReader(""), rcpt("postmaster@example.org", "", ""))[0]; reply != taken {
		t.Errorf("postmaster: %s", reply)
	}
}

// TestEarly: with Early strangers are refused at RCPT, and the mail of users of this host is not looked at.
func TestEarly(t *testing.T) {
	r := newRig(t, func(g *policy.Gate) { g.Early = true })
	rcptOf := func(peer *smtp.Peer, from string, to smtp.Recipient) string {
		p, _, _ := smtp.ParsePath("<" + from + ">")
		tx, err := r.h.Mail(t.Context(), peer, p, smtp.MailParams{})
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		if err := tx.Rcpt(t.Context(), to.To, to.Params); err != nil {
			return smtp.ReplyOf(err).String()
		}
		return "250"
	}
	if err := r.known.SetRelation(t.Context(), bob, "ann@a.example", policy.Relation{State: policy.Known}); err != nil {
		t.Fatal(err)
	}
	token, _ := r.token(capability.Limits{Scope: "b.example"}, bob)
	for name, tt := range map[string]struct {
		peer smtp.Peer
		from string
		to   smtp.Recipient
		want string
	}{
		"stranger":       {smtp.Peer{}, "x@b.example", rcpt(bob, "", ""), asks},
		"with a stamp":   {smtp.Peer{}, "x@b.example", rcpt(bob, "", r.stamp(price, bob)), "250"},
		"with too small": {smtp.Peer{}, "x@b.example", rcpt(bob, "", r.stamp(price-1, bob)), asks},
		"with a token":   {smtp.Peer{}, "x@b.example", rcpt(bob, token, ""), "250"},
		"with junk":      {smtp.Peer{}, "x@b.example", rcpt(bob, "junk", ""), asks},
		"known":          {smtp.Peer{}, "ann@a.example", rcpt(bob, "", ""), "250"},
		"known, junk":    {smtp.Peer{}, "ann@a.example", rcpt(bob, "junk", ""), "250"},
		"notification":   {smtp.Peer{}, "", rcpt(bob, "", ""), "250"},
		"postmaster":     {smtp.Peer{}, "x@b.example", rcpt("postmaster@example.org", "", ""), "250"},
		"user":           {smtp.Peer{Identity: "carol"}, carol, rcpt(bob, "", ""), "250"},
		"bad parameter":  {smtp.Peer{}, "x@b.example", smtp.Recipient{To: rcpt(bob, "", "").To, Params: smtp.RcptParams{Other: []smtp.Param{{Keyword: "POSTAGE"}}}}, "501 5.5.4 Bad value of parameter POSTAGE"},
	} {
		if got := rcptOf(&tt.peer, tt.from, tt.to); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	// No reservation is left behind.
	if _, err := r.gate.Capabilities.Verify(t.Context(), must(capability.ParseToken(token)), capability.Request{Sender: "x@b.example", Domain: "b.example", Recipient: bob}); err != nil {
		t.Error(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestGateFaults: what the Handler behind does wrong is not taken for success.
func TestGateFaults(t *testing.T) {
	r := newRig(t)
	token, _ := r.token(capability.Limits{Uses: 1}, bob)
	for name, next := range map[string]smtp.Handler{"does not read": lazy{}, "too many results": lazy{read: true, results: 2}, "refuses the recipient": &recorder{refuse: rcpt(bob, "", "").To}} {
		r.h = r.gate.Handler(next)
		got := r.one(token, "", fromAuthor("ann@a.example"))
		if want := map[bool]string{true: "550 5.1.1 No such user", false: "451 4.3.0 Local error in processing"}[strings.HasPrefix(name, "refuses")]; got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	r.h = r.gate.Handler(r.inbox)
	if got := r.one(token, "", fromAuthor("ann@a.example")); got != taken {
		t.Errorf("the use is still there: %s", got)
	}
	if _, err := (policy.Gate{}).Handler(r.inbox).Mail(t.Context(), &smtp.Peer{}, smtp.Path{}, smtp.MailParams{}); err == nil {
		t.Error("no store of spent stamps: no error")
	}
}

// lazy accepts without reading.
type lazy struct {
	read    bool
	results int
}

func (l lazy) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return l, nil
}
func (lazy) Rcpt(context.Context, smtp.Path, smtp.RcptParams) error { return nil }
func (l lazy) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	if l.read {
		_, err := io.Copy(io.Discard, body)
		return smtp.SameResult(l.results, smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken")), err
	}
	return smtp.SameResult(1, smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "taken")), nil
}
func (lazy) Close() error { return nil }

// TestBodyUnchanged: below its trace fields a message goes through as it came.
func TestBodyUnchanged(t *testing.T) {
	r := newRig(t)
	spare := "X-Hashcash: " + r.stamp(price, carol) + "\r\n"
	for _, rest := range []string{"\r\nbody\r\n", "", "\r\n", "no field\r\n\r\nbody", "X: 1\r\n 2\r\n\r\n" + strings.Repeat("0123456789\r\n", 20_000)} {
		stamp := r.stamp(price, bob)
		message := "From: ann@a.example\r\n" + spare + rest
		if got := r.one("", "", authenticated("a.example", "X-Hashcash: "+stamp+"\r\n"+message)); got != taken {
			t.Errorf("%.20q: %s", rest, got)
		}
		m, _ := r.inbox.last()
		if _, below, _ := strings.Cut(m, "header.from=a.example\r\n"); below != message {
			t.Errorf("%.20q: %.200q", rest, below)
		}
	}
	for name, rules := range map[string]policy.Rules{"open": policy.Open(), "transitional": {Bits: price, AllowUnauthenticated: true}} {
		r := newRig(t, func(g *policy.Gate) { g.Rules = rules })
		got := r.one("", "", "Subject: x\r\n\r\n")
		if want := map[string]string{"open": taken, "transitional": strings.Replace(asks, "=10", "=18", 1)}[name]; got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	keywords := slices.Collect(func(yield func(string) bool) {
		for _, e := range r.gate.Extensions() {
			arg := ""
			if e.Argument != nil {
				arg, _ = e.Argument(&smtp.Peer{})
			}
			yield(strings.TrimSpace(e.Keyword + " " + arg))
		}
	})
	if got := strings.Join(keywords, ", "); got != "XCAP, XPOSTAGE HASHCASH=10" {
		t.Error(got)
	}
	if e := (policy.Gate{Rules: policy.Open()}).Extensions(); len(e) != 0 {
		t.Errorf("%+v", e)
	}
}

// TestOffers: a capability is taken from its issuer alone, authenticated, for the recipient it is meant for.
func TestOffers(t *testing.T) {
	r := newRig(t, func(g *policy.Gate) { g.Rules = policy.Open() })
	offer := func(issuer, scope string) string {
		tok := must(capability.Issue(capability.Grant{Issuer: issuer, Limits: capability.Limits{Scope: scope}}, r.key))
		return "Delivery-Capability-Offer: " + tok.String() + "\r\n"
	}
	for name, tt := range map[string]struct {
		message string
		want    bool
	}{
		"to him":            {fromAuthor("ann@a.example", offer("ann@a.example", bob)), true},
		"to his domain":     {fromAuthor("ann@a.example", offer("ann@a.example", "example.org")), true},
		"of her domain":     {fromAuthor("ann@a.example", offer("a.example", bob)), true},
		"to whoever has it": {fromAuthor("ann@a.example", offer("ann@a.example", "")), true},
		"the second":        {fromAuthor("ann@a.example", "Delivery-Capability-Offer: junk\r\n", offer("ann@a.example", bob)), true},
		"of another":        {fromAuthor("eve@evil.example", offer("ann@a.example", bob)), false},
		"to another":        {fromAuthor("ann@a.example", offer("ann@a.example", carol)), false},
		"not authenticated": {"From: ann@a.example\r\n" + offer("ann@a.example", bob) + "\r\n", false},
		"behind too many":   {fromAuthor("ann@a.example", strings.Repeat("Delivery-Capability-Offer: junk\r\n", 32), offer("ann@a.example", bob)), false},
	} {
		wallet := &policystore.MemoryWallet{}
		r.gate.Wallet = wallet
		r.h = r.gate.Handler(r.inbox)
		if got := r.one("", "", tt.message); got != taken {
			t.Errorf("%s: %s", name, got)
		}
		if _, ok, err := wallet.Get(t.Context(), bob, "ann@a.example"); ok != tt.want || err != nil {
			t.Errorf("%s: kept %v, %v", name, ok, err)
		}
		if m, _ := r.inbox.last(); strings.Contains(m, "Delivery-Capability-Offer") {
			t.Errorf("%s: %q", name, m)
		}
	}
	r.gate.Wallet = down{}
	r.h = r.gate.Handler(r.inbox)
	if got := r.one("", "", fromAuthor("ann@a.example", offer("ann@a.example", bob))); got != taken {
		t.Errorf("wallet down: %s", got)
	}
}
