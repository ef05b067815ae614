package capability_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/capability"
)

type keys map[string]ed25519.PublicKey

func (k keys) PublicKey(_ context.Context, issuer string, _ uint8) (ed25519.PublicKey, error) {
	if pub, ok := k[issuer]; ok {
		return pub, nil
	}
	return nil, capability.ErrIssuer
}

// Bob lets a shop write to him once; the shop's second letter is refused.
func Example() {
	ctx := context.Background()
	public, private, _ := ed25519.GenerateKey(nil)
	token, err := capability.Issue(capability.Grant{
		Issuer: "bob@example.com",
		Limits: capability.Limits{Scope: "shop.example", Uses: 1},
	}, private)
	if err != nil {
		fmt.Println(err)
		return
	}
	v := capability.Verifier{Keys: keys{"bob@example.com": public}, Store: capability.NewMemoryStore(nil)}
	letter := capability.Request{Sender: "orders@shop.example", Domain: "shop.example", Recipient: "bob@example.com"}

	use, err := v.Verify(ctx, token, letter) // at RCPT
	fmt.Println(err)
	fmt.Println(v.Store.Commit(ctx, use, [32]byte{1})) // at the final 250
	_, err = v.Verify(ctx, token, letter)
	fmt.Println(errors.Is(err, capability.ErrUsedUp))
	// Output:
	// <nil>
	// <nil>
	// true
}

// A holder hands on less than it has, without asking anybody, and never more.
func ExampleToken_Attenuate() {
	_, private, _ := ed25519.GenerateKey(nil)
	token, _ := capability.Issue(capability.Grant{
		Issuer: "bob@example.com",
		Limits: capability.Limits{Scope: "shop.example", Uses: 10},
	}, private)
	narrow, err := token.Attenuate(capability.Limits{Scope: "orders@shop.example", Uses: 2})
	fmt.Println(narrow.Grant().Scope, narrow.Grant().Uses, err)
	_, err = narrow.Attenuate(capability.Limits{Uses: 3})
	fmt.Println(err)
	// Output:
	// orders@shop.example 2 <nil>
	// capability: a block widens the grant
}

// An address for one shop: the right to write to Bob is part of it, and the shop needs to know nothing of that.
func ExampleTags() {
	ctx := context.Background()
	tags := capability.Tags{Keys: map[uint8][]byte{1: capability.NewTagKey()}, Current: 1}
	store := capability.NewMemoryStore(nil)
	grant := capability.Grant{ID: capability.NewTagID(), Issuer: "bob@example.com", Limits: capability.Limits{Scope: "shop.example"}}
	_ = store.PutGrant(ctx, grant)
	local, err := tags.Append(grant.ID, "bob", "example.com")
	fmt.Println(len(local), err)

	v := capability.Verifier{Store: store, Grants: store}
	tag, err := tags.Parse(local, "example.com") // at RCPT; asks no store
	fmt.Println(tag.Local, err)
	_, err = v.VerifyTag(ctx, tag, capability.Request{Sender: "orders@shop.example", Domain: "shop.example", Recipient: "bob@example.com"})
	fmt.Println(err)
	_, err = v.VerifyTag(ctx, tag, capability.Request{Sender: "ads@ads.example", Domain: "ads.example", Recipient: "bob@example.com"})
	fmt.Println(err)
	_, err = tags.Parse("bob+"+local[len(local)-capability.TagLength:], "example.org") // another mailbox
	fmt.Println(err)
	// Output:
	// 36 <nil>
	// bob <nil>
	// <nil>
	// capability: sender is not in the grant's scope
	// capability: tag does not verify
}
