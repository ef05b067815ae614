package mailserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

// How is a store served over JMAP, and its inbox listed in one round trip?
func ExampleNewServer() {
	store := jmaptest.NewStore("alice@example.com")
	store.Deliver("alice@example.com", "inbox", time.Now(), jmaptest.Message("Bob <bob@example.org>", "Lunch?", "At noon."))
	everybody := func(*http.Request) (string, error) { return "alice@example.com", nil } // see jmapserver.Auth
	s := httptest.NewServer(mailserver.NewServer(store, everybody))
	defer s.Close()

	ctx := context.Background()
	c := &jmapclient.Client{URL: s.URL, HTTP: s.Client()}
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := c.Batch(jmap.CapabilityMail)
	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]{AccountID: account})
	g := jmapclient.Add[jmap.GetResponse[mail.Email]](b, "Email/get", jmap.GetRequest[mail.EmailGetArgs]{
		AccountID: account, Properties: []string{"subject", "from", "preview"}}, q.Ref("ids", "/ids"))
	if err := b.Do(ctx); err != nil {
		fmt.Println(err)
		return
	}
	emails, err := g.Result()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range emails.List {
		fmt.Printf("%s: %s (%s)\n", e.From[0].Name, *e.Subject, e.Preview)
	}
	// Output: Bob: Lunch? (At noon.)
}
