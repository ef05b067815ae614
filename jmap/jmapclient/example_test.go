package jmapclient_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// example serves a store to alice.
func example(store *jmaptest.Store) (*jmapclient.Client, func()) {
	auth := jmapserver.Auth{AllowPlaintext: true, Token: func(context.Context, string) (string, error) { return "alice@example.com", nil }}
	server := httptest.NewServer(mailserver.NewServer(store, auth.User))
	return &jmapclient.Client{URL: server.URL, Auth: jmapclient.Bearer("secret")}, server.Close
}

// How to be told of changes, and of those that came before the subscription stood.
func ExampleClient_Events() {
	store := jmaptest.NewStore("alice@example.com")
	c, stop := example(store)
	defer stop()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for change, err := range c.Events(ctx, "Email") {
		if err != nil {
			fmt.Println(err)
			return
		}
		if change.Changed == nil {
			fmt.Println("subscribed: fetch what there is")
			store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", "Lunch?", "At noon?"))
			continue
		}
		for account, types := range change.Changed {
			for typ := range types {
				fmt.Println(account, typ)
			}
		}
		break
	}
	// Output:
	// subscribed: fetch what there is
	// u1 Email
}

// How to have a message taken apart that no mailbox has: its bytes first, then what is wanted of them.
func ExampleClient_Upload() {
	store := jmaptest.NewStore("alice@example.com")
	c, stop := example(store)
	defer stop()

	ctx := context.Background()
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		fmt.Println(err)
		return
	}
	blob, err := c.Upload(ctx, account, "message/rfc822", strings.NewReader("Subject: a letter\r\n\r\nHello.\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	type parse struct {
		AccountID  jmap.ID   `json:"accountId"`
		BlobIDs    []jmap.ID `json:"blobIds"`
		Properties []string  `json:"properties"`
	}
	type parsed struct {
		Parsed map[jmap.ID]mail.Email `json:"parsed"`
	}
	res, err := jmapclient.Do[parsed](ctx, c, jmap.CapabilityMail, "Email/parse", parse{account, []jmap.ID{blob.BlobID}, []string{"subject"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(blob.Size, *res.Parsed[blob.BlobID].Subject)
	// Output: 29 a letter
}

// How to read everything that a filter finds, in pieces that the server takes.
func ExampleQuery() {
	store := jmaptest.NewStore("alice@example.com")
	for _, subject := range []string{"Lunch?", "Re: Lunch?", "Minutes"} {
		store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("Bob <bob@example.net>", subject, "…"))
	}
	c, stop := example(store)
	defer stop()

	ctx := context.Background()
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		fmt.Println(err)
		return
	}
	var ids []jmap.ID
	for id, err := range jmapclient.Query(ctx, c, jmap.CapabilityMail, "Email", jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]{
		AccountID: account,
		Filter:    jmap.Where(mail.EmailCondition{Subject: "lunch"}),
		Sort:      []mail.Comparator{{Property: "subject"}},
	}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		ids = append(ids, id)
	}
	emails, err := jmapclient.Get[mail.Email](ctx, c, jmap.CapabilityMail, "Email", jmap.GetRequest[mail.EmailGetArgs]{AccountID: account, IDs: ids, Properties: []string{"subject"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(emails.List), "emails")
	// Output: 2 emails
}
