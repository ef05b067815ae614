package mailstore

import (
	"fmt"
	stdmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/dsn"
)

type keptSet = jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]

// kept is a submission to bob and carol.
func kept(id string) mail.KeptSubmission {
	at := jmap.UTCDate{Time: time.Now().UTC().Truncate(time.Second)}
	return mail.KeptSubmission{MessageID: id + "@example.com", NextAttempt: at, Submission: mail.EmailSubmission{ID: jmap.ID(id), SendAt: at, UndoStatus: mail.UndoPending,
		Envelope: &mail.Envelope{MailFrom: mail.EnvelopeAddress{Email: "alice@example.com"}, RcptTo: []mail.EnvelopeAddress{{Email: "bob@example.org"}, {Email: "carol@example.org"}}}}}
}

func (k keptTest) set(r *keptSet) *jmap.SetResponse[mail.KeptSubmission] {
	k.t.Helper()
	out, err := k.a.Submissions.Setter.Set(k.t.Context(), r)
	if err != nil {
		k.t.Fatal(err)
	}
	return out
}

type keptTest struct {
	t *testing.T
	a *mail.Account
}

func (k keptTest) get(ids ...jmap.ID) []mail.KeptSubmission {
	k.t.Helper()
	got, err := k.a.Submissions.Getter.Get(k.t.Context(), &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
	if err != nil {
		k.t.Fatal(err)
	}
	return got.List
}

// sent makes submissions that were handed over.
func (k keptTest) sent(ids ...string) {
	k.t.Helper()
	status := mail.DeliveryStatus{SMTPReply: "250 ok", Delivered: mail.DeliveryUnknown}
	r := &keptSet{Create: make(map[jmap.ID]mail.KeptSubmission)}
	update := &keptSet{Update: make(map[jmap.ID]mail.SubmissionUpdate)}
	for _, id := range ids {
		r.Create[jmap.ID(id)] = kept(id)
		update.Update[jmap.ID(id)] = mail.SubmissionUpdate{Attempt: &mail.SubmissionAttempt{Status: map[string]mail.DeliveryStatus{"bob@example.org": status, "carol@example.org": status}}}
	}
	if out := k.set(r); len(out.Created) != len(ids) {
		k.t.Fatalf("%+v", out.NotCreated)
	}
	if out := k.set(update); len(out.Updated) != len(ids) {
		k.t.Fatalf("%+v", out.NotUpdated)
	}
}

// RFC 8621 §7: a DSN with the ENVID, and an MDN with the Message-ID, of what the account has sent change what is known of the
// recipients that they name, and nothing else.
func TestReports(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		user(t, s, "alice")
		user(t, s, "eve")
		k := keptTest{t, jmapUser(t, s, "alice")}
		k.sent("Sone", "Stwo")
		eve := keptTest{t, jmapUser(t, s, "eve")}
		eve.sent("Seve")
		n := 0
		deliver := func(raw []byte) {
			t.Helper()
			n++
			res, err := smtp.Deliver(t.Context(), s, smtp.Envelope{Recipients: []smtp.Recipient{{To: smtp.Path{Local: "alice"}}}}, strings.NewReader(string(raw)))
			if err != nil || res[0].Reply.Code != 250 {
				t.Fatal(res, err)
			}
		}
		bounce := func(envid, to string, action dsn.Action, diagnostic smtp.Reply) {
			t.Helper()
			m := dsn.Message{To: smtp.Path{Local: "alice", Domain: "example.com"}, MessageID: fmt.Sprintf("dsn%d@mx.example.org", n), Date: time.Now(), Report: dsn.Report{ReportingMTA: "mx.example.org", EnvelopeID: envid,
				Recipients: []dsn.Recipient{{Final: dsn.Address{Type: "rfc822", Address: to}, Action: action, Diagnostic: diagnostic}}}}
			raw, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			deliver(raw)
		}
		receipt := func(messageID, to string) {
			t.Helper()
			r := dsn.Receipt{MDN: dsn.MDN{FinalRecipient: dsn.Address{Type: "rfc822", Address: to}, OriginalMessageID: messageID,
				Disposition: dsn.Disposition{Action: dsn.ManualAction, Sending: dsn.SentManually, Type: dsn.Displayed}},
				To: []*stdmail.Address{{Address: "alice@example.com"}}, From: stdmail.Address{Address: to}, MessageID: fmt.Sprintf("mdn%d@example.org", n), Date: time.Now()}
			raw, err := r.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			deliver(raw)
		}
		states, _ := k.a.Watcher.States(t.Context())
		bounce("Snone", "bob@example.org", dsn.Failed, smtp.Reply{})
		bounce("Seve", "bob@example.org", dsn.Failed, smtp.Reply{})
		bounce("Sone", "mallory@example.org", dsn.Failed, smtp.Reply{})
		receipt("other@example.com", "bob@example.org")
		receipt("Sone@example.com", "mallory@example.org")
		if now, _ := k.a.Watcher.States(t.Context()); now["EmailSubmission"] != states["EmailSubmission"] {
			t.Error("reports about nothing changed something")
		}
		bounce("Sone", "bob@example.org", dsn.Failed, smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "No such user"))
		bounce("Sone", "carol@example.org", dsn.Delivered, smtp.Reply{})
		receipt("Sone@example.com", "carol@example.org")
		if now, _ := k.a.Watcher.States(t.Context()); now["EmailSubmission"] == states["EmailSubmission"] {
			t.Error("reports were not told")
		}
		list := k.get("Sone", "Stwo")
		one := list[0].Submission
		if b, c := one.DeliveryStatus["bob@example.org"], one.DeliveryStatus["carol@example.org"]; b != (mail.DeliveryStatus{SMTPReply: "550 5.1.1 No such user", Delivered: mail.DeliveryNo, Displayed: "unknown"}) ||
			c != (mail.DeliveryStatus{SMTPReply: "250 2.0.0 delivered", Delivered: mail.DeliveryYes, Displayed: "yes"}) || len(one.DSNBlobIDs) != 2 || len(one.MDNBlobIDs) != 1 {
			t.Errorf("%+v", one)
		}
		if two := list[1].Submission; len(two.DSNBlobIDs)+len(two.MDNBlobIDs) != 0 || len(eve.get("Seve")[0].Submission.DSNBlobIDs) != 0 {
			t.Errorf("of others: %+v", two)
		}
	})
}

