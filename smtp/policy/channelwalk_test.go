package policy_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// serve listens with a Handler and returns a next hop that leads there over SMTP, and knows no extension of ours.
func serve(t *testing.T, name string, h smtp.Handler) *smtpclient.Client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	srv := &smtpserver.Server{Handler: h, Hostname: "mx." + name}
	wg.Go(func() {
		if err := srv.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	hop := &smtpclient.Client{Addr: ln.Addr().String(), Config: smtpclient.Config{Hostname: "out." + name, TLS: smtpclient.None}}
	t.Cleanup(func() {
		hop.Close()
		cancel()
		wg.Wait()
	})
	return hop
}

// TestChannelWalk is the life of a channel over SMTP, with senders who only sign: the shop is pinned, the answer comes from
// the channel and the answer to it arrives there, somebody else is refused and reported, and all ends with one call.
func TestChannelWalk(t *testing.T) {
	all := newDomains(t, policy.Rules{Bits: price}, "shop.example", "ads.example", "b.example")
	shop, ads, b := all["shop.example"], all["ads.example"], all["b.example"]
	var leaks []channel.Leaked
	book := channel.Book{Store: channel.NewMemoryStore(), Tags: capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1},
		Leaked: func(_ context.Context, l channel.Leaked) { leaks = append(leaks, l) }}
	b.gate.Channels = book
	b.in = policy.Verifier{ID: "mx.b.example", Resolver: b.zone}.Handler(b.gate.Handler(b.inbox))
	const bob, orders = "bob@b.example", "orders@shop.example"
	c, err := book.New(t.Context(), channel.Channel{Owner: bob, Note: "shoes"})
	if err != nil {
		t.Fatal(err)
	}
	toBob := serve(t, "b.example", b.in)
	plain := func(d *domain, next smtp.Handler) smtp.Handler {
		return policy.Signer{Keys: policy.KeyRing(d.key)}.Handler(next)
	}
	letter := func(d *domain, from, to string) string {
		t.Helper()
		reply, _ := d.writeTo(t, plain(d, toBob), from, to, "")
		return reply.String()
	}
	if got := letter(shop, orders, bob); !strings.HasPrefix(got, "550 5.7.1 Unknown sender, capability not established") {
		t.Errorf("to the mailbox: %s", got)
	}
	if got := letter(shop, orders, c.Address); got != taken {
		t.Fatalf("the first: %s", got)
	}
	if m, _ := b.inbox.last(); !strings.HasPrefix(m, policy.DecisionField+": class=trusted; channel="+c.ID.String()+"\r\n") {
		t.Errorf("%q", m)
	}

	// Bob answers, and is answered.
	out := policy.Aliaser{Channels: book}.Handler(plain(b, serve(t, "shop.example", shop.inbox)))
	b.opener.Channels = book
	if reply, _ := b.writeTo(t, b.opener.Handler(out), bob, orders, ""); reply.String() != taken {
		t.Fatalf("answer: %s", reply)
	}
	if r, err := b.relations.Relation(t.Context(), bob, orders); err != nil || r != (policy.Relation{State: policy.Known}) {
		t.Errorf("what is put down as given: %+v, %v", r, err)
	}
	m, _ := shop.inbox.last()
	if shop.inbox.reverse.Address() != c.Address || !strings.Contains(m, "From: <"+c.Address+">\r\n") || strings.Contains(m, "bob@") || strings.Contains(m, policy.OfferField) {
		t.Errorf("answer from %s: %q", shop.inbox.reverse, m)
	}
	if got := letter(shop, "news@shop.example", shop.inbox.reverse.Address()); got != taken {
		t.Errorf("the second: %s", got)
	}

	// The shop hands the address on.
	if got := letter(ads, "buy@ads.example", c.Address); got != closedTo || len(leaks) != 1 {
		t.Fatalf("somebody else: %s, %d leaks", got, len(leaks))
	}
	l := leaks[0]
	if l.Pinned != "shop.example" || l.Seen != "ads.example" || l.Source.String() != "127.0.0.1" || l.Channel.Note != "shoes" {
		t.Errorf("%+v", l)
	}
	report, err := l.AppendReport(nil, channel.Report{From: "postmaster@b.example", To: "abuse@ads.example", ID: "1@b.example", Date: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Feedback-Type: abuse\r\n", "Reported-Domain: ads.example\r\n", "Source-IP: 127.0.0.1\r\n", "Authentication-Results: mx.b.example; ", "\r\nFrom: buy@ads.example\r\n"} {
		if !bytes.Contains(report, []byte(want)) {
			t.Errorf("report lacks %q:\n%s", want, report)
		}
	}
	if err := book.Disconnect(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if got := letter(shop, orders, c.Address); got != closedTo {
		t.Errorf("after the end: %s", got)
	}
	if got := letter(shop, orders, "bob+"+strings.Repeat("0", capability.TagLength)+"@b.example"); got != "550 5.1.1 No such user here" {
		t.Errorf("forged: %s", got)
	}
	if _, n := b.inbox.last(); n != 2 {
		t.Errorf("%d letters", n)
	}
}
