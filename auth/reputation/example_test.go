package reputation_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/auth/reputation"
)

// Is this address on a list? The list's test points are asked first.
func ExampleLists() {
	zone := dnstest.New() // or net.DefaultResolver
	zone.MustAdd(`
		2.0.0.127.bl.example.  IN A 127.0.0.2
		99.2.0.192.bl.example. IN A 127.0.0.4
		99.2.0.192.bl.example. IN TXT "sent spam on 1 May"`)
	lists := &reputation.Lists{Resolver: zone, Lists: []reputation.List{{Zone: "bl.example"}, {Zone: "dead.example"}}}
	for _, l := range lists.IP(context.Background(), netip.MustParseAddr("192.0.2.99")) {
		fmt.Println(l.Zone, l.Listed, l.Codes, l.Reason, l.Err)
	}
	// Output:
	// bl.example true [127.0.0.4] sent spam on 1 May <nil>
	// dead.example false []  reputation: list fails its test points: 2.0.0.127.dead.example is listed: false
}

// Does somebody whom I trust vouch for this mail?
func ExampleVBR_Verify() {
	zone := dnstest.New()
	zone.AddTXT("somebank.example._vouch.certifier.example", "transaction list")
	v, err := reputation.ParseVBR("md=somebank.example; mc=transaction; mv=certifier.example:own.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Verify(context.Background(), zone, []string{"somebank.example"}, []string{"certifier.example"}))
	// Output: certifier.example <nil>
}

// Does the address have a name that leads back to it?
func ExampleIPRev() {
	zone := dnstest.New()
	zone.MustAdd("1.2.0.192.in-addr.arpa. IN PTR mail.example.com.\nmail.example.com. IN A 192.0.2.1")
	v := reputation.IPRev(context.Background(), zone, netip.MustParseAddr("192.0.2.1"))
	fmt.Println(string(v.AppendResult(nil)), v.Names)
	// Output: iprev=pass policy.iprev=192.0.2.1 [mail.example.com]
}
