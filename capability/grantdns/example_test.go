package grantdns_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/grantdns"
)

// A domain publishes the key that signs its grants, another host verifies a token with it, and the grant is taken back.
func Example() {
	ctx := context.Background()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	zone := dnstest.New()
	zone.Sign("example.com")
	line, _ := grantdns.Publisher{}.AppendKey(nil, "example.com", 0, grantdns.Key{Public: key.Public().(ed25519.PublicKey)})
	fmt.Print(string(line))
	zone.MustAdd(string(line))

	dns := grantdns.Resolver{Lookup: zone}
	v := capability.Verifier{Keys: dns, Status: dns, Store: capability.NewMemoryStore(nil)}
	token, _ := capability.Issue(capability.Grant{Issuer: "bob@example.com", Limits: capability.Limits{Scope: "shop.example"}}, key)
	letter := capability.Request{Sender: "orders@shop.example", Domain: "shop.example", Recipient: "bob@example.com"}
	_, err := v.Verify(ctx, token, letter)
	fmt.Println(err)

	line, _ = grantdns.Publisher{}.AppendGrant(nil, token.Grant(), grantdns.Revoked)
	zone.MustAdd(string(line))
	_, err = v.Verify(ctx, token, letter)
	fmt.Println(errors.Is(err, capability.ErrRevoked))
	// Output:
	// 0._mailcap.example.com. 300 IN TXT "v=MCAP1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik="
	// <nil>
	// true
}
