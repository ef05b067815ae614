package hashcash_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
)

// Mint a stamp for a recipient and spend it: the second time it is refused.
func Example() {
	ctx := context.Background()
	stamp, err := hashcash.Minter{Bits: 12}.Mint(ctx, "bob@example.com", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	v := hashcash.Verifier{Bits: 12, Spent: &hashcash.MemoryStore{}}
	_, err = v.Verify(ctx, stamp.String(), "bob@example.com")
	fmt.Println(err)
	_, err = v.Verify(ctx, stamp.String(), "bob@example.com")
	fmt.Println(errors.Is(err, hashcash.ErrSpent))
	// Output:
	// <nil>
	// true
}

// Under a given clock and source of random text a stamp is always the same.
func ExampleMinter_Mint() {
	m := hashcash.Minter{
		Bits: 16,
		Rand: bytes.NewReader(make([]byte, 16)),
		Now:  func() time.Time { return time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC) },
	}
	stamp, err := m.Mint(context.Background(), "bob@example.com", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stamp, stamp.Value())
	fmt.Printf("%s", hashcash.AppendHeader(nil, stamp))
	// Output:
	// 1:16:261124:bob@example.com::AAAAAAAAAAAAAAAA:AAAHLb 16
	// X-Hashcash: 1:16:261124:bob@example.com::AAAAAAAAAAAAAAAA:AAAHLb
}

// How long will it take? There is no bar from 0 to 100 %: minting has no memory.
func ExampleEstimateBits() {
	e := hashcash.EstimateBits(20)
	fmt.Printf("mean %.0f, half within %.0f, 90 %% within %.0f attempts\n", e.Mean, e.P50, e.P90)
	fmt.Printf("done by now after as many as the mean: %.0f %%\n", 100*hashcash.Chance(20, 1<<20))
	// Output:
	// mean 1048576, half within 726817, 90 % within 2414434 attempts
	// done by now after as many as the mean: 63 %
}
