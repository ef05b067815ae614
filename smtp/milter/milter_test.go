package milter_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/milter"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// A check is a Checker made of functions; what it has seen is kept.
type check struct {
	mail  func(from smtp.Path) error
	rcpt  func(to smtp.Path) error
	check func(m *milter.Message) (milter.Changes, error)
	pass  bool // unseen

	closed chan struct{} // if not nil, is told of each transaction that is closed

	mu   sync.Mutex
	seen []seen
	open int
}

type seen struct {
	peer     smtp.Peer
	from     smtp.Path
	params   smtp.MailParams
	to       []smtp.Recipient
	id, text string
	done     bool
}

func (c *check) Mail(_ context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (milter.Transaction, error) {
	if c.pass {
		return nil, nil
	}
	if c.mail != nil {
		if err := c.mail(from); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	return &checking{c: c, seen: seen{peer: *peer, from: from, params: p}}, nil
}

type checking struct {
	c *check
	seen
}

func (t *checking) Rcpt(_ context.Context, to smtp.Path, p smtp.RcptParams) error {
	t.to = append(t.to, smtp.Recipient{To: to, Params: p})
	if t.c.rcpt != nil {
		return t.c.rcpt(to)
	}
	return nil
}

func (t *checking) Check(_ context.Context, m *milter.Message) (milter.Changes, error) {
	b, err := io.ReadAll(m.Body)
	t.id, t.text, t.done = m.ID, string(m.Header)+string(b), true
	if err != nil || t.c.check == nil {
		return milter.Changes{}, err
	}
	return t.c.check(m)
}

func (t *checking) Close() error {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.c.open--
	t.c.seen = append(t.c.seen, t.seen)
	if t.c.closed != nil {
		t.c.closed <- struct{}{}
	}
	return nil
}

// listen serves a Checker and returns its address.
func listen(t testing.TB, c milter.Checker) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&milter.Server{Checker: c}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func path(t testing.TB, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParseMailbox(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func envelope(t testing.TB, to ...string) smtp.Envelope {
	e := smtp.Envelope{From: path(t, "ann@a.example"), Params: smtp.MailParams{Size: 100, Body: smtp.Body8BitMIME},
		Peer: &smtp.Peer{RemoteAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:4711")), Hello: "client.example", Identity: "ann"}}
	for _, r := range to {
		e.Recipients = append(e.Recipients, smtp.Recipient{To: path(t, r), Params: smtp.RcptParams{Notify: smtp.NotifyFailure}})
	}
	return e
}

// replyOf is what the peer is told.
func replyOf(res smtp.Results, err error) string {
	if err != nil {
		return smtp.ReplyOf(err).String()
	}
	return res[0].Reply.String()
}

const letter = "Subject: folded\r\n one\r\nFrom: ann@a.example\r\nTo:bob@b.example\r\nSubject: two\r\n\r\nHello.\r\n.\r\n"

// TestSeen: what a Checker sees is what was sent, however long.
func TestSeen(t *testing.T) {
	c := &check{}
	rec := &smtptest.Recorder{}
	f := milter.Filter{Network: "tcp", Address: listen(t, c), Hostname: "mx.example"}.Handler(rec)
	for _, text := range []string{letter, "Only: header\r\n\r\n", "\r\nonly body\r\n", letter + strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 20_000), "A: 1\r\n"} {
		res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example", "carol@b.example"), strings.NewReader(text))
		if err != nil || len(res) != 2 || !res[0].Reply.OK() {
			t.Fatal(res, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	got := rec.Messages()
	if len(c.seen) != 5 || len(got) != 5 || c.open != 0 {
		t.Fatalf("%d seen, %d taken, %d open", len(c.seen), len(got), c.open)
	}
	for i, s := range c.seen {
		want := string(got[i].Body)
		if i == 4 {
			want += "\r\n" // a Message has its empty line
		}
		if s.text != want {
			t.Errorf("seen %.200q\nsent %.200q", s.text, want)
		}
		if s.peer.RemoteAddr.String() != "192.0.2.1:4711" || s.peer.Hello != "client.example" || s.peer.Identity != "ann" || s.id == "" ||
			s.from.Address() != "ann@a.example" || s.params.Size != 100 || s.params.Body != smtp.Body8BitMIME || len(s.to) != 2 || s.to[1].Params.Notify != smtp.NotifyFailure {
			t.Errorf("%+v", s)
		}
	}
}

// TestChanges: all that a milter can change.
func TestChanges(t *testing.T) {
	gone := path(t, "carol@b.example")
	from := path(t, "list@lists.example")
	c := &check{check: func(*milter.Message) (milter.Changes, error) {
		return milter.Changes{
			Header: []milter.HeaderChange{
				{Kind: milter.Append, Name: "X-End", Value: " at the\r\n\tend"}, {Kind: milter.Insert, Index: 0, Name: "X-Top", Value: " 1"},
				{Kind: milter.Insert, Index: 2, Name: "X-Third", Value: "no space"}, {Kind: milter.Replace, Index: 2, Name: "SUBJECT", Value: " other"},
				{Kind: milter.Replace, Index: 1, Name: "To"}, {Kind: milter.Replace, Index: 7, Name: "X-New", Value: " appended"}, {Kind: milter.Replace, Index: 7, Name: "X-None"},
			},
			Body: []byte(strings.Repeat("Changed.\r\n", 10_000)), From: &from, Remove: []smtp.Path{gone},
			Add: []smtp.Recipient{{To: path(t, "dan@b.example")}, {To: path(t, "eve@b.example"), Params: smtp.RcptParams{Notify: smtp.NotifyNever}}},
		}, nil
	}}
	rec := &smtptest.Recorder{}
	f := milter.Filter{Network: "tcp", Address: listen(t, c)}.Handler(rec)
	res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example", "carol@b.example"), strings.NewReader(letter))
	if err != nil || len(res) != 2 || !res[0].Reply.OK() || !res[1].Reply.OK() {
		t.Fatal(res, err)
	}
	got := rec.Messages()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	const header = "X-Top: 1\r\nSubject: folded\r\n one\r\nX-Third:no space\r\nFrom: ann@a.example\r\nSUBJECT: other\r\nX-End: at the\r\n\tend\r\nX-New: appended\r\n\r\n"
	if want := header + strings.Repeat("Changed.\r\n", 10_000); string(m.Body) != want {
		t.Errorf("%.400q\nwant %.400q", m.Body, want)
	}
	var to []string
	for _, r := range m.Recipients {
		to = append(to, r.To.Address())
	}
	if m.From != from || !slices.Equal(to, []string{"bob@b.example", "dan@b.example", "eve@b.example"}) || m.Recipients[0].Params.Notify != smtp.NotifyFailure || m.Recipients[2].Params.Notify != smtp.NotifyNever {
		t.Errorf("from %s to %+v", m.From, m.Recipients)
	}
}

// TestRefused: what a Checker refuses, at each step, and what it lets pass unseen.
func TestRefused(t *testing.T) {
	no := smtp.NewError(554, smtp.EnhancedCode{5, 7, 26}, "Not like this")
	for name, tt := range map[string]struct {
		c     *check
		reply string
		taken int
	}{
		"MAIL":    {&check{mail: func(smtp.Path) error { return no }}, "554 5.7.26 Not like this", 0},
		"RCPT":    {&check{rcpt: func(smtp.Path) error { return no }}, "554 5.7.26 Not like this", 0},
		"message": {&check{check: func(*milter.Message) (milter.Changes, error) { return milter.Changes{}, no }}, "554 5.7.26 Not like this", 0},
		"fault":   {&check{check: func(*milter.Message) (milter.Changes, error) { return milter.Changes{}, errors.New("secret") }}, "451 4.3.0", 0},
		"no field": {&check{check: func(*milter.Message) (milter.Changes, error) {
			return milter.Changes{Header: []milter.HeaderChange{{Name: "X", Value: " y\r\nEvil: z"}}}, nil
		}}, "451 4.3.0", 0},
		"unseen": {&check{pass: true}, "250 2.0.0", 1},
		"everybody has gone": {&check{check: func(*milter.Message) (milter.Changes, error) {
			return milter.Changes{Remove: []smtp.Path{{Local: "bob", Domain: "B.example"}}}, nil
		}}, "250 2.0.0", 0},
		"put aside": {&check{check: func(*milter.Message) (milter.Changes, error) { return milter.Changes{Quarantine: "strange"}, nil }}, "451 4.7.1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			rec := &smtptest.Recorder{}
			f := milter.Filter{Network: "tcp", Address: listen(t, tt.c)}.Handler(rec)
			res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example"), strings.NewReader(letter))
			reply := replyOf(res, err)
			if !strings.HasPrefix(reply, tt.reply) || strings.Contains(reply, "secret") || len(rec.Messages()) != tt.taken || rec.Open() != 0 {
				t.Errorf("%s, %v; %d taken, %d open", reply, err, len(rec.Messages()), rec.Open())
			}
		})
	}
}

func TestQuarantine(t *testing.T) {
	c := &check{check: func(*milter.Message) (milter.Changes, error) {
		return milter.Changes{Quarantine: "strange", Header: []milter.HeaderChange{{Name: "X-Why", Value: " strange"}}}, nil
	}}
	rec, aside := &smtptest.Recorder{}, &smtptest.Recorder{}
	f := milter.Filter{Network: "tcp", Address: listen(t, c), Quarantine: aside}.Handler(rec)
	if res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example"), strings.NewReader(letter)); err != nil || !res[0].Reply.OK() {
		t.Fatal(res, err)
	}
	if got := aside.Messages(); len(rec.Messages()) != 0 || len(got) != 1 || !bytes.Contains(got[0].Body, []byte("X-Why: strange\r\n\r\n")) {
		t.Errorf("%+v", got)
	}
}

// TestHandler: with a milter in front a Handler keeps the rules.
func TestHandler(t *testing.T) {
	addr := listen(t, &check{})
	recorders := make(map[smtp.Handler]*smtptest.Recorder)
	smtptest.TestHandler(t, smtptest.HandlerTest{From: path(t, "ann@a.example"), To: []smtp.Path{path(t, "bob@b.example"), path(t, "carol@b.example")},
		New: func(*testing.T) smtp.Handler {
			rec := &smtptest.Recorder{}
			h := milter.Filter{Network: "tcp", Address: addr}.Handler(rec)
			recorders[h] = rec
			return h
		},
		Taken: func(_ *testing.T, h smtp.Handler) [][]byte {
			var out [][]byte
			for _, m := range recorders[h].Messages() {
				out = append(out, m.Body)
			}
			return out
		}})
}

func clientOf(t *testing.T, addr string) smtp.Handler {
	c := &smtpclient.Client{Addr: addr}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
