package l402_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/l402"
)

// The receipt of a payment is the stamp. Node moves no money; yours does.
func Example() {
	ctx := context.Background()
	node := &l402.Node{Credit: 10}
	recipient := &l402.Scheme{Root: bytes.Repeat([]byte{1}, 32), Invoicer: node, Price: 3, Spent: &hashcash.MemoryStore{}}
	demand, err := recipient.Quote(ctx, postage.Binding{Recipient: "bob@example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	sender := &l402.Scheme{Payer: node, MaxPrice: 5}
	stamp, err := sender.Pay(ctx, demand)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := recipient.Verify(ctx, demand, stamp)
	fmt.Println(value.Amount, value.Unit, err)
	_, err = recipient.Verify(ctx, demand, stamp)
	fmt.Println(err)
	fmt.Println(node.Credit)
	// Output:
	// 3 units <nil>
	// hashcash: spent
	// 7
}
