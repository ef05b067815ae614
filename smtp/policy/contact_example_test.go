package policy_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/equihash"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/policy"
	"github.com/mailbricks/mailbricks/smtp/policy/policystore"
)

// ann2bob is a letter without its message.
func ann2bob() smtp.Envelope {
	return smtp.Envelope{
		From:       smtp.Path{Local: "ann", Domain: "example.com"},
		Recipients: []smtp.Recipient{{To: smtp.Path{Local: "bob", Domain: "example.org"}}},
	}
}

// How do I ask unknown senders for postage? Put a Gate between the Verifier and the store.
func ExampleGate() {
	ctx := context.Background()
	store := &mailbox{}
	gate := policy.Gate{
		Rules:      policy.Transitional(),
		AuthServID: "mx.example.org",
		Postage:    []policy.Tariff{policy.Hashcash(&hashcash.MemoryStore{})},
	}
	gate.Rules.Bits, gate.Rules.Surcharge = 12, -1 // cheap, for an example
	verifier := policy.Verifier{ID: "mx.example.org", Resolver: dnstest.New()}
	h := verifier.Handler(gate.Handler(store))

	res, err := smtp.Deliver(ctx, h, ann2bob(), strings.NewReader("From: ann@example.com\r\n\r\nHello.\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Join(res[0].Reply.Lines, "\n"))

	stamp, err := hashcash.Minter{Bits: 12}.Mint(ctx, "bob@example.org", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	stamped := "X-Hashcash: " + stamp.String() + "\r\nFrom: ann@example.com\r\n\r\nHello.\r\n"
	for range 2 { // a stamp is good once
		res, err = smtp.Deliver(ctx, h, ann2bob(), strings.NewReader(stamped))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(res[0].Reply.Code, res[0].Reply.Lines[0])
	}
	field, _, _ := strings.Cut(store.messages[0], "\r\n")
	fmt.Println(field)
	// Output:
	// Unknown sender, capability not established
	// Postage: scheme=hashcash; bits=12; resource=bob@example.org
	// 250 taken
	// 550 Unknown sender, capability not established
	// Mailbricks-Decision: class=request; postage=12
}

// How do I pay where others ask? Put a Payer between the queue and the route.
func ExamplePayer() {
	ctx := context.Background()
	gate := policy.Gate{Rules: policy.Transitional(), Postage: []policy.Tariff{policy.Hashcash(&hashcash.MemoryStore{})}}
	gate.Rules.Bits, gate.Rules.Surcharge = 12, -1
	next := gate.Handler(&mailbox{}) // in a relay: a *route.Router

	for _, maxBits := range []int{10, 14} {
		payer := policy.Payer{Postage: []postage.Scheme{&postage.Hashcash{MaxBits: maxBits}}, Wallet: &policystore.MemoryWallet{}}
		res, err := smtp.Deliver(ctx, payer.Handler(next), ann2bob(), strings.NewReader("From: ann@example.com\r\n\r\nHello.\r\n"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(maxBits, "bits at most:", res[0].Reply)
	}
	// Output:
	// 10 bits at most: 550 5.7.1 Unknown sender, capability not established Postage: scheme=hashcash; bits=12; resource=bob@example.org
	// 14 bits at most: 250 2.0.0 taken
}

// How do I ask for something else than hashcash? Any postage.Scheme is a Tariff; Price says what the bits of Rules are in its
// unit. The payer pays with the first of its schemes that is asked for.
func ExampleTariff() {
	ctx := context.Background()
	memoryHard := policy.Tariff{
		Scheme: &equihash.Scheme{N: 72, Spent: &hashcash.MemoryStore{}}, // small, for an example
		Price:  func(bits int) int { return max(0, bits-20) },
	}
	gate := policy.Gate{Rules: policy.Transitional(), Postage: []policy.Tariff{memoryHard, policy.Hashcash(&hashcash.MemoryStore{})}}
	gate.Rules.Surcharge = -1
	store := &mailbox{}
	payer := policy.Payer{Postage: []postage.Scheme{&equihash.Scheme{}, &postage.Hashcash{MaxBits: 10}}}

	const letter = "From: ann@example.com\r\n\r\nHello.\r\n"
	res, err := smtp.Deliver(ctx, gate.Handler(store), ann2bob(), strings.NewReader(letter))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range policy.ParsePrices(res[0].Reply) {
		fmt.Println(p)
	}
	res, err = smtp.Deliver(ctx, payer.Handler(gate.Handler(store)), ann2bob(), strings.NewReader(letter))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res[0].Reply)
	// Output:
	// Postage: scheme=equihash; price=0; resource=bob@example.org; params=n%3D72
	// Postage: scheme=hashcash; bits=20; resource=bob@example.org
	// 250 2.0.0 taken
}

// How do I let those answer to whom my users write? Put an Opener in front of the outgoing mail, and give the Gate the same
// Relations.
func ExampleOpener() {
	ctx := context.Background()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	relations := &policystore.MemoryRelations{}
	sent := &mailbox{}
	out := policy.Opener{Relations: relations, Key: private}.Handler(sent)
	if _, err := smtp.Deliver(ctx, out, ann2bob(), strings.NewReader("From: ann@example.com\r\n\r\nHello.\r\n")); err != nil {
		fmt.Println(err)
		return
	}
	r, err := relations.Relation(ctx, "ann@example.com", "bob@example.org")
	fmt.Println(r.State == policy.Known, r.Grant != capability.ID{}, err)
	name, _, _ := strings.Cut(sent.messages[0], ":")
	fmt.Println(name)
	// Output:
	// true true <nil>
	// Delivery-Capability-Offer
}

// What would be done with a letter? The decision is a pure function.
func ExampleRules_Decide() {
	signed := policy.Auth{Domain: "example.com", DKIM: "pass", DMARC: "pass"}
	for _, e := range []policy.Evidence{
		{},
		{Auth: signed},
		{Auth: signed, Postage: 20},
		{Auth: signed, Relation: policy.Known},
	} {
		d := policy.Strict().Decide(e)
		fmt.Println(d.Action, d.Class, d.Bits, d.Reply.Code, d.Reply.Enhanced, "-", d.Reason)
	}
	// Output:
	// refuse  0 550 5.7.20 - author not authenticated
	// ask postage  20 550 5.7.1 - unknown
	// request request 20 0  - unknown, has paid
	// accept trusted 0 0  - the recipient has written to this author
}

// How does a store obey? It reads the field that the Gate has put on top.
func ExampleParseNote() {
	note, err := policy.ParseNote(" class=request; postage=20")
	fmt.Println(note.Class == policy.ClassRequest, note.Postage, err)
	_, err = policy.ParseNote(" class=best")
	fmt.Println(err)
	// Output:
	// true 20 <nil>
	// policy: Mailbricks-Decision: class "best"
}

// What does a refusal cost?
func ExampleParsePrices() {
	reply, err := smtp.ParseReply([]byte("550-5.7.1 Unknown sender, capability not established\r\n" +
		"550 5.7.1 Postage: scheme=hashcash; bits=20; resource=bob@example.org\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range policy.ParsePrices(reply) {
		fmt.Println(p.Scheme, p.Amount, p.Resource)
	}
	// Output:
	// hashcash 20 bob@example.org
}
