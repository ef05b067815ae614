package mailrelay_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp"
)

// A printer is a Handler that prints what it takes.
type printer struct{ name string }

func (p printer) Mail(_ context.Context, _ *smtp.Peer, from smtp.Path, _ smtp.MailParams) (smtp.Transaction, error) {
	return &printing{p, from, nil}, nil
}

type printing struct {
	p    printer
	from smtp.Path
	to   []string
}

func (t *printing) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	t.to = append(t.to, to.Address())
	return nil
}

func (t *printing) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	_, err := io.Copy(io.Discard, body)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s has a letter of %s for %s\n", t.p.name, t.from, strings.Join(t.to, ", "))
	return smtp.SameResult(len(t.to), smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Taken")), nil
}

func (t *printing) Close() error { return nil }

// A relay between a store and the rest of the world, without a network: strangers reach local domains, users everybody.
func Example() {
	dir, err := os.MkdirTemp("", "queue")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	spool, closeSpool, err := mailrelay.OpenSpool("dir:"+dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeSpool()
	relay, err := mailrelay.New(mailrelay.Config{
		Hostname: "mx.example.com", Local: []string{"example.com"},
		Deliver: printer{"the store"}, Next: printer{"the next hop"},
		Spool: spool, Resolver: dnstest.New(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	send := func(h smtp.Handler, peer *smtp.Peer, from, to string) {
		results, err := smtp.Deliver(ctx, h, smtp.Envelope{Peer: peer, From: path(from), Recipients: []smtp.Recipient{{To: path(to)}}},
			strings.NewReader("From: <"+from+">\r\n\r\nHello.\r\n"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(results[0].Reply.Code, results[0].Reply.Enhanced)
	}
	send(relay.MX(), &smtp.Peer{Hello: "mail.example.org"}, "ann@example.org", "bob@example.com")
	send(relay.MX(), &smtp.Peer{Hello: "mail.example.org"}, "ann@example.org", "eve@example.net")
	send(relay.Submission(), &smtp.Peer{Identity: "bob"}, "bob@example.com", "ann@example.org")
	for m, err := range relay.Queue().List(ctx) { // until Run runs
		fmt.Println("in the queue:", m.Recipients[0].To, err)
	}
	// Output:
	// the store has a letter of <ann@example.org> for bob@example.com
	// 250 2.0.0
	// 550 5.7.1
	// 250 2.0.0
	// in the queue: <ann@example.org> <nil>
}

func path(s string) smtp.Path {
	p, err := smtp.ParseMailbox(s)
	if err != nil {
		panic(err)
	}
	return p
}
