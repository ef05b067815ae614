package policy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
	"github.com/mailbricks/mailbricks/smtp/queue"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// A hop answers each message with the next of its replies, and keeps what it got.
type hop struct {
	mu       sync.Mutex
	replies  []string
	envelope []string // recipients and parameters of each transaction
	messages []string
	answer   func() // called before each answer
}

func (h *hop) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return &hopping{h: h}, nil
}

type hopping struct {
	h  *hop
	to []string
}

func (t *hopping) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	var s strings.Builder
	s.WriteString(to.Address())
	for _, q := range p.Other {
		s.WriteString(" " + q.Keyword)
	}
	t.to = append(t.to, s.String())
	return nil
}

func (t *hopping) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	if t.h.answer != nil {
		t.h.answer()
	}
	t.h.envelope, t.h.messages = append(t.h.envelope, strings.Join(t.to, ", ")), append(t.h.messages, string(b))
	reply := "250 2.0.0 OK"
	if len(t.h.replies) > 0 {
		reply, t.h.replies = t.h.replies[0], t.h.replies[1:]
	}
	r, err := smtp.ParseReply([]byte(reply + "\r\n"))
	if err != nil {
		return nil, err
	}
	return smtp.SameResult(len(t.to), r), nil
}

func (t *hopping) Close() error { return nil }

// pay sends a letter of ann's through a Payer.
func pay(t *testing.T, h smtp.Handler, message string, to ...string) []string {
	t.Helper()
	e := smtp.Envelope{From: smtp.Path{Local: "ann", Domain: "a.example"}}
	for _, addr := range to {
		e.Recipients = append(e.Recipients, rcpt(addr, "", ""))
	}
	res, err := smtp.Deliver(t.Context(), h, e, iotest.OneByteReader(strings.NewReader(message)))
	if err != nil {
		return []string{smtp.ReplyOf(err).String()}
	}
	var out []string
	for _, r := range res {
		out = append(out, r.Reply.String())
	}
	return out
}

// TestPay holds what a next hop may say, and what follows.
func TestPay(t *testing.T) {
	const ok = "250 2.0.0 OK"
	costs := func(bits int, resource string) string {
		return "550 5.7.1 Unknown sender " + policy.Price{Scheme: "hashcash", Amount: bits, Resource: resource}.String()
	}
	for name, tt := range map[string]struct {
		maxBits int
		replies []string
		want    string
		tries   int
	}{
		"nothing asked":           {0, nil, ok, 1},
		"paid":                    {8, []string{costs(8, bob)}, ok, 2},
		"resource not named":      {8, []string{costs(8, "")}, ok, 2},
		"resource in capitals":    {8, []string{costs(8, "BOB@example.org")}, ok, 2},
		"asked again":             {8, []string{costs(4, bob), costs(8, bob)}, costs(8, bob), 2},
		"too dear":                {8, []string{costs(9, bob)}, costs(9, bob), 1},
		"too dear by default":     {0, []string{costs(27, bob)}, costs(27, bob), 1},
		"nothing is paid":         {-1, []string{costs(1, bob)}, costs(1, bob), 1},
		"for another":             {8, []string{costs(8, carol)}, costs(8, carol), 1},
		"another kind":            {8, []string{"550 5.7.1 Postage: scheme=gold; bits=1"}, "550 5.7.1 Postage: scheme=gold; bits=1", 1},
		"the cheapest of a menu":  {8, []string{"550-5.7.1 " + policy.Price{Scheme: "hashcash", Amount: 30}.String() + "\r\n" + costs(8, bob)}, ok, 2},
		"another refusal":         {8, []string{"550 5.1.1 No such user"}, "550 5.1.1 No such user", 1},
		"temporary":               {8, []string{"451 4.7.1 Later"}, "451 4.7.1 Later", 1},
		"refused after it paid":   {8, []string{costs(8, bob), "550 5.1.1 No such user"}, "550 5.1.1 No such user", 2},
		"temporary after it paid": {8, []string{costs(8, bob), "451 4.3.0 Later"}, "451 4.3.0 Later", 2},
	} {
		h := &hop{replies: tt.replies}
		p := policy.Payer{Postage: upTo(tt.maxBits), Limits: policy.Limits{Memory: 10, Dir: t.TempDir()}}.Handler(h)
		if got := pay(t, p, letter, bob); got[0] != tt.want || len(h.messages) != tt.tries || h.messages[0] != letter {
			t.Errorf("%s: %q after %d tries", name, got, len(h.messages))
			continue
		}
		if tt.tries == 1 {
			continue
		}
		stamp, below, _ := strings.Cut(h.messages[1], "\r\n")
		if below != letter || h.envelope[1] != bob+" POSTAGE" {
			t.Errorf("%s: %q, %q", name, h.envelope, h.messages[1])
		}
		v := hashcash.Verifier{Bits: 4, AllowReplay: true}
		if _, err := v.Verify(t.Context(), strings.TrimPrefix(stamp, "X-Hashcash: "), bob); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "temporary after it paid" { // the next attempt shows the same stamp at once
			if got := pay(t, p, letter, bob); got[0] != ok || !strings.HasPrefix(h.messages[2], stamp) {
				t.Errorf("%s, again: %q", name, got)
			}
			if got := pay(t, p, letter, bob); got[0] != ok || h.messages[3] != letter {
				t.Errorf("%s, after that: %q", name, got)
			}
		}
	}
}

