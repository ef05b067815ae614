package policy_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/equihash"
	"github.com/mailbricks/mailbricks/hashcash/postage/l402"
	"github.com/mailbricks/mailbricks/hashcash/postage/mbound"
	"github.com/mailbricks/mailbricks/hashcash/postage/payword"
	"github.com/mailbricks/mailbricks/hashcash/postage/ticket"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
)

// A till is a scheme of both sides.
type till struct {
	tariff policy.Tariff
	payer  postage.Scheme
}

// tills are all schemes, each with a store of spent stamps of its own.
func tills(t *testing.T) map[string]till {
	t.Helper()
	private := must(rsa.GenerateKey(rand.Reader, 2048))
	now := time.Now()
	key := must(ticket.NewKey(&private.PublicKey, 1, now, now.AddDate(0, 0, 28)))
	issuer := &ticket.Issuer{Charge: func(context.Context, int) error { return nil }}
	if err := issuer.Add(private, key); err != nil {
		t.Fatal(err)
	}
	public, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	spent := func() hashcash.SpentStore { return &hashcash.MemoryStore{} }
	payee := &payword.Scheme{Payers: func(context.Context, string) (ed25519.PublicKey, error) { return public, nil }, Ledger: new(payword.MemoryLedger), Spent: spent()}
	node := &l402.Node{Credit: 100}
	table := must(mbound.NewTable(mbound.MinTable))
	less := func(bits int) int { return max(0, bits-price) }
	return map[string]till{
		"hashcash": {policy.Hashcash(spent()), &postage.Hashcash{}},
		"equihash": {policy.Tariff{Scheme: &equihash.Scheme{N: 72, Spent: spent()}, Price: less}, &equihash.Scheme{}},
		"mbound":   {policy.Tariff{Scheme: &mbound.Scheme{Table: table, Steps: 64, Spent: spent()}, Price: func(bits int) int { return 1 + less(bits) }}, &mbound.Scheme{Table: table, Steps: 64}},
		"ticket":   {policy.Tariff{Scheme: &ticket.Scheme{Issuer: "issuer.example", Keys: []*ticket.Key{key}, Spent: spent()}}, &ticket.Scheme{Issuer: "issuer.example", Keys: []*ticket.Key{key}, Sign: issuer.Sign}},
		"payword":  {policy.Tariff{Scheme: payee}, &payword.Scheme{Payer: "a.example", Key: signer, Open: payee.Accept}},
		"l402":     {policy.Tariff{Scheme: &l402.Scheme{Root: bytes.Repeat([]byte{1}, 32), Invoicer: node, Spent: spent()}}, &l402.Scheme{Payer: node}},
	}
}

const fromAnn = "From: ann@a.example\r\n\r\nHello.\r\n"

// TestSchemes: with every scheme, an unknown sender is refused with the price and pays it, in a parameter or in a field; the
// same stamp is good once, and none of it is in the mailbox.
func TestSchemes(t *testing.T) {
	for name, x := range tills(t) {
		r := newRig(t, func(g *policy.Gate) { g.Postage = []policy.Tariff{x.tariff} })
		for _, fields := range []bool{false, true} {
			var last smtp.Envelope
			var text string
			next := watching{verifierFor{r.h}, func(e smtp.Envelope, message string) { last, text = e, message }}
			before := r.count()
			p := policy.Payer{Postage: []postage.Scheme{x.payer}, HeaderOnly: fields}.Handler(next)
			if got := pay(t, p, fromAnn, bob); got[0] != taken || r.count() != before+1 {
				t.Errorf("%s, header alone %v: %s", name, fields, got)
				continue
			}
			m, _ := r.inbox.last()
			if !strings.HasPrefix(m, "Mailbricks-Decision: class=request; postage=10\r\n") || strings.Contains(m, "X-Postage") || strings.Contains(m, "X-Hashcash") {
				t.Errorf("%s: %q", name, m)
			}
			if fields != (len(last.Recipients[0].Params.Other) == 0) || strings.HasPrefix(text, "X-Postage: "+name+"=") == (name == "hashcash") && strings.HasPrefix(text, "X-Postage:\r\n "+name+"=") == (name == "hashcash") {
				t.Errorf("%s: %+v %q", name, last.Recipients, text)
			}
			res, err := smtp.Deliver(t.Context(), next, last, strings.NewReader(text))
			if err == nil && res[0].Reply.OK() || r.count() != before+1 {
				t.Errorf("%s: the same stamp again: %v, %v", name, res, err)
			}
		}
	}
}

