package imaptest_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

func ExampleMemory() {
	ctx := context.Background()
	var b imaptest.Memory
	b.AddUser("alice")
	a, err := b.OpenAccount(ctx, "alice")
	if err != nil {
		fmt.Println(err)
		return
	}
	text := "Subject: hello\r\n\r\nworld\r\n"
	if _, err := a.Appender.Append(ctx, "INBOX", []imap.AppendMessage{{Size: int64(len(text)), Body: strings.NewReader(text)}}); err != nil {
		fmt.Println(err)
		return
	}
	inbox, err := a.Store.OpenMailbox(ctx, "INBOX")
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range inbox.Messages(ctx, imap.AllUIDs(), imap.FieldEnvelope|imap.FieldSize) {
		fmt.Println(m.UID, m.Envelope.Subject, m.Size, err)
	}
	// Output: 1 hello 25 <nil>
}