// Submissions are bounded, those that wait, those that are done, and those that are remembered; they outlive the process.
func TestSubmissionsBounded(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	open := func() *Store {
		s, err := Open(dir, Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	user(t, s, "alice")
	k := keptTest{t, jmapUser(t, s, "alice")}
	k.sent("Sfirst", "Slast")
	state := k.set(&keptSet{}).NewState
	r := &keptSet{Create: make(map[jmap.ID]mail.KeptSubmission)}
	for i := range maxSubmissions + 1 {
		id := fmt.Sprintf("S%04d", i)
		r.Create[jmap.ID(id)] = kept(id)
	}
	out := k.set(r)
	if e := out.NotCreated["S1000"]; len(out.Created) != maxSubmissions || e == nil || e.Type != jmap.SetOverQuota {
		t.Fatalf("%d created, %v", len(out.Created), e)
	}
	if got := k.get("Sfirst", "Slast"); len(got) != 0 {
		t.Errorf("what is done has not made room: %+v", got)
	}
	if c, err := k.a.Submissions.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: state}); err != nil || !slices.Equal(c.Destroyed, []jmap.ID{"Sfirst", "Slast"}) || len(c.Created) != maxSubmissions {
		t.Errorf("%+v, %v", c, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer func() { s.Close() }()
	k = keptTest{t, jmapUser(t, s, "alice")}
	if due, err := s.Due(t.Context(), 5); err != nil || len(due) != 5 || due[0].User != "alice" || due[0].At.IsZero() {
		t.Errorf("%+v, %v", due, err)
	}
	cancel := &keptSet{Update: make(map[jmap.ID]mail.SubmissionUpdate)}
	for id := range out.Created {
		cancel.Update[id] = mail.SubmissionUpdate{Cancel: true}
	}
	k.set(cancel)
	now = now.Add(submissionLife + time.Hour)
	for i := range 12 { // a hundred of the old ones go with each
		id := jmap.ID(fmt.Sprintf("Snew%d", i))
		k.set(&keptSet{Create: map[jmap.ID]mail.KeptSubmission{"k": kept(string(id))}})
	}
	got, err := k.a.Submissions.Getter.Get(t.Context(), &jmap.GetRequest[jmap.NoArgs]{})
	if err != nil || len(got.List) != 12 {
		t.Errorf("%d are kept, %v", len(got.List), err)
	}
	if _, err := k.a.Submissions.Changer.Changes(t.Context(), &jmap.ChangesRequest{SinceState: state}); !jmap.IsMethodError(err, jmap.CannotCalculateChanges) {
		t.Errorf("since a state whose end is forgotten: %v", err)
	}
}
