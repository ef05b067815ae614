package mailrelay_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/queue"
)

// A hop is a Handler that keeps what it takes and answers as it is told.
type hop struct {
	mu      sync.Mutex
	taken   []taken
	atMail  error
	atRcpt  map[string]error      // by address
	results map[string]smtp.Reply // at the end of data, by address
	asked   []string              // recipients asked for
	got     chan taken            // nil: nobody waits
	forget  bool                  // keeps nothing
}

type taken struct {
	from, body string
	to         []string
	params     smtp.MailParams
}

func (h *hop) Mail(_ context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.atMail != nil {
		return nil, h.atMail
	}
	return &hopping{h: h, t: taken{from: from.Address(), params: p}}, nil
}

func (h *hop) set(f func()) { h.mu.Lock(); defer h.mu.Unlock(); f() }

func (h *hop) all() []taken { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.taken) }

type hopping struct {
	h *hop
	t taken
}

func (x *hopping) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	x.h.mu.Lock()
	defer x.h.mu.Unlock()
	x.h.asked = append(x.h.asked, to.Address())
	if err := x.h.atRcpt[to.Address()]; err != nil {
		return err
	}
	x.t.to = append(x.t.to, to.Address())
	return nil
}

func (x *hopping) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	x.h.mu.Lock()
	defer x.h.mu.Unlock()
	x.t.body = string(b)
	out := make(smtp.Results, len(x.t.to))
	var ok []string
	for i, to := range x.t.to {
		out[i].Reply = smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "Delivered")
		if r, is := x.h.results[to]; is {
			out[i].Reply = r
		}
		if out[i].Reply.OK() {
			ok = append(ok, to)
		}
	}
	if x.t.to = ok; len(ok) > 0 && !x.h.forget {
		x.h.taken = append(x.h.taken, x.t)
		if x.h.got != nil {
			x.h.got <- x.t
		}
	}
	return out, nil
}

func (x *hopping) Close() error { return nil }

// A rig is a relay for b.example that runs, between a store and the rest of the world.
type rig struct {
	*mailrelay.Relay
	store, world *hop
	zone         *dnstest.Zone
	spool        *queue.Dir

	mu     sync.Mutex
	events []mailrelay.Event
}

func newRig(t testing.TB, change func(*mailrelay.Config)) *rig {
	t.Helper()
	spool, err := queue.OpenDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	record, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{spool: spool, zone: dnstest.New(), store: &hop{got: make(chan taken, 100)}, world: &hop{got: make(chan taken, 100)}}
	r.zone.MustAdd(`
		a.example.        IN TXT "v=spf1 ip4:192.0.2.1 -all"
		_dmarc.a.example. IN TXT "v=DMARC1; p=reject"
		_dmarc.b.example. IN TXT "v=DMARC1; p=reject"`)
	r.zone.AddTXT("s._domainkey.b.example", string(record))
	c := mailrelay.Config{
		Hostname: "mx.b.example", Local: []string{"b.example", "bücher.example"}, Deliver: r.store, Next: r.world, Spool: spool,
		Resolver: r.zone, Keys: policy.KeyRing(dkim.Signer{Domain: "b.example", Selector: "s", Key: key}),
		OnEvent: r.event,
		Logger:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&c)
	}
	if r.Relay, err = mailrelay.New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := spool.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) event(ev mailrelay.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

func (r *rig) seen(s mailrelay.Stage) (out []mailrelay.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		if ev.Stage == s {
			out = append(out, ev)
		}
	}
	return out
}

// stranger is who connects to MX from an address that may send for a.example.
func stranger(ip string) *smtp.Peer {
	return &smtp.Peer{RemoteAddr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}, Hello: "mail.a.example", Protocol: "ESMTP"}
}

func user(name string) *smtp.Peer {
	return &smtp.Peer{RemoteAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Hello: "laptop", Protocol: "ESMTPA", Identity: name}
}

const body = "Hello.\r\n"

func letter(from, to string) string {
	return fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: a letter\r\nMessage-ID:\r\n <1@%s>\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n\r\n%s",
		from, to, strings.Split(from, "@")[1], body)
}

// send sends a letter as an SMTP server would hand it over, and returns one line: the replies at RCPT that were
// refusals, and that of DATA.
func send(t *testing.T, h smtp.Handler, peer *smtp.Peer, from string, p smtp.RcptParams, text string, to ...string) string {
	t.Helper()
	path := func(s string) smtp.Path {
		if s == "" || s == "Postmaster" {
			return smtp.Path{Local: s}
		}
		out, err := smtp.ParseMailbox(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	tx, err := h.Mail(t.Context(), peer, path(from), smtp.MailParams{})
	if err != nil {
		return "MAIL " + smtp.ReplyOf(err).String()
	}
	defer tx.Close()
	var said []string
	accepted := 0
	for _, a := range to {
		if err := tx.Rcpt(t.Context(), path(a), p); err != nil {
			said = append(said, "RCPT "+smtp.ReplyOf(err).String())
		} else {
			accepted++
		}
	}
	if accepted > 0 {
		res, err := tx.Data(t.Context(), strings.NewReader(text))
		if err != nil {
			return strings.Join(append(said, "DATA "+smtp.ReplyOf(err).String()), "; ")
		}
		if len(res) != accepted {
			t.Errorf("%d results for %d recipients", len(res), accepted)
		}
		for _, one := range res {
			if one.Reply.Code != res[0].Reply.Code {
				t.Errorf("mixed results: %v", res)
			}
		}
		said = append(said, "DATA "+res[0].Reply.String())
	}
	return strings.Join(said, "; ")
}
