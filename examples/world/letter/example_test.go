package letter_test

import (
	"fmt"

	"github.com/mailbricks/mailbricks/examples/world/letter"
)

// A file becomes what SMTP carries, and is known again below the trace fields that it got on its way.
func Example() {
	m, err := letter.Prepare([]byte("From: Ann <ann@example.com>\nSubject: Lunch?\n\nAt noon?"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q of %s\n", m.Subject, m.Domain)
	stored := "Return-Path: <ann@example.com>\r\nReceived: from a by b; now\r\n" + string(m.Bytes)
	fmt.Println(m.Compare([]byte(stored)))
	fmt.Println(m.Compare([]byte("X-Advertisement: buy\r\n" + stored)))

	_, err = letter.Prepare([]byte("Subject: a line ends\rhere\n"))
	fmt.Println(err)
	// Output:
	// "Lunch?" of example.com
	// <nil>
	// "X-Advertisement" stands on top of the letter and is no trace field
	// line 1 (octet 20) holds CR without LF, which SMTP cannot carry (RFC 5321 §2.3.8)
}
