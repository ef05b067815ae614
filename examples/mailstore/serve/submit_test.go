package serve_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailstore"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
)

type (
	setEmails = jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]
	submit    = jmap.SetRequest[mail.EmailSubmission, jmap.Patch, mail.EmailSubmissionSetArgs]
)

// TestSubmit writes a letter over JMAP and sends it to somebody of the same store, in one request.
func TestSubmit(t *testing.T) {
	r := newRig(t, func(c *serve.Config) { c.Submit = c.Store })
	addr, stop := start(t, r.JMAP)
	defer stop()
	c := r.client(addr, jmapclient.Basic("alice@example.com", "secret"))
	account, err := c.Account(t.Context(), jmap.CapabilitySubmission)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](t.Context(), c, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	if err != nil {
		t.Fatal(err)
	}
	byRole := make(map[mail.Role]jmap.ID)
	for _, m := range boxes.List {
		byRole[m.Role] = m.ID
	}
	who, err := jmapclient.Do[jmap.GetResponse[mail.Identity]](t.Context(), c, jmap.CapabilitySubmission, "Identity/get", jmap.GetRequest[jmap.NoArgs]{AccountID: account})
	if err != nil || len(who.List) != 1 || who.List[0].Email != "alice@example.com" {
		t.Fatalf("%+v, %v", who, err)
	}
	send := func(to string) *jmap.SetResponse[mail.EmailSubmission] {
		t.Helper()
		b := c.Batch(jmap.CapabilityMail, jmap.CapabilitySubmission)
		subject := "Grüße"
		made := jmapclient.Add[jmap.SetResponse[mail.Email]](b, "Email/set", setEmails{AccountID: account, Create: map[jmap.ID]mail.Email{"d": {
			MailboxIDs: map[jmap.ID]bool{byRole["drafts"]: true}, Keywords: map[string]bool{"$draft": true}, Subject: &subject,
			From: []mail.Address{{Email: who.List[0].Email}}, To: []mail.Address{{Email: to}},
			TextBody: []mail.BodyPart{{PartID: "1"}}, BodyValues: map[string]mail.BodyValue{"1": {Value: "hello"}},
		}}})
		sent := jmapclient.Add[jmap.SetResponse[mail.EmailSubmission]](b, "EmailSubmission/set", submit{AccountID: account,
			Create: map[jmap.ID]mail.EmailSubmission{"s": {IdentityID: who.List[0].ID, EmailID: "#d"}},
			Args:   mail.EmailSubmissionSetArgs{OnSuccessUpdateEmail: map[jmap.ID]jmap.Patch{"#s": {"keywords/$draft": jmap.Raw("null"), "mailboxIds": jmap.Raw(`{"` + string(byRole["sent"]) + `":true}`)}}}})
		if err := b.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if res, err := made.Result(); err != nil || len(res.Created) != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		res, err := sent.Result()
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := send("bob@example.org")
	if s := res.Created["s"]; s.UndoStatus != mail.UndoFinal || !strings.HasPrefix(s.DeliveryStatus["bob@example.org"].SMTPReply, "250") {
		t.Fatalf("%+v", res)
	}
	q, err := jmapclient.Do[jmap.QueryResponse](t.Context(), c, jmap.CapabilityMail, "Email/query", query{AccountID: account, Filter: jmap.Where(mail.EmailCondition{InMailbox: byRole["sent"], NotKeyword: "$draft"})})
	if err != nil || len(q.IDs) != 1 {
		t.Errorf("sent: %+v, %v", q, err)
	}
	bob := r.client(addr, jmapclient.Basic("bob", "secret"))
	account2, err := bob.Account(t.Context(), jmap.CapabilityMail)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jmapclient.Do[gotEmails](t.Context(), bob, jmap.CapabilityMail, "Email/get", get{AccountID: account2, Properties: []string{"subject", "from", "preview"}})
	if err != nil || len(got.List) != 1 || *got.List[0].Subject != "Grüße" || got.List[0].Preview != "hello" || got.List[0].From[0].Email != "alice@example.com" {
		t.Errorf("bob: %+v, %v", got, err)
	}
	// Nobody there: not sent, and the draft stays one.
	if res := send("nobody@example.org"); res.NotCreated["s"] == nil || res.NotCreated["s"].Type != jmap.SetInvalidRecipients {
		t.Errorf("%+v", res.NotCreated["s"])
	}
	q, err = jmapclient.Do[jmap.QueryResponse](t.Context(), c, jmap.CapabilityMail, "Email/query", query{AccountID: account, Filter: jmap.Where(mail.EmailCondition{InMailbox: byRole["drafts"]})})
	if err != nil || len(q.IDs) != 1 {
		t.Errorf("drafts: %+v, %v", q, err)
	}
}

// telling is a Handler that tells the reverse-paths.
type telling struct {
	smtp.Handler
	from chan string
}

func (h *telling) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	h.from <- from.String()
	return h.Handler.Mail(ctx, peer, from, p)
}

// TestSubmitter: an answer goes out from nobody, in the store's own delivery as over the wire, and is not answered.
func TestSubmitter(t *testing.T) {
	next := &telling{from: make(chan string, 10)}
	store, err := mailstore.OpenMemory(mailstore.Options{Answers: serve.Submitter(next)})
	if err != nil {
		t.Fatal(err)
	}
	next.Handler = store
	defer store.Close()
	for _, name := range []string{"alice@example.com", "bob@example.com"} {
		if err := store.EnsureAccount(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		list, err := store.Accounts(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := list[0].Vacation.SetVacation(t.Context(), func(v *mail.VacationResponse, _ jmap.State) error { v.IsEnabled = true; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	list, err := store.Accounts(t.Context(), "bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	told := list[0].Watcher.Watch(t.Context())
	letter := "From: bob@example.com\r\nTo: alice@example.com\r\nSubject: lunch\r\n\r\nToday?\r\n"
	e := smtp.Envelope{From: smtp.Path{Local: "bob", Domain: "example.com"}, Recipients: []smtp.Recipient{{To: smtp.Path{Local: "alice", Domain: "example.com"}}}}
	if _, err := smtp.Deliver(t.Context(), store, e, strings.NewReader(letter)); err != nil {
		t.Fatal(err)
	}
	<-told // the answer has come
	if from := <-next.from; from != "<>" || len(next.from) > 0 {
		t.Errorf("sent from %s, and %d more", from, len(next.from))
	}
}