// TestPaySeveral: those who need nothing go together; each other one alone, seeing nothing of the others.
func TestPaySeveral(t *testing.T) {
	r := newRig(t)
	wallet := &policystore.MemoryWallet{}
	token, err := capability.Issue(capability.Grant{Issuer: carol, Limits: capability.Limits{Scope: "ann@a.example"}}, r.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := wallet.Put(t.Context(), "Ann@A.example", token); err != nil {
		t.Fatal(err)
	}
	price := policy.Price{Scheme: "hashcash", Amount: 4}.String()
	h := &hop{replies: []string{"550 5.7.1 " + price}}
	got := pay(t, policy.Payer{Wallet: wallet}.Handler(h), letter, bob, "Carol@example.org", "dave@example.org")
	if want := []string{"250 2.0.0 OK", "250 2.0.0 OK", "250 2.0.0 OK"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if want := []string{"bob@example.org, dave@example.org", "bob@example.org POSTAGE", "Carol@example.org CAP", "dave@example.org POSTAGE"}; !slices.Equal(h.envelope, want) {
		t.Errorf("%q", h.envelope)
	}
	for i, m := range h.messages {
		if !strings.HasSuffix(m, letter) || strings.Contains(m, "Delivery-Capability:") != (i == 2) || strings.Contains(m, "X-Hashcash:") != (i == 1 || i == 3) || strings.Contains(m, "dave") != (i == 3) {
			t.Errorf("%d: %q", i, m)
		}
	}
	if shown, err := capability.ParseToken(unfold(h.messages[2])); err != nil || !shown.Sealed() || shown.Grant() != token.Grant() {
		t.Errorf("%+v, %v", shown.Grant(), err)
	}
	// In header fields alone.
	h = &hop{}
	pay(t, policy.Payer{Wallet: wallet, HeaderOnly: true}.Handler(h), letter, carol)
	if h.envelope[0] != carol || !strings.HasPrefix(h.messages[0], "Delivery-Capability:\r\n ") {
		t.Errorf("%q, %q", h.envelope, h.messages)
	}
	// The null reverse-path neither shows nor pays.
	h = &hop{replies: []string{"550 5.7.1 " + price}}
	res, err := smtp.Deliver(t.Context(), policy.Payer{Wallet: wallet}.Handler(h), smtp.Envelope{Recipients: []smtp.Recipient{rcpt(carol, "", "")}}, strings.NewReader(letter))
	if err != nil || res[0].Reply.Code != 550 || len(h.messages) != 1 || h.messages[0] != letter {
		t.Errorf("%v, %v, %q", res, err, h.messages)
	}
	// A wallet that does not answer costs nothing but its tokens.
	h = &hop{}
	if got := pay(t, policy.Payer{Wallet: down{}}.Handler(h), letter, carol); got[0] != "250 2.0.0 OK" || h.messages[0] != letter {
		t.Errorf("%q", got)
	}
	// One transaction a recipient in Mail, Rcpt, Data too.
	h = &hop{}
	tx, err := policy.Payer{Wallet: wallet}.Handler(h).Mail(t.Context(), &smtp.Peer{}, smtp.Path{Local: "ann", Domain: "a.example"}, smtp.MailParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{bob, carol} {
		if err := tx.Rcpt(t.Context(), rcpt(to, "", "").To, smtp.RcptParams{}); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := tx.Data(t.Context(), strings.NewReader(letter)); err != nil || len(res) != 2 || len(h.messages) != 2 {
		t.Errorf("%v, %v", res, err)
	}
}

// TestPayOneByOne: strangers to a Gate are sent one by one, each paid for, in one go.
func TestPayOneByOne(t *testing.T) {
	r := newRig(t)
	p := policy.Payer{Postage: upTo(price)}.Handler(verifierFor{r.h})
	got := pay(t, p, "From: ann@a.example\r\n\r\nHello.\r\n", bob, "postmaster@example.org", carol, "dave@example.org")
	if want := slices.Repeat([]string{taken}, 4); !slices.Equal(got, want) || r.count() != 4 {
		t.Errorf("%q, %d letters", got, r.count())
	}
	// A hop that puts off everybody is left to the queue.
	off := &recorder{response: smtp.NewError(452, smtp.EnhancedCode{4, 5, 3}, "Later")}
	if got := pay(t, policy.Payer{}.Handler(off), letter, bob, carol); got[0] != "452 4.5.3 Later" || got[1] != got[0] || off.data != 1 {
		t.Errorf("%q, %d times", got, off.data)
	}
}

// unfold returns the value of the first field.
func unfold(message string) string {
	_, value, _ := strings.Cut(message, ":")
	var out strings.Builder
	for line := range strings.SplitSeq(value, "\r\n") {
		if line != "" && line[0] != ' ' {
			break
		}
		out.WriteString(strings.TrimSpace(line))
	}
	return out.String()
}

// TestPayEnds: minting ends with its time, and with the caller's context.
func TestPayEnds(t *testing.T) {
	costs := "550 5.7.1 " + policy.Price{Scheme: "hashcash", Amount: 64}.String()
	h := &hop{replies: []string{costs}}
	if got := pay(t, policy.Payer{Postage: upTo(64), Timeout: time.Millisecond}.Handler(h), letter, bob); got[0] != "451 4.7.1 Postage is asked, and was not ready in time" {
		t.Errorf("%q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h = &hop{replies: []string{costs, costs}}
	var log bytes.Buffer
	p := policy.Payer{Postage: []postage.Scheme{&postage.Hashcash{MaxBits: 64, Minter: hashcash.Minter{Workers: 1, Interval: time.Millisecond, Progress: func(hashcash.Progress) { cancel() }}}}, Logger: slog.New(slog.NewTextHandler(&log, nil))}.Handler(h)
	e := smtp.Envelope{From: smtp.Path{Local: "ann", Domain: "a.example"}, Recipients: []smtp.Recipient{rcpt(bob, "", "")}}
	if res, err := smtp.Deliver(ctx, p, e, strings.NewReader(letter)); err != nil || res[0].Reply.Code != 451 || !strings.Contains(log.String(), "context canceled") {
		t.Errorf("%v, %v, %s", res, err, &log)
	}
	// The body that breaks is nobody's letter.
	broken := errors.New("broken")
	if _, err := smtp.Deliver(t.Context(), policy.Payer{}.Handler(h), e, iotest.ErrReader(broken)); !errors.Is(err, broken) || len(h.messages) != 1 {
		t.Errorf("%v", err)
	}
}

// TestQueuePays: a queue behind which a Payer stands gets the letter in, and the sender hears of nothing.
func TestQueuePays(t *testing.T) {
	r := newRig(t)
	spool, err := queue.OpenDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	came := make(chan struct{}, 1)
	front := smtp.Handler(verifierFor{r.gate.Handler(notifying{r.inbox, came})})
	q := queue.New(queue.Config{Spool: spool, Hostname: "mx.a.example", Next: policy.Payer{}.Handler(front)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	if got := pay(t, q, "From: ann@a.example\r\n\r\nHello.\r\n", bob); !strings.HasPrefix(got[0], "250 ") {
		t.Fatal(got)
	}
	<-came
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if m, n := r.inbox.last(); n != 1 || !strings.HasPrefix(m, "Mailbricks-Decision: class=request; postage=10\r\n") {
		t.Errorf("%d letters, %q", n, m)
	}
}

// verifierFor says that everything is from a.example.
type verifierFor struct{ smtp.Handler }

func (v verifierFor) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	tx, err := v.Handler.Mail(ctx, peer, from, p)
	return saying{tx}, err
}

type saying struct{ smtp.Transaction }

func (s saying) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	return s.Transaction.Data(ctx, io.MultiReader(strings.NewReader(authenticated("a.example", "")), body))
}

// notifying tells when a message has come.
type notifying struct {
	smtp.Handler
	came chan struct{}
}

func (n notifying) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	tx, err := n.Handler.Mail(ctx, peer, from, p)
	return ringing{tx, n.came}, err
}

type ringing struct {
	smtp.Transaction
	came chan struct{}
}

func (r ringing) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	res, err := r.Transaction.Data(ctx, body)
	if err == nil {
		r.came <- struct{}{}
	}
	return res, err
}

// TestWire: server and client of this project speak the extension, and a server that does not offer it gets header fields
// alone.
func TestWire(t *testing.T) {
	for _, offered := range []bool{true, false} {
		r := newRig(t)
		srv := &smtpserver.Server{Handler: verifierFor{r.h}, Hostname: "mx.example.org", NoReceived: true}
		if offered {
			srv.Extensions = r.gate.Extensions()
		}
		ours, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- srv.ServeConn(t.Context(), theirs) }()
		var dialogue []string
		c, err := smtpclient.NewConn(t.Context(), ours, smtpclient.Config{Hostname: "mx.a.example", Trace: func(e smtpclient.TraceEvent) {
			dialogue = append(dialogue, fmt.Sprint(e))
		}})
		if err != nil {
			t.Fatal(err)
		}
		wallet := &policystore.MemoryWallet{}
		p := policy.Payer{Wallet: wallet}.Handler(c)
		const message = "From: ann@a.example\r\n\r\nHello.\r\n"
		if got := pay(t, p, message, bob); got[0] != taken {
			t.Errorf("offered %v: %q", offered, got)
		}
		all := strings.Join(dialogue, "\n")
		if strings.Contains(all, "XPOSTAGE HASHCASH=10") != offered || strings.Contains(all, "> POSTAGE=1:10:") != offered || strings.Count(all, "Postage: scheme=hashcash; bits=10; resource=bob@example.org") != 1 {
			t.Errorf("offered %v: %s", offered, all)
		}
		// The longest token there can be goes through too.
		token, err := capability.Issue(capability.Grant{Issuer: bob, Limits: capability.Limits{Scope: "ann@a.example"}}, r.key)
		for err == nil && len(token.String()) < 1500 {
			next, e := token.Attenuate(capability.Limits{Size: 1 << 20})
			if e != nil {
				break
			}
			token = next
		}
		if err := errors.Join(err, wallet.Put(t.Context(), "ann@a.example", token)); err != nil {
			t.Fatal(err)
		}
		if got := pay(t, p, message, bob); got[0] != taken {
			t.Errorf("offered %v: %q", offered, got)
		}
		if m, _ := r.inbox.last(); !strings.HasPrefix(m, "Mailbricks-Decision: class=trusted; channel=") {
			t.Errorf("offered %v: %q", offered, m)
		}
		if err := errors.Join(c.Close(), <-done); err != nil {
			t.Error(err)
		}
	}
}
