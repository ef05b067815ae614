package postage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/hashcash"
	"github.com/mailbricks/mailbricks/hashcash/postage"
	"github.com/mailbricks/mailbricks/hashcash/postage/postagetest"
)

func TestHashcashConforms(t *testing.T) {
	postagetest.Run(t, func(_ *testing.T, now func() time.Time, spent hashcash.SpentStore) postage.Scheme {
		return &postage.Hashcash{
			Bits:     16,
			Minter:   hashcash.Minter{Rand: postagetest.Rand(), Now: now, Workers: 1},
			Verifier: hashcash.Verifier{Now: now, Spent: spent},
		}
	})
}

func TestExt(t *testing.T) {
	full := postage.Binding{Recipient: "bob@example.com", Sender: "Example.ORG", Digest: [32]byte{0: 1, 31: 0xff}}
	for _, tt := range []struct {
		b    postage.Binding
		want string
	}{
		{postage.Binding{}, ""},
		{postage.Binding{Sender: "a_b-c.example"}, "from=a_b-c.example"},
		{full, "from=example.org;digest=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8"},
	} {
		got, err := tt.b.Ext()
		if got != tt.want || err != nil {
			t.Errorf("%+v: %q, %v; want %q", tt.b, got, err, tt.want)
		}
		back, err := postage.ParseExt(tt.b.Recipient, "other=1;"+got)
		if err != nil || back.Meets(tt.b) != nil || back.Recipient != tt.b.Recipient {
			t.Errorf("%q: %+v, %v", got, back, err)
		}
	}
	for _, domain := range []string{"a b", "a:b", "a;b", "a=b", "ü.example"} {
		if ext, err := (postage.Binding{Sender: domain}).Ext(); !errors.Is(err, postage.ErrDemand) {
			t.Errorf("%q: %q, %v; want ErrDemand", domain, ext, err)
		}
	}
	for _, ext := range []string{"from=", "from", "from=a;from=a", "digest=AQ", "digest=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP9", "digest=%%", "digest=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8="} {
		if b, err := postage.ParseExt("a@x", ext); !errors.Is(err, hashcash.ErrSyntax) {
			t.Errorf("%q: %+v, %v; want ErrSyntax", ext, b, err)
		}
	}
}

func FuzzParseExt(f *testing.F) {
	f.Add("from=example.org;digest=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8")
	f.Add("a;b=c,d;from=x")
	f.Add("from=;digest=")
	f.Fuzz(func(t *testing.T, ext string) {
		b, err := postage.ParseExt("bob@example.com", ext)
		if err != nil {
			if !errors.Is(err, hashcash.ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		text, err := b.Ext()
		if err != nil {
			return // a domain that is none: it meets no demand
		}
		if back, err := postage.ParseExt("bob@example.com", text); err != nil || back.Meets(b) != nil || b.Meets(back) != nil {
			t.Fatalf("%q: %+v, then %q: %+v, %v", ext, b, text, back, err)
		}
	})
}

// TestSimulation prints what a day costs whom, in seconds of one core's or one graphics processor's work. The package
// documentation has the table.
func TestSimulation(t *testing.T) {
	const core, graphics = 400e6, 45e9 // hashes a second
	cost := func(letters int, bits int, rate float64) float64 {
		if bits == 0 {
			return 0
		}
		return float64(letters) * hashcash.EstimateBits(bits).Mean / rate
	}
	type prices struct{ known, unknown, bad int }
	for _, tt := range []struct {
		name           string
		p              prices
		owner, spammer float64 // seconds, rounded
	}{
		{"fixed, 22 bits for all", prices{22, 22, 22}, 104.9, 93.2},
		{"by reputation, 22 bits for strangers, 0 for known senders, 32 for bad ones", prices{0, 22, 32}, 1.0, 95443.7},
	} {
		owner := cost(9_900, tt.p.known, core) + cost(100, tt.p.unknown, core)
		spammer := cost(1_000_000, tt.p.bad, graphics)
		t.Logf("%s: list owner with 10,000 letters, 9,900 to those who know it: %.1f s; spammer with 1,000,000: %.1f s", tt.name, owner, spammer)
		if d := owner - tt.owner; d > .1 || d < -.1 {
			t.Errorf("%s: list owner %.2f s, documented %.1f", tt.name, owner, tt.owner)
		}
		if d := spammer - tt.spammer; d > .1 || d < -.1 {
			t.Errorf("%s: spammer %.2f s, documented %.1f", tt.name, spammer, tt.spammer)
		}
	}
}

// The recipient quotes, the sender pays, the recipient verifies: once.
func Example() {
	ctx := context.Background()
	recipient := &postage.Hashcash{Bits: 12, Verifier: hashcash.Verifier{Spent: &hashcash.MemoryStore{}}}
	demand, err := recipient.Quote(ctx, postage.Binding{Recipient: "bob@example.com", Sender: "example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	stamp, err := new(postage.Hashcash).Pay(ctx, demand)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := recipient.Verify(ctx, demand, stamp)
	fmt.Println(value.Amount, value.Unit, "of", value.Bound.Sender, err)
	_, err = recipient.Verify(ctx, demand, stamp)
	fmt.Println(err)
	// Output:
	// 12 bits of example.org <nil>
	// hashcash: spent
}
