package jmapclient_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// TestCyrus talks to another server: batches, blobs, changes and a copy that follows.
func TestCyrus(t *testing.T) {
	s := suites.Cyrus(t)
	message := func(i int) string {
		return fmt.Sprintf("From: Eve <eve@example.org>\r\nTo: bob@example.com\r\nSubject: letter %d\r\nMessage-ID: <%d@example.org>\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\n\r\nHello.\r\n", i, i)
	}
	if err := s.Deliver("bob", message(0), message(1), message(2)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	c := &jmapclient.Client{URL: s.URL, Auth: jmapclient.Basic("bob", "secret")}
	account, err := c.Account(ctx, jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	b := c.Batch(jmap.CapabilityMail)
	boxes := jmapclient.Add[jmap.GetResponse[mail.Mailbox]](b, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	q := jmapclient.Add[jmap.QueryResponse](b, "Email/query", queryRequest{AccountID: account, Sort: []mail.Comparator{{Property: "subject"}}})
	g := jmapclient.Add[getResponse](b, "Email/get", getRequest{AccountID: account, Properties: []string{"subject", "from", "receivedAt", "bodyStructure", "blobId"}}, q.Ref("ids", "/ids"))
	if err := b.Do(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := boxes.Result()
	if err != nil || len(list.List) < 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	var inbox jmap.ID
	for _, m := range list.List {
		if m.Role == "inbox" {
			inbox = m.ID
		}
	}
	emails, err := g.Result()
	if err != nil || len(emails.List) != 3 || *emails.List[1].Subject != "letter 1" || emails.List[1].From[0].Name != "Eve" || emails.List[1].BodyStructure.Type != "text/plain" {
		t.Fatalf("%+v, %v", emails, err)
	}
	if got := fetch(t, c, account, emails.List[0].BlobID); !strings.HasSuffix(got, "\r\n\r\nHello.\r\n") {
		t.Errorf("%q", got)
	}

	copied := &jmapclient.Memory[mail.Email]{ID: emailID}
	sync := &jmapclient.Sync[mail.Email]{Client: c, Account: account, Capability: jmap.CapabilityMail, Type: "Email",
		Properties: []string{"subject", "keywords"}, ID: emailID, Copy: copied}
	if err := sync.Once(ctx); err != nil {
		t.Fatal(err)
	}
	up, err := c.Upload(ctx, account, "message/rfc822", strings.NewReader(message(3)))
	if err != nil || up.Size != int64(len(message(3))) {
		t.Fatalf("%+v, %v", up, err)
	}
	if got := fetch(t, c, account, up.BlobID); got != message(3) {
		t.Errorf("%q", got)
	}
	first := emails.List[0].ID
	subject := "made here"
	set := jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: account,
		Create:  map[jmap.ID]mail.Email{"k": {MailboxIDs: map[jmap.ID]bool{inbox: true}, Subject: &subject, From: []mail.Address{{Email: "bob@example.com"}}}},
		Update:  map[jmap.ID]jmap.Patch{first: {"keywords/$flagged": jmap.Raw("true")}},
		Destroy: []jmap.ID{emails.List[2].ID}}
	done, err := jmapclient.Set[mail.Email](ctx, c, jmap.CapabilityMail, "Email", set)
	if err != nil || len(done.Created) != 1 || len(done.Updated) != 1 || len(done.Destroyed) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if err := sync.Once(ctx); err != nil {
		t.Fatal(err)
	}
	if e, ok := copied.Get(first); !ok || !e.Keywords["$flagged"] {
		t.Errorf("%+v", e)
	}
	if ids, _ := copied.IDs(ctx); len(ids) != 3 {
		t.Errorf("%d emails in the copy", len(ids))
	}
	if err := copied.Apply(ctx, &jmapclient.Delta[mail.Email]{State: "unknown", Records: []mail.Email{{ID: "gone"}}}); err != nil {
		t.Fatal(err)
	}
	if err := sync.Once(ctx); err != nil {
		t.Errorf("an unknown state: %v", err)
	}
	if ids, _ := copied.IDs(ctx); len(ids) != 3 {
		t.Errorf("%d emails in the copy", len(ids))
	}
	n := 0
	for _, err := range c.Events(ctx, "Email") { // it has an address for events, but with this configuration none to send
		if e, ok := errors.AsType[*jmap.RequestError](err); !ok || e.Status != 204 {
			t.Error(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
	_, err = jmapclient.Do[getResponse](ctx, c, jmap.CapabilityMail, "Email/get", getRequest{AccountID: "nobody"})
	if !jmap.IsMethodError(err, jmap.AccountNotFound) {
		t.Errorf("a foreign account: %v", err)
	}
}

func fetch(t *testing.T, c *jmapclient.Client, account jmap.ID, blob jmap.ID) string {
	t.Helper()
	r, err := c.Download(t.Context(), account, blob, "message/rfc822", "x.eml")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(got)
}
