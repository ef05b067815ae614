package arc_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/auth/arc"
	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/auth/dnstest"
	"github.com/mailbricks/mailbricks/dkim"
)

// A list seals a message that it has changed; the next host asks what the list had found.
func Example() {
	key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		fmt.Println(err)
		return
	}
	dns := dnstest.New() // or net.DefaultResolver
	dns.AddTXT("nov._domainkey.lists.example", string(record))

	letter := "From: ann@example.com\r\nTo: all@lists.example\r\nSubject: [all] hello\r\n\r\nHello.\r\n-- \r\nthe list\r\n"
	sealer := arc.Sealer{Domain: "lists.example", Selector: "nov", Key: key, ID: "mx.lists.example"}
	set, err := sealer.Seal(strings.NewReader(letter), arc.None, // it came without a chain
		authres.Result{Method: "dkim", Value: "pass", Properties: []authres.Property{{Type: "header", Name: "d", Value: "example.com"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := arc.Verifier{Resolver: dns}.Verify(context.Background(), strings.NewReader(string(set)+letter))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Value)
	for _, s := range r.Sets {
		field, err := authres.Parse(s.Results)
		fmt.Println(s.Seal.Domain, "says", field.Results[0].Method, field.Results[0].Value, err)
	}
	// Output:
	// pass
	// lists.example says dkim pass <nil>
}