// watching tells of what passes.
type watching struct {
	smtp.Handler
	saw func(e smtp.Envelope, message string)
}

func (w watching) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(body); err != nil {
		return nil, err
	}
	w.saw(e, b.String())
	return smtp.Deliver(ctx, w.Handler, e, &b)
}

// TestMenu: of a menu, the sender pays what it likes best and can; where all is too dear, nothing.
func TestMenu(t *testing.T) {
	all := tills(t)
	for _, x := range all {
		if x.payer.Name() == "l402" {
			x.tariff.Scheme.(*l402.Scheme).Price = 1
		}
	}
	menu := []policy.Tariff{all["hashcash"].tariff, all["l402"].tariff, all["ticket"].tariff}
	r := newRig(t, func(g *policy.Gate) { g.Postage = menu })
	refused := pay(t, verifierFor{r.h}, fromAnn, bob)[0]
	reply, err := smtp.ParseReply([]byte(strings.ReplaceAll(refused, "\n", " ") + "\r\n"))
	if prices := policy.ParsePrices(reply); err != nil || len(prices) != 3 || prices[1].Scheme != "l402" || !strings.HasPrefix(prices[1].Params, `macaroon="`) || prices[2] != (policy.Price{Scheme: "ticket", Amount: 1, Resource: bob, Params: "issuer=issuer.example"}) {
		t.Errorf("%+v, %v", prices, err)
	}
	if e := r.gate.Extensions(); len(e) != 2 {
		t.Errorf("%+v", e)
	} else if arg, _ := e[1].Argument(nil); arg != "HASHCASH=10 L402 TICKET" {
		t.Error(arg)
	}
	poor := &postage.Hashcash{MaxBits: 9}
	down := failing{all["ticket"].payer}
	for name, tt := range map[string]struct {
		can  []postage.Scheme
		want string
	}{
		"the first":         {[]postage.Scheme{all["ticket"].payer, all["hashcash"].payer}, taken},
		"what is not dear":  {[]postage.Scheme{poor, all["l402"].payer}, taken},
		"what is not asked": {[]postage.Scheme{all["equihash"].payer}, refused},
		"all too dear":      {[]postage.Scheme{poor}, refused},
		"nothing":           {[]postage.Scheme{}, refused},
		"one is down":       {[]postage.Scheme{down, all["hashcash"].payer}, taken},
		"all are down":      {[]postage.Scheme{down}, "451 4.7.1 Postage is asked, and was not ready in time"},
	} {
		got := pay(t, policy.Payer{Postage: tt.can}.Handler(verifierFor{r.h}), fromAnn, bob)[0]
		if tt.want == refused { // every invoice is another
			got, _, _ = strings.Cut(got, "macaroon")
			tt.want, _, _ = strings.Cut(refused, "macaroon")
		}
		if got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	// A scheme that cannot quote is not offered, and its stamps are looked at later.
	r = newRig(t, func(g *policy.Gate) { g.Postage = []policy.Tariff{{Scheme: down}, menu[0]} })
	if got := pay(t, verifierFor{r.h}, fromAnn, bob)[0]; got != asks {
		t.Error(got)
	}
	if got := pay(t, verifierFor{r.h}, "X-Postage: ticket=AAIx\r\n"+fromAnn, bob)[0]; !strings.HasPrefix(got, "451 4.7.1") {
		t.Error(got)
	}
}

// failing is a scheme whose issuer does not answer.
type failing struct{ postage.Scheme }

func (failing) Quote(context.Context, postage.Binding) (postage.Demand, error) {
	return postage.Demand{}, errors.New("down")
}

func (failing) Pay(context.Context, postage.Demand) (string, error) { return "", errors.New("down") }
