package mailstore_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp"
)

// Mail is delivered through smtp.Handler and read through imap.Account; the same Store answers both.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "mail")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := mailstore.Open(dir, mailstore.Options{})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	if err := store.EnsureAccount(ctx, "bob@example.org"); err != nil {
		panic(err)
	}

	results, err := smtp.Deliver(ctx, store, smtp.Envelope{
		From: smtp.Path{Local: "alice", Domain: "example.com"},
		Recipients: []smtp.Recipient{
			{To: smtp.Path{Local: "bob", Domain: "example.org"}},
			{To: smtp.Path{Local: "carol", Domain: "example.org"}},
		},
	}, strings.NewReader("From: alice@example.com\r\nSubject: Lunch\r\n\r\nAt noon?\r\n"))
	if err != nil {
		panic(err)
	}
	for _, r := range results {
		fmt.Println(r.Reply)
	}

	account, err := store.OpenAccount(ctx, "bob@example.org")
	if err != nil {
		panic(err)
	}
	inbox, err := account.Store.OpenMailbox(ctx, "INBOX")
	if err != nil {
		panic(err)
	}
	for m, err := range inbox.Messages(ctx, imap.AllUIDs(), imap.FieldEnvelope|imap.FieldSize) {
		if err != nil {
			panic(err)
		}
		fmt.Println(m.UID, m.Envelope.Subject, m.Size)
	}
	// Output:
	// 250 2.1.5 Delivered
	// 550 5.1.1 No such user here
	// 1 Lunch 87
}
