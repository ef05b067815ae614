package mail_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
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

// A message is made of the properties of an Email.
func ExampleComposer_Compose() {
	c := mail.Composer{Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	raw, err := c.Compose(jmap.Raw(`{
		"from": [{"name": "Ann", "email": "ann@example.com"}],
		"subject": "Grüße",
		"messageId": ["1@example.com"],
		"textBody": [{"partId": "t"}],
		"bodyValues": {"t": {"value": "Hello"}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.ReplaceAll(string(raw), "\r", ""))
	// Output:
	// From: "Ann" <ann@example.com>
	// Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
	// Message-ID: <1@example.com>
	// Date: Fri, 2 Jan 2026 03:04:05 +0000
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=us-ascii
	// Content-Transfer-Encoding: 7bit
	//
	// Hello
}

// What is sent to those who write while a user is away, and to whom is nothing sent?
func ExampleVacationResponse_Answer() {
	subject, text := "Away until Monday", "I will read your letter then."
	v := mail.VacationResponse{IsEnabled: true, Subject: &subject, TextBody: &text}
	a := &mail.Arrival{
		From:   "bob@example.org", // the reverse-path
		Header: []byte("To: alice@example.com\r\nSubject: Lunch?\r\nMessage-ID: <42@example.org>\r\n\r\n"),
		At:     time.Now(),
		As:     mail.Address{Name: "Alice", Email: "alice@example.com"},
	}
	answer, err := v.Answer(a)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := mail.Summarize(answer)
	fmt.Println(s.From[0].Email, "to", s.To[0].Email, *s.Subject, s.InReplyTo)

	a.Header = append([]byte("List-Id: <talk.example.org>\r\n"), a.Header...)
	_, err = v.Answer(a)
	fmt.Println(err)
	// Output:
	// alice@example.com to bob@example.org Away until Monday [42@example.org]
	// jmap: no answer: it came over a mailing list
}
