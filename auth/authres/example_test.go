package authres_test

import (
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/auth/authres"
	"github.com/mailbricks/mailbricks/dkim"
)

// A border host takes forged fields away and writes its own.
func ExampleStrip() {
	section := []byte("Authentication-Results: MX.example.org; dkim=pass header.d=bank.example\r\nFrom: eve@example.net\r\n\r\n")
	section = authres.Strip(nil, section, "mx.example.org")
	verdict := dkim.Result{Value: dkim.Fail, Err: dkim.ErrBodyHash, Signature: dkim.Signature{Domain: "bank.example", Selector: "s"}}
	section = append(authres.Append(nil, "mx.example.org", verdict), section...)
	fmt.Print(strings.ReplaceAll(string(section), "\r", ""))
	// Output:
	// Authentication-Results: mx.example.org;
	//  dkim=fail reason="body has changed" header.d=bank.example header.s=s
	// From: eve@example.net
}

// A reader looks for what a host that it trusts has found out.
func ExampleParse() {
	f, err := authres.Parse(" mx.example.org; dmarc=pass (p=reject) header.from=example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range f.Results {
		fmt.Println(f.ID, "says:", r.Method, r.Value, r.Property("header", "from"))
	}
	// Output: mx.example.org says: dmarc pass example.com
}
