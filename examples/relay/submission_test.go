package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/examples/cli/clitest"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A sender is a user of a store that sends by a relay, over JMAP.
type jmapSender struct {
	*testing.T
	c       *jmapclient.Client
	account jmap.ID
	box     jmap.ID
}

type (
	submissionSet = jmap.SetRequest[mail.EmailSubmission, jmap.Patch, mail.EmailSubmissionSetArgs]
	submissionGot = jmap.GetResponse[mail.EmailSubmission]
)

// call makes one call.
func call[Resp, Req any](s *jmapSender, method string, r Req) *Resp {
	s.Helper()
	out, err := jmapclient.Do[Resp](s.Context(), s.c, jmap.CapabilitySubmission, method, r)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// send writes to somebody, and submits that with parameters.
func (s *jmapSender) send(to string, from, rcpt map[string]*string) mail.EmailSubmission {
	s.Helper()
	b := s.c.Batch(jmap.CapabilityMail, jmap.CapabilitySubmission)
	subject := "to " + to
	jmapclient.Add[jmap.SetResponse[mail.Email]](b, "Email/set", jmap.SetRequest[mail.Email, jmap.Patch, jmap.NoArgs]{AccountID: s.account, Create: map[jmap.ID]mail.Email{"d": {
		MailboxIDs: map[jmap.ID]bool{s.box: true}, Subject: &subject, From: []mail.Address{{Email: alice}}, To: []mail.Address{{Email: to}},
		TextBody: []mail.BodyPart{{PartID: "1"}}, BodyValues: map[string]mail.BodyValue{"1": {Value: "hello"}}}}})
	sent := jmapclient.Add[jmap.SetResponse[mail.EmailSubmission]](b, "EmailSubmission/set", submissionSet{AccountID: s.account, Create: map[jmap.ID]mail.EmailSubmission{"s": {
		IdentityID: "I1", EmailID: "#d", Envelope: &mail.Envelope{MailFrom: mail.EnvelopeAddress{Email: alice, Parameters: from}, RcptTo: []mail.EnvelopeAddress{{Email: to, Parameters: rcpt}}}}}})
	if err := b.Do(s.Context()); err != nil {
		s.Fatal(err)
	}
	res, err := sent.Result()
	if err != nil || len(res.Created) != 1 {
		s.Fatalf("%+v, %v", res, err)
	}
	return res.Created["s"]
}

// TestJMAPSubmission: what a user sends is held and canceled, reaches others, and what comes back of it is told.
func TestJMAPSubmission(t *testing.T) {
	w := newWorld(t)
	b := w.relayB(t)
	lmtp := clitest.NewTap(t) // the relay is there before the store
	a := clitest.Start(t, "relay", run, "-hostname", "mx.a.example", "-submission", "127.0.0.1:0", "-user", alice+":secret", "-local", "a.example", "-deliver", "lmtp://"+lmtp.Addr,
		"-queue", "dir:"+filepath.Join(w.dir, "queue"), "-resolver", "zone:"+w.files["zone"], "-dkim", "a.example:s:"+w.files["dkim"],
		"-connect", "mx.b.example:25="+b.Addr("mx"), "-retry", "1h", "-tls-ca", w.files["cert"])
	store := clitest.Spawn(t, clitest.Build(t, "../store"), "-data", filepath.Join(w.dir, "mail"), "-user", alice+":secret", "-lmtp", "127.0.0.1:0", "-jmap", "127.0.0.1:0",
		"-allow-plaintext-auth", "-submit", "smtp://"+a.Addr("submission"), "-submit-user", alice+":secret")
	lmtp.To(store.Addr("lmtp"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := func() *jmapclient.Client {
		return &jmapclient.Client{URL: "http://" + store.Addr("jmap"), Auth: jmapclient.Basic(alice, "secret")}
	}
	s := &jmapSender{T: t}
	for { // until the store has asked the relay
		s.c = client()
		session, err := s.c.Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.account = session.PrimaryAccounts[jmap.CapabilityMail]
		if can := string(session.Accounts[s.account].AccountCapabilities[jmap.CapabilitySubmission]); strings.Contains(can, `"DSN"`) && strings.Contains(can, `"FUTURERELEASE"`) {
			break
		}
	}
	boxes, err := jmapclient.Do[jmap.GetResponse[mail.Mailbox]](ctx, s.c, jmap.CapabilityMail, "Mailbox/get", jmap.GetRequest[jmap.NoArgs]{AccountID: s.account})
	if err != nil {
		t.Fatal(err)
	}
	s.box = boxes.List[0].ID

	hour, never := "3600", "SUCCESS,FAILURE"
	held := s.send("bob@b.example", map[string]*string{"HOLDFOR": &hour}, nil)
	if held.UndoStatus != mail.UndoPending || time.Until(held.SendAt.Time) < 50*time.Minute {
		t.Errorf("held: %+v", held)
	}
	canceled := call[jmap.SetResponse[mail.EmailSubmission]](s, "EmailSubmission/set", submissionSet{AccountID: s.account, Update: map[jmap.ID]jmap.Patch{held.ID: {"undoStatus": jmap.Raw(`"canceled"`)}}})
	if _, ok := canceled.Updated[held.ID]; !ok {
		t.Errorf("canceled: %+v", canceled)
	}
	sent := s.send("bob@b.example", nil, nil)
	if got := <-w.got; got.Recipients[0].To.Address() != "bob@b.example" || sent.UndoStatus != mail.UndoFinal || !strings.HasPrefix(sent.DeliveryStatus["bob@b.example"].SMTPReply, "250") {
		t.Errorf("%+v, %+v", got, sent)
	}
	s.bounced(ctx, &never)
	if n := len(w.store.Messages()); n != 1 {
		t.Errorf("%d messages came to bob", n)
	}
}

// bounced sends to nobody, and waits until that is pushed.
func (s *jmapSender) bounced(ctx context.Context, notify *string) {
	s.Helper()
	var lost mail.EmailSubmission
	for _, err := range s.c.Events(ctx, "EmailSubmission") {
		if err != nil {
			s.Fatal(err)
		}
		if lost.ID == "" { // the first event says that it listens
			lost = s.send("nobody@b.example", nil, map[string]*string{"NOTIFY": notify})
		}
		x := call[submissionGot](s, "EmailSubmission/get", jmap.GetRequest[jmap.NoArgs]{AccountID: s.account, IDs: []jmap.ID{lost.ID}}).List[0]
		if status := x.DeliveryStatus["nobody@b.example"]; status.Delivered == mail.DeliveryNo {
			if !strings.HasPrefix(status.SMTPReply, "550 5.1.1") || len(x.DSNBlobIDs) != 1 {
				s.Errorf("%+v", x)
			}
			return
		}
	}
	s.Error("no bounce was pushed")
}
