package equihash_test

import (
	"context"
	"fmt"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/equihash"
)

// Pay for a letter with memory. n = 96 takes 8 MiB and a moment; 120 is the default.
func Example() {
	ctx := context.Background()
	s := &equihash.Scheme{N: 96, Spent: &hashcash.MemoryStore{}}
	demand, err := s.Quote(ctx, postage.Binding{Recipient: "bob@example.com", Sender: "example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	stamp, err := s.Pay(ctx, demand)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Verify(ctx, demand, stamp)
	fmt.Println(err)
	_, err = s.Verify(ctx, demand, stamp)
	fmt.Println(err)
	// Output:
	// <nil>
	// hashcash: spent
}

// The puzzle alone, without a stamp around it.
func ExampleSolver_Solve() {
	var s equihash.Solver
	header := []byte("a block header")
	solutions, err := s.Solve(context.Background(), 96, header)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, x := range solutions {
		fmt.Println(len(x), "octets:", equihash.Check(96, header, x))
	}
	// Output:
	// 68 octets: <nil>
}
