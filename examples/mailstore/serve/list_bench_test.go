package serve_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// BenchmarkListView is what a client shows first: 50 threads of 2,000 emails with ten properties, in one round trip.
func BenchmarkListView(b *testing.B) {
	r := newRig(b, nil)
	for i := range 2000 {
		r.deliver(b, "alice@example.com", fmt.Sprint("m", i))
	}
	h := r.JMAPHandler(nil)
	c := &jmapclient.Client{URL: "https://mail.example.com", Auth: jmapclient.Bearer("t0ken"), HTTP: &http.Client{Transport: handler{h}}}
	account, err := c.Account(b.Context(), jmap.CapabilityMail)
	if err != nil {
		b.Fatal(err)
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](b.Context(), c, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	if err != nil {
		b.Fatal(err)
	}
	var inbox jmap.ID
	for _, m := range boxes.List {
		if m.Role == "inbox" {
			inbox = m.ID
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		batch := c.Batch(jmap.CapabilityMail)
		q := jmapclient.Add[jmap.QueryResponse](batch, "Email/query", query{AccountID: account, Filter: jmap.Where(mail.EmailCondition{InMailbox: inbox}), Limit: new(uint(50)),
			Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: new(false)}}, Args: mail.EmailQueryArgs{CollapseThreads: true}})
		g := jmapclient.Add[jmap.Raw](batch, "Email/get", get{AccountID: account, Properties: []string{"threadId", "mailboxIds", "keywords", "from", "to", "subject", "receivedAt",
			"size", "preview", "hasAttachment"}}, q.Ref("ids", "/ids"))
		if err := batch.Do(b.Context()); err != nil {
			b.Fatal(err)
		}
		if _, err := g.Result(); err != nil {
			b.Fatal(err)
		}
	}
}
