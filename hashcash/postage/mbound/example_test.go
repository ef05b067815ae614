package mbound_test

import (
	"context"
	"fmt"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/mbound"
)

// Both sides need the table.
func Example() {
	ctx := context.Background()
	table, err := mbound.NewTable(12) // 16 KiB, for the example; mbound.DefaultTable is 16 MiB
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &mbound.Scheme{Table: table, Bits: 6, Spent: &hashcash.MemoryStore{}}
	demand, err := s.Quote(ctx, postage.Binding{Recipient: "bob@example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	stamp, err := s.Pay(ctx, demand)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := s.Verify(ctx, demand, stamp)
	fmt.Println(value.Amount, value.Unit, demand.Params, err)
	// Output:
	// 6 bits table=12,steps=2048 <nil>
}
