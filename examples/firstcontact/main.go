// Firstcontact is how two who have never met get to write to each other, on one page: an unknown sender is refused with the
// price, its host pays, the letter is a request; the answer carries a capability, which opens from then on; taken back, it
// opens nothing. Both domains are in this process and speak SMTP over loopback. The dialogue of their hosts is printed.
//
//	go run -C examples ./firstcontact
package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"sync"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/dkim"
	"github.com/mailbricks/mailbricks/examples/cli"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

const usage = `firstcontact shows how two who have never met get to write to each other.

  firstcontact -bits 20
  firstcontact -bits 30      more than Ann's host pays
`

func main() { cli.Main("firstcontact", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := cli.Flags("firstcontact", usage, stderr)
	bits := fs.Int("bits", hashcash.DefaultBits, "price of a letter from an unknown sender, 1 to 40")
	if err := cli.Parse(fs, args, 0); err != nil {
		return err
	}
	if *bits < 1 || *bits > 40 {
		return cli.Usagef("-bits %d is not 1 to 40", *bits)
	}
	dns, out := dnstest.New(), log.New(stdout, "", 0)
	a, errA := newDomain("a.example", dns, out)
	b, errB := newDomain("b.example", dns, out)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var servers sync.WaitGroup
	defer servers.Wait()
	defer cancel()
	for _, d := range []*domain{a, b} {
		servers.Go(func() { _ = d.server(*bits).Serve(ctx, d.listener) }) // ends with ctx
	}
	toA, toB := b.way(a), a.way(b)
	defer a.next.Close()
	defer b.next.Close()
	for _, step := range []struct {
		title string
		do    func() error
	}{
		{"Ann writes to Bob, who does not know her.", func() error { return send(ctx, toB, "ann@a.example", "bob@b.example") }},
		{"Bob accepts: he answers.", func() error { return send(ctx, toA, "bob@b.example", "ann@a.example") }},
		{"Ann writes again.", func() error { return send(ctx, toB, "ann@a.example", "bob@b.example") }},
		{"Bob takes it back.", func() error { return b.opener().Disconnect(ctx, "bob@b.example", "ann@a.example", true) }},
		{"Ann writes once more.", func() error { return send(ctx, toB, "ann@a.example", "bob@b.example") }},
	} {
		out.Printf("\n%s\n", step.title)
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

// A domain is a host for its users, and what it remembers of others: here in memory, elsewhere in files or a database.
type domain struct {
	name     string
	dns      *dnstest.Zone
	out      *log.Logger
	listener net.Listener
	next     *smtpclient.Client // the other domain

	key       ed25519.PrivateKey // signs letters and the capabilities that are given
	grants    capability.Store
	relations policystore.MemoryRelations
	wallet    policystore.MemoryWallet
	spent     hashcash.MemoryStore
}

func newDomain(name string, dns *dnstest.Zone, out *log.Logger) (*domain, error) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	record, err := dkim.AppendRecord(nil, public)
	if err != nil {
		return nil, err
	}
	dns.AddTXT("sel._domainkey."+name, string(record))
	dns.AddTXT("_dmarc."+name, "v=DMARC1; p=reject")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	return &domain{name: name, dns: dns, out: out, listener: ln, key: key, grants: capability.NewMemoryStore(nil)}, err
}

// server takes mail from other domains: who sends it, may they, then the mailbox.
func (d *domain) server(bits int) *smtpserver.Server {
	verifier := policy.Verifier{ID: "mx." + d.name, Resolver: d.dns}
	gate := policy.Gate{Rules: policy.Rules{Bits: bits}, AuthServID: verifier.ID, Relations: &d.relations, Wallet: &d.wallet, Postage: []policy.Tariff{policy.Hashcash(&d.spent)},
		Capabilities: capability.Verifier{Keys: capability.OneKey(d.key.Public().(ed25519.PublicKey)), Store: d.grants}}
	mailbox := &smtptest.Recorder{Next: func(m *smtptest.Message) {
		decision, _, _ := strings.Cut(string(m.Body), "\r\n")
		d.out.Printf("   in the mailbox of %s: %s\n", m.Recipients[0].To.Address(), decision)
	}}
	return &smtpserver.Server{Hostname: "mx." + d.name, Handler: verifier.Handler(gate.Handler(mailbox)), Extensions: gate.Extensions()}
}

// opener lets those answer to whom the users write, by a capability.
func (d *domain) opener() policy.Opener {
	return policy.Opener{Relations: &d.relations, Key: d.key, Revoked: d.grants}
}

// way leads a letter of a user to another domain: it opens the way back, is signed, and paid for where that is asked. In a
// relay a queue stands in front of the Payer, and a route behind it.
func (d *domain) way(to *domain) smtp.Handler {
	d.next = &smtpclient.Client{Addr: to.listener.Addr().String(), Config: smtpclient.Config{Hostname: "mx." + d.name, TLS: smtpclient.None, Trace: d.print}}
	signer := policy.Signer{Keys: policy.KeyRing(dkim.Signer{Domain: d.name, Selector: "sel", Key: d.key})}
	return d.opener().Handler(signer.Handler(policy.Payer{Wallet: &d.wallet}.Handler(d.next)))
}

// print shows a line of the dialogue, unless it is about the connection.
func (d *domain) print(ev smtpclient.TraceEvent) {
	mark := "<-"
	if ev.Sent {
		mark = "->"
	}
	if strings.HasPrefix(ev.Line, "220") || strings.HasPrefix(ev.Line, "EHLO") || strings.HasPrefix(ev.Line, "250-") {
		return
	}
	d.out.Printf("   %s %.100s\n", mark, ev.Line)
}

// send sends a letter, whatever becomes of it.
func send(ctx context.Context, way smtp.Handler, from, to string) error {
	sender, errFrom := smtp.ParseMailbox(from)
	recipient, errTo := smtp.ParseMailbox(to)
	if err := errors.Join(errFrom, errTo); err != nil {
		return err
	}
	text := "From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: Hello\r\n\r\nHello.\r\n"
	_, err := smtp.Deliver(ctx, way, smtp.Envelope{From: sender, Recipients: []smtp.Recipient{{To: recipient}}}, strings.NewReader(text))
	if refused := (*smtp.Error)(nil); errors.As(err, &refused) {
		return nil
	}
	return err
}
