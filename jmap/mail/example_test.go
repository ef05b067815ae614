package mail_test

import (
	"fmt"

	"github.com/mailbricks/mailbricks/jmap/mail"
)

// What do people see of a raw header field?
func ExampleDecodeText() {
	fmt.Println(mail.DecodeText(" =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_aus_K=C3=B6ln?="))
	// Output: Grüße aus Köln
}

// Which addresses are in a field?
func ExampleParseAddresses() {
	for _, a := range mail.ParseAddresses(` "Doe, Jo" <jo@example.com>, team: ann@example.org, bob@example.org;`) {
		fmt.Printf("%q %s\n", a.Name, a.Email)
	}
	// Output:
	// "Doe, Jo" jo@example.com
	// "" ann@example.org
	// "" bob@example.org
}

// What is the keyword of an IMAP flag?
func ExampleKeyword() {
	fmt.Println(mail.Keyword(`\Seen`), mail.Keyword("$Forwarded"), mail.Flag("$answered"))
	// Output: $seen $forwarded \Answered
}
