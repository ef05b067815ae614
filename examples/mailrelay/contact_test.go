package mailrelay_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/contacts"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/queue"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// A side is one of two domains with a relay each, that talk over TCP.
type side struct {
	relay    *mailrelay.Relay
	contacts *contacts.Contacts
	store    *hop
	addr     string

	mu       sync.Mutex
	dialogue []string // as the client of this side
}

// said returns the dialogue so far, and forgets it.
func (s *side) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.dialogue, "\n")
	s.dialogue = nil
	return out
}

func newSide(t *testing.T, zone *dnstest.Zone, domain string, other func() string) *side {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	record, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	zone.AddTXT("s._domainkey."+domain, string(record))
	zone.AddTXT("_dmarc."+domain, "v=DMARC1; p=reject")
	s := &side{store: &hop{got: make(chan taken, 10)}}
	if s.contacts, err = contacts.Open(filepath.Join(t.TempDir(), "grants"), nil); err != nil {
		t.Fatal(err)
	}
	gate := s.contacts.Gate()
	gate.Rules.Bits = 12
	spool, err := queue.OpenDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	next := &smtpclient.Client{Addr: "mx.test:25", Config: smtpclient.Config{
		Hostname: "mx." + domain, TLS: smtpclient.None,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, other())
		},
		Trace: func(ev smtpclient.TraceEvent) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.dialogue = append(s.dialogue, ev.Line)
		},
	}}
	s.relay, err = mailrelay.New(mailrelay.Config{
		Hostname: "mx." + domain, Local: []string{domain}, Deliver: s.store, Next: next, Spool: spool, Resolver: zone,
		Keys: policy.KeyRing(dkim.Signer{Domain: domain, Selector: "s", Key: key}), Retry: []time.Duration{time.Hour},
		Gate: gate, Opener: s.contacts.Opener(), Aliaser: s.contacts.Aliaser(), Payer: s.contacts.Payer(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.relay.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, next.Close(), spool.Close(), s.contacts.Close()); err != nil {
			t.Error(err)
		}
	})
	s.addr = serve(t, s.relay.MXServer())
	return s
}

// TestFirstContact is the whole walk between two relays over TCP: an unknown sender is refused with the price, the stamp is
// paid, the letter comes in as a request; the answer carries a capability, which opens from then on; revoked, the sender
// is a stranger again.
func TestFirstContact(t *testing.T) {
	zone := dnstest.New()
	var a, b *side
	a = newSide(t, zone, "a.example", func() string { return b.addr })
	b = newSide(t, zone, "b.example", func() string { return a.addr })
	const alice, bob = "alice@a.example", "bob@b.example"
	write := func(s *side, from, to string) {
		t.Helper()
		if got := send(t, s.relay.Submission(), user(from), from, smtp.RcptParams{}, letter(from, to), to); !strings.HasPrefix(got, "DATA 250 ") {
			t.Fatal(got)
		}
	}
	arrives := func(s *side, want string) {
		t.Helper()
		select {
		case got := <-s.store.got:
			if field := policy.DecisionField + ": " + want; !strings.Contains(got.body, field) || !strings.HasSuffix(got.body, body) ||
				strings.Contains(got.body, policy.CapabilityField) || strings.Contains(got.body, "X-Hashcash") {
				t.Errorf("want %q in %q", field, got.body)
			}
		case <-time.After(time.Minute):
			t.Fatalf("nothing came: %s", s.said())
		}
	}
	const refusal = "550-5.7.1 Unknown sender, capability not established\n550 5.7.1 Postage: scheme=hashcash; bits=12; resource=bob@b.example"

	write(a, alice, bob)
	arrives(b, "class=request; postage=12\r\n")
	if said := a.said(); strings.Count(said, refusal) != 1 || strings.Count(said, "RCPT TO:<bob@b.example> POSTAGE=1:12:") != 1 || !strings.Contains(said, "XPOSTAGE HASHCASH=12") {
		t.Errorf("first letter:\n%s", said)
	}
	write(b, bob, alice) // alice's letter has brought a capability for the answer
	arrives(a, "class=trusted; channel=")
	if said := b.said(); strings.Contains(said, "550") || strings.Contains(said, "POSTAGE=") {
		t.Errorf("answer:\n%s", said)
	}
	r, err := b.contacts.Relations.Relation(t.Context(), bob, alice)
	if err == nil { // let nothing but the capability open
		err = b.contacts.Relations.SetRelation(t.Context(), bob, alice, policy.Relation{Grant: r.Grant})
	}
	if err != nil {
		t.Fatal(err)
	}
	write(a, alice, bob)
	arrives(b, "class=trusted; channel="+r.Grant.String()+"\r\n")
	if said := a.said(); strings.Contains(said, "550") || strings.Count(said, "RCPT TO:<bob@b.example> CAP=") != 1 {
		t.Errorf("second letter:\n%s", said)
	}
	if err := b.contacts.Opener().Disconnect(t.Context(), bob, alice, false); err != nil {
		t.Fatal(err)
	}
	write(a, alice, bob)
	arrives(b, "class=request; postage=12\r\n")
	if said := a.said(); strings.Count(said, refusal) != 1 || strings.Count(said, " CAP=") != 1 || strings.Count(said, " POSTAGE=") != 1 {
		t.Errorf("after the end:\n%s", said)
	}
}

// TestUnmodifiedSender: a sender who knows nothing of this, swaks, reads the price in the refusal, buys the stamp with the
// hashcash tool, and gets in with a header field; once.
func TestUnmodifiedSender(t *testing.T) {
	swaks, tool := suites.Program(t, "swaks", "swaks"), suites.Program(t, "hashcash", "hashcash")
	b := newSide(t, dnstest.New(), "b.example", func() string { return "" })
	send := func(more ...string) string {
		t.Helper()
		args := append([]string{"--server", b.addr, "--helo", "mail.a.example", "--from", "alice@a.example", "--to", "bob@b.example", "--body", "Hello."}, more...)
		out, err := exec.CommandContext(t.Context(), swaks, args...).CombinedOutput()
		if _, ended := err.(*exec.ExitError); err != nil && !ended {
			t.Fatal(err)
		}
		return string(out)
	}
	refused := send()
	_, price, ok := strings.Cut(refused, "Postage: ")
	if !ok || !strings.HasPrefix(price, "scheme=hashcash; bits=20; resource=bob@b.example") { // 12, and 8 for who is not authenticated
		t.Fatalf("%s", refused)
	}
	stamp, err := exec.CommandContext(t.Context(), tool, "-m", "-q", "-u", "-X", "-b", "20", "bob@b.example").Output()
	if err != nil {
		t.Fatal(err)
	}
	field := strings.TrimSpace(string(stamp))
	if said := send("--add-header", field); !strings.Contains(said, "<-  250 2.1.5 Delivered") {
		t.Fatalf("%s", said)
	}
	got := <-b.store.got
	if !strings.Contains(got.body, policy.DecisionField+": class=request; postage=20\r\n") || strings.Contains(got.body, "X-Hashcash") {
		t.Errorf("%q", got.body)
	}
	if said := send("--add-header", field); !strings.Contains(said, "Unknown sender, capability not established") {
		t.Errorf("the same stamp again: %s", said)
	}
}
