package ticket_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/ticket"
)

// An issuer sells a ticket; the recipient takes it, once, without asking the issuer.
func Example() {
	ctx := context.Background()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	key, err := ticket.NewKey(&private.PublicKey, 1, now, now.AddDate(0, 0, 28))
	if err != nil {
		fmt.Println(err)
		return
	}
	credit := 1
	issuer := &ticket.Issuer{Charge: func(_ context.Context, value int) error {
		if credit < value {
			return fmt.Errorf("no credit")
		}
		credit -= value
		return nil
	}}
	if err := issuer.Add(private, key); err != nil {
		fmt.Println(err)
		return
	}

	recipient := &ticket.Scheme{Issuer: "issuer.example", Keys: []*ticket.Key{key}, Spent: &hashcash.MemoryStore{}}
	demand, err := recipient.Quote(ctx, postage.Binding{Recipient: "bob@example.com", Sender: "example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}

	sender := &ticket.Scheme{Issuer: "issuer.example", Keys: []*ticket.Key{key}, Sign: issuer.Sign}
	stamp, err := sender.Pay(ctx, demand)
	fmt.Println(len(stamp), err)
	value, err := recipient.Verify(ctx, demand, stamp)
	fmt.Println(value.Amount, value.Unit, err)
	_, err = recipient.Verify(ctx, demand, stamp)
	fmt.Println(err)
	_, err = sender.Pay(ctx, demand)
	fmt.Println(err)
	// Output:
	// 472 <nil>
	// 1 tickets of issuer.example <nil>
	// hashcash: spent
	// no credit
}
