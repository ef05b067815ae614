package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	netsmtp "net/smtp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/world/letter"
	"github.com/mailbricks/mailbricks/examples/world/story"
)

func newWorld(t *testing.T) *World {
	t.Helper()
	w, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// send sends a letter and waits for its end.
func send(t *testing.T, w *World, text string, o Options, to ...string) story.Letter {
	t.Helper()
	m, err := letter.Prepare([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.Send(m, o, to...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := w.Wait(ctx, id)
	if err != nil {
		t.Fatalf("%v: %s", err, dump(l))
	}
	return l
}

func dump(l story.Letter) string {
	b, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func text(from, subject string) string {
	return fmt.Sprintf("From: %s\nTo: somebody\nSubject: %s\n\nHello.\n", from, subject)
}

func auth(spf, dkim, dmarc string) story.Auth { return story.Auth{SPF: spf, DKIM: dkim, DMARC: dmarc} }

const (
	alice = "alice@harbour.example"
	bob   = "bob@meadow.example"
	carol = "carol@summit.example"
)

// said returns every line of a stage.
func said(l story.Letter, stage string) string {
	var b strings.Builder
	for _, h := range l.Hops {
		if h.Stage == stage {
			for _, n := range h.Dialogue {
				fmt.Fprintln(&b, n.Dir, n.Text)
			}
			for _, s := range h.Steps {
				fmt.Fprintln(&b, s.Question, s.Answer)
			}
			fmt.Fprintln(&b, h.Summary)
		}
	}
	return b.String()
}

func stages(l story.Letter) string {
	var out []string
	for _, h := range l.Hops {
		out = append(out, h.Stage)
	}
	return strings.Join(out, " ")
}

// TestLetter follows one letter from hop to hop.
func TestLetter(t *testing.T) {
	w := newWorld(t)
	l := send(t, w, text(alice, "Grüße"), Options{}, bob)
	if l.State != story.Delivered || l.Auth != auth("pass", "pass", "pass") || l.Read == nil || !l.Read.Identical || l.From != alice || l.To != bob {
		t.Fatal(dump(l))
	}
	if got, want := stages(l), "submission signature queue dns policy relay verification delivery reading"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	for _, h := range l.Hops {
		if !h.OK || !h.Done {
			t.Errorf("%s: %+v", h.Stage, h)
		}
	}
	for stage, lines := range map[string][]string{
		"submission":   {"-> STARTTLS", "-- TLS 1.3", "-> AUTH PLAIN ***", "-> MAIL FROM:<alice@harbour.example>", "<- 250 2.0.0 Queued as"},
		"dns":          {"MX meadow.example 10 mx.meadow.example\n", "A mx.meadow.example 198.51.100.25", "TXT _mta-sts.meadow.example v=STSv1"},
		"policy":       {"-> GET https://mta-sts.meadow.example/.well-known/mta-sts.txt", "<- mode: enforce"},
		"relay":        {"-> EHLO mx.harbour.example", "-> STARTTLS", "-- TLS 1.3", "-> RCPT TO:<bob@meadow.example>", "<- 250 2.1.5"},
		"verification": {"from 192.0.2.25, SPF pass, DKIM pass, DMARC pass"},
		"delivery":     {"-> LHLO mx.meadow.example", "-> STARTTLS", "<- 250 2.1.5"},
		"reading":      {"IMAP: ", "POP3: ", "JMAP: "},
	} {
		for _, want := range lines {
			if !strings.Contains(said(l, stage), want) {
				t.Errorf("%s: no %q in\n%s", stage, want, said(l, stage))
			}
		}
	}
	if strings.Contains(dump(l), "alice-secret") {
		t.Error("the password is shown")
	}
	var spf []string
	for _, s := range l.Verdict.SPF.Steps {
		spf = append(spf, s.Question)
	}
	if got := strings.Join(spf, ", "); !strings.Contains(got, "TXT harbour.example, MX harbour.example, A mx.harbour.example") {
		t.Errorf("questions of SPF: %s", got)
	}
}

// TestBroken: what is broken on purpose is found, and refused where DMARC leaves nothing that vouches for the author.
func TestBroken(t *testing.T) {
	w := newWorld(t)
	const rejected = "550 5.7.1 "
	for name, tt := range map[string]struct {
		o     Options
		auth  story.Auth
		reply string
	}{
		"wrong key":        {Options{WrongKey: true}, auth("pass", "fail", "pass"), "250 "}, // SPF still vouches
		"unlisted address": {Options{Unlisted: true}, auth("fail", "pass", "pass"), "250 "}, // DKIM still does
		"both":             {Options{WrongKey: true, Unlisted: true}, auth("fail", "fail", "fail"), rejected},
		"forged author":    {Options{Forged: true}, auth("pass", "none", "fail"), rejected},
	} {
		for _, from := range []string{alice, "ann@guest.test"} {
			l := send(t, w, text(from, name), tt.o, bob)
			if l.Auth != tt.auth || !strings.HasPrefix(l.Reply, tt.reply) || (l.State == story.Refused) != (tt.reply == rejected) {
				t.Errorf("%s of %s: %s", name, from, dump(l))
			}
			if tt.o.WrongKey != strings.Contains(said(l, "signature"), "with another key") || tt.o.Unlisted != strings.Contains(said(l, "verification"), "from 203.0.113.66,") {
				t.Errorf("%s of %s: %s", name, from, dump(l))
			}
			if (l.Read != nil && l.Read.Identical) == (l.State == story.Refused) {
				t.Errorf("%s of %s: read %+v", name, from, l.Read)
			}
		}
	}
	mails, err := w.Mails(t.Context(), bob)
	if err != nil || len(mails) != 4 {
		t.Errorf("%d letters came through, %v", len(mails), err)
	}
}

// TestGuests: whose domain sends, and what is said of it.
func TestGuests(t *testing.T) {
	w := newWorld(t)
	pass, none := auth("pass", "pass", "pass"), auth("pass", "pass", "none")
	for header, tt := range map[string]struct {
		sender string
		auth   story.Auth
		state  story.State
	}{
		"From: Ann <ann@guest.test>":                      {"ann@guest.test", pass, story.Delivered},
		"From: \"odd one\"@guest.test":                    {"odd one@guest.test", pass, story.Delivered},
		"From: ann@bücher.example.org":                    {"ann@bücher.example.org", pass, story.Delivered},
		"From: carol@summit.example":                      {carol, pass, story.Delivered},
		"From: news@deep.below.harbour.example":           {"news@deep.below.harbour.example", pass, story.Delivered},
		"From: group: a@one.test, b@one.test;":            {"a@one.test", pass, story.Delivered},
		"From: eve@stranger.example":                      {"eve@stranger.example", pass, story.Delivered},
		"From: x@_dmarc.guest.test":                       {"x@_dmarc.guest.test", pass, story.Delivered},
		"Subject: nobody wrote this":                      {alice, none, story.Delivered},
		"From: ann@localhost":                             {alice, none, story.Delivered},
		"From: a@one.test, b@two.test":                    {alice, auth("pass", "none", "permerror"), story.Refused},
		"From: a@one.test\nFrom: b@one.test":              {alice, auth("pass", "none", "permerror"), story.Refused},
		"From: a@" + strings.Repeat("long.", 30) + "test": {"", pass, story.Delivered},
	} {
		l := send(t, w, header+"\nX: y\n\nHello\n", Options{}, bob)
		if l.State != tt.state || l.Auth != tt.auth || tt.sender != "" && strings.ReplaceAll(l.Sender, `"`, "") != tt.sender {
			t.Errorf("%q: %s", header, dump(l))
		}
	}
	if _, err := w.Send(&letter.Message{Bytes: []byte("x"), Domain: strings.Repeat("a.", 120) + "test"}, Options{}, bob); err == nil {
		t.Error("a domain with a name too long for keys")
	}
	for _, to := range [][]string{nil, {"bob"}, {"bob@elsewhere.test"}, {bob, "x"}} {
		m, err := letter.Prepare([]byte(text(alice, "x")))
		if err != nil {
			t.Fatal(err)
		}
		if id, err := w.Send(m, Options{}, to...); err == nil {
			t.Errorf("%q: %s", to, id)
		}
	}
}

// TestUnknownUser: the store's refusal comes back, and the sender gets a notice.
func TestUnknownUser(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for c := range w.Watch(ctx) {
		switch c.Kind {
		case "":
			l := send(t, w, text(alice, "anybody?"), Options{}, "nobody@meadow.example")
			if l.State != story.Refused || !strings.HasPrefix(l.Reply, "550 5.1.1") {
				t.Fatal(dump(l))
			}
		case "inbox":
			mails, err := w.Mails(ctx, alice)
			if err != nil {
				t.Fatal(err)
			}
			if c.ID == alice && len(mails) == 1 {
				m, err := w.Mail(ctx, alice, mails[0].ID)
				if err != nil || !strings.Contains(m.Source, "nobody@meadow.example") {
					t.Errorf("%+v %v", m, err)
				}
				return
			}
		}
	}
	t.Error("no notice came")
}

// TestFirstContact: a stranger is refused and told the price; the stamp is paid; the answer carries a capability, which
// lets the next letter in.
func TestFirstContact(t *testing.T) {
	w := newWorld(t)
	l := send(t, w, text(alice, "one"), Options{Unpaid: true}, carol)
	if l.State != story.Refused || !strings.HasPrefix(l.Reply, "550 5.7.1 Unknown sender, capability not established") || !strings.Contains(l.Reply, "bits=20") {
		t.Fatal(dump(l))
	}
	l = send(t, w, text(alice, "two"), Options{}, carol)
	if l.State != story.Delivered || !l.Read.Identical || !strings.Contains(said(l, "relay"), "550 5.7.1 Postage: scheme=hashcash; bits=20; resource="+carol) ||
		!strings.Contains(stages(l), "postage") || !strings.Contains(said(l, "capability"), "request") || l.Read.Mailbox != "Requests" {
		t.Fatal(dump(l))
	}
	if l := send(t, w, text(alice, "three"), Options{Unpaid: true}, carol); l.State != story.Refused {
		t.Fatalf("a stamp is good for one letter: %s", dump(l))
	}
	if l := send(t, w, text(carol, "Re: two"), Options{}, alice); l.State != story.Delivered || !l.Read.Identical {
		t.Fatal(dump(l))
	}
	l = send(t, w, text(alice, "Re: Re: two"), Options{}, carol)
	if l.State != story.Delivered || !l.Read.Identical || strings.Contains(stages(l), "postage") || !strings.Contains(said(l, "capability"), "capability for "+carol+": valid") {
		t.Fatal(dump(l))
	}
	if l := send(t, w, text(bob, "a stranger"), Options{Unpaid: true}, carol); l.State != story.Refused {
		t.Fatalf("the capability is for alice: %s", dump(l))
	}
}

// TestMany: letters on their way at the same time do not get into each other's story.
func TestMany(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			from := fmt.Sprintf("u%d@d%d.test", i, i)
			m, err := letter.Prepare([]byte(text(from, "same")))
			if err != nil {
				t.Error(err)
				return
			}
			id, err := w.Send(m, Options{}, bob)
			if err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			l, err := w.Wait(ctx, id)
			if err != nil || l.State != story.Delivered || l.From != from || l.Verdict.DMARC.Domain != fmt.Sprintf("d%d.test", i) || !strings.Contains(said(l, "relay"), "<"+from+">") || !l.Read.Identical {
				t.Errorf("%v: %s", err, dump(l))
			}
		})
	}
	wg.Wait()
}

// TestBounds: letters from outside make the world grow by so much and no more.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	k := &keys{zone: w.zone, home: "harbour.example", signers: w.keys.signers, guests: maxGuests}
	if err := k.invite("one.more.test"); err == nil {
		t.Error("one domain too many")
	}
}

func TestBig(t *testing.T) {
	w := newWorld(t)
	l := send(t, w, text(alice, "big")+string(bytes.Repeat([]byte("0123456789abcdef and so on, line for line\n"), 50_000)), Options{}, bob)
	if l.State != story.Delivered || !l.Read.Identical || l.Size < 2<<20 {
		t.Error(dump(l))
	}
}

// TestSMTP: letters from outside the world, and what is refused at its border.
func TestSMTP(t *testing.T) {
	w := newWorld(t)
	server, err := w.SMTP()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.CA())
	c, err := netsmtp.Dial(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	give := func(text string, to ...string) string {
		t.Helper()
		if err := c.Mail("who@ever.test"); err != nil {
			return err.Error()
		}
		defer c.Reset()
		for _, a := range to {
			if err := c.Rcpt(a); err != nil {
				return err.Error()
			}
		}
		d, err := c.Data()
		if err != nil {
			return err.Error()
		}
		if _, err := io.WriteString(d, text); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			return err.Error()
		}
		return "ok"
	}
	for _, tt := range []struct {
		text, want string
		to         []string
	}{
		{text("ann@guest.test", "from outside"), "ok", []string{bob, carol}},
		{text("ann@guest.test", "x"), "550 \"5.7.1 Not in this world, which has alice@harbour.example, bob@meadow.example, carol@summit.example\"", []string{"bob@elsewhere.test"}},
	} {
		if got := give(tt.text, tt.to...); got != tt.want { // net/smtp quotes the text
			t.Errorf("%q: %s", tt.to, got)
		}
	}
	wait, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	l, err := w.Wait(wait, "w1")
	if err != nil || l.State != story.Delivered || l.Auth != auth("pass", "pass", "pass") || l.To != bob+", "+carol || !l.Read.Identical || l.From != "ann@guest.test" || len(l.Mails) != 2 {
		t.Errorf("%v: %s", err, dump(l))
	}
	if _, ok := w.Letter("w2"); ok {
		t.Error("a letter that was refused is on its way")
	}
}
