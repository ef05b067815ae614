package payword_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/payword"
)

// A thousand letters for one signature; after the epoch the recipient's domain claims what it is owed.
func Example() {
	ctx := context.Background()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	ledger := new(payword.MemoryLedger)
	recipient := &payword.Scheme{
		Payers: func(context.Context, string) (ed25519.PublicKey, error) { return public, nil },
		Ledger: ledger,
		Spent:  &hashcash.MemoryStore{},
	}
	// The two sides share this process; else Open is a request over HTTPS.
	sender := &payword.Scheme{Payer: "example.org", Key: private, Open: recipient.Accept}

	for range 3 {
		demand, err := recipient.Quote(ctx, postage.Binding{Recipient: "bob@example.com", Sender: "example.org"})
		if err != nil {
			fmt.Println(err)
			return
		}
		stamp, err := sender.Pay(ctx, demand)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = recipient.Verify(ctx, demand, stamp)
		fmt.Println(err)
	}
	for _, claim := range ledger.Settle(time.Now().AddDate(0, 0, 30).Unix()) {
		units, err := claim.Check(public)
		fmt.Println(claim.Commitment.Payer, "owes", claim.Commitment.Payee, units, err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// example.org owes example.com 3 <nil>
}
