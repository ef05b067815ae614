package dkim_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/dkim"
)

// Sign a message, publish the key, verify it.
func Example() {
	key, err := dkim.GenerateKey(dkim.Ed25519SHA256)
	if err != nil {
		fmt.Println(err)
		return
	}
	letter := "From: ann@example.com\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n"
	fields, err := dkim.Sign(strings.NewReader(letter), dkim.Signer{Domain: "example.com", Selector: "nov", Key: key})
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := dkim.AppendRecord(nil, key.Public())
	if err != nil {
		fmt.Println(err)
		return
	}
	dns := zone{"nov._domainkey.example.com": string(record)} // or net.DefaultResolver
	results, err := dkim.Verifier{Resolver: dns}.Verify(context.Background(), strings.NewReader(string(fields)+letter))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Value, r.Signature.Domain, r.Signature.Algorithm)
	}
	results, _ = dkim.Verifier{Resolver: dns}.Verify(context.Background(), strings.NewReader(string(fields)+letter+"PS: buy now!\r\n"))
	for _, r := range results {
		fmt.Println(r.Value, "-", r.Reason())
	}
	// Output:
	// pass example.com ed25519-sha256
	// fail - body has changed
}
