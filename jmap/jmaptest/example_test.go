package jmaptest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// How does a test get a store with a letter in it?
func ExampleStore() {
	ctx := context.Background()
	store := jmaptest.NewStore("alice@example.com")
	id := store.Deliver("alice@example.com", "inbox", time.Now(), jmaptest.Message("bob@example.org", "Hi", "Hello."), "$seen")
	accounts, err := store.Accounts(ctx, "alice@example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := accounts[0].Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{IDs: []jmap.ID{id}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range got.List {
		fmt.Println(r.ID == id, r.Keywords)
	}
	// Output: true [$seen]
}
