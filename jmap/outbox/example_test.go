package outbox_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
	"github.com/mailbricks/mailbricks/jmap/outbox"
)

// A store whose users can have mail wait, and take it back.
func Example() {
	store := jmaptest.NewStore("alice@example.com")
	box := outbox.New(store, store, nil) // a mail.Backend and an outbox.Queue: one store is both
	defer box.Close()
	store.SetOutbox(box)
	server := mailserver.NewServer(store, func(*http.Request) (string, error) { return "alice@example.com", nil })
	accounts, _ := server.Accounts(context.Background(), "alice@example.com")
	fmt.Println(string(accounts[0].AccountCapabilities["urn:ietf:params:jmap:submission"]))
	// Output:
	// {"maxDelayedSend":2592000,"submissionExtensions":{"DSN":[],"FUTURERELEASE":[],"SIZE":["100000"]}}
}
