package jmaptest

import (
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type submissionSet = jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]

// submissions checks the roles for the type EmailSubmission, and that a client that follows their changes is kept in step.
func (b *bench) submissions() {
	roles := b.a.Submissions
	if roles.Setter == nil {
		b.Skip("the account has no Submissions.Setter")
	}
	do := func(r *submissionSet) *jmap.SetResponse[mail.KeptSubmission] {
		b.Helper()
		out, err := roles.Setter.Set(b.ctx, r)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	get := func(ids []jmap.ID) (*jmap.GetResponse[mail.KeptSubmission], error) {
		return roles.Getter.Get(b.ctx, &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
	}
	one := func(id jmap.ID) mail.KeptSubmission {
		b.Helper()
		got, err := get([]jmap.ID{id})
		if err != nil || len(got.List) != 1 {
			b.Fatalf("%s: %+v, %v", id, got, err)
		}
		return got.List[0]
	}
	replica := newReplica(b, "EmailSubmission", roles.Changer, get, func(x *mail.KeptSubmission) jmap.ID { return x.Submission.ID })
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	email := b.add(b.message(), at, nil, b.mailboxes()[0].ID)
	kept := func(id jmap.ID) mail.KeptSubmission {
		to := []mail.EnvelopeAddress{{Email: "bob@example.com"}, {Email: "carol@example.com"}}
		return mail.KeptSubmission{BlobID: email.BlobID, MessageID: "m@example.com", NextAttempt: jmap.UTCDate{Time: at},
			Submission: mail.EmailSubmission{ID: id, IdentityID: "I1", EmailID: email.ID, ThreadID: email.ThreadID, SendAt: jmap.UTCDate{Time: at}, UndoStatus: mail.UndoPending,
				Envelope: &mail.Envelope{MailFrom: mail.EnvelopeAddress{Email: "alice@example.com"}, RcptTo: to}, DeliveryStatus: map[string]mail.DeliveryStatus{}}}
	}
	first := kept("Sfirst")
	out := do(&submissionSet{Create: map[jmap.ID]mail.KeptSubmission{"k": first}, Update: map[jmap.ID]mail.SubmissionUpdate{"Snone": {Cancel: true}}, Destroy: []jmap.ID{"Snone"}})
	if out.OldState == out.NewState || len(out.Created) != 1 || out.NotUpdated["Snone"] == nil || out.NotDestroyed["Snone"] == nil {
		b.Errorf("created %+v", out)
	}
	if got, err := get(nil); err != nil || len(got.List) != 1 || !reflect.DeepEqual(got.List[0].Waiting(), []int{0, 1}) || got.List[0].Submission.UndoStatus != mail.UndoPending ||
		!got.List[0].NextAttempt.Equal(at) || got.List[0].MessageID != "m@example.com" || got.State != out.NewState {
		b.Errorf("got %+v, %v", got, err)
	}
	if got, err := get([]jmap.ID{"Sfirst", "Snone"}); err != nil || len(got.List) != 1 || !slices.Equal(got.NotFound, []jmap.ID{"Snone"}) {
		b.Errorf("got %+v, %v", got, err)
	}
	if e := do(&submissionSet{Destroy: []jmap.ID{"Sfirst"}}).NotDestroyed["Sfirst"]; e == nil || e.Type != jmap.SetForbidden {
		b.Errorf("destroy of one that is to be sent: %v", e)
	}
	stale := jmap.State("stale")
	if _, err := roles.Setter.Set(b.ctx, &submissionSet{IfInState: &stale}); !jmap.IsMethodError(err, jmap.StateMismatch) {
		b.Errorf("ifInState of another state: %v", err)
	}
	// The message outlives the email.
	b.do(&emailSet{Destroy: []jmap.ID{email.ID}})
	if x, err := b.a.Blobs.OpenBlob(b.ctx, one("Sfirst").BlobID); err != nil {
		b.Error("the message of a submission whose email has gone:", err)
	} else {
		x.Close()
	}
	if b.a.Watcher != nil {
		told := b.a.Watcher.Watch(b.ctx)
		out = do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{"Sfirst": {Cancel: true}}})
		select {
		case <-told:
		case <-b.ctx.Done():
			b.Fatal("a change that was not told")
		}
		if states, err := b.a.Watcher.States(b.ctx); err != nil || states["EmailSubmission"] != out.NewState {
			b.Errorf("states %v, %v, but EmailSubmission/set says %s", states, err, out.NewState)
		}
		if x := one("Sfirst"); x.Submission.UndoStatus != mail.UndoCanceled || !x.NextAttempt.IsZero() {
			b.Errorf("canceled: %+v", x)
		}
	}
	email = b.add(b.message(), at, nil, b.mailboxes()[0].ID)
	b.submissionReports(do, one, kept("Ssecond"))
	ids := []jmap.ID{"Sfirst", "Ssecond"}
	for n := range 40 {
		for range b.rnd.IntN(4) {
			switch id := ids[b.rnd.IntN(len(ids))]; b.rnd.IntN(4) {
			case 0:
				k := kept(jmap.ID("Sr" + strconv.Itoa(len(ids))))
				ids = append(ids, k.Submission.ID)
				do(&submissionSet{Create: map[jmap.ID]mail.KeptSubmission{"k": k}})
			case 1:
				do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{id: {Cancel: true}}})
			case 2:
				do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{id: {Attempt: &mail.SubmissionAttempt{Next: at.Add(time.Duration(n) * time.Second)}}}})
			default:
				do(&submissionSet{Destroy: []jmap.ID{id}})
			}
		}
		replica.sync(uint(1 + b.rnd.IntN(3)))
	}
}

// submissionReports checks attempts and what comes back.
func (b *bench) submissionReports(do func(*submissionSet) *jmap.SetResponse[mail.KeptSubmission], one func(jmap.ID) mail.KeptSubmission, k mail.KeptSubmission) {
	id := k.Submission.ID
	do(&submissionSet{Create: map[jmap.ID]mail.KeptSubmission{"k": k}})
	update := func(u mail.SubmissionUpdate) *jmap.SetError {
		return do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{id: u}}).NotUpdated[id]
	}
	taken := mail.DeliveryStatus{SMTPReply: "250 ok", Delivered: mail.DeliveryUnknown}
	if e := update(mail.SubmissionUpdate{Attempt: &mail.SubmissionAttempt{Status: map[string]mail.DeliveryStatus{"bob@example.com": taken, "carol@example.com": taken}}}); e != nil {
		b.Fatal(e)
	}
	if x := one(id); x.Submission.UndoStatus != mail.UndoFinal || len(x.Waiting()) != 0 || x.Submission.DeliveryStatus["carol@example.com"].Displayed != "unknown" {
		b.Errorf("handed over: %+v", x)
	}
	if e := update(mail.SubmissionUpdate{Cancel: true}); e == nil || e.Type != jmap.SetCannotUnsend {
		b.Errorf("cancel what is sent: %v", e)
	}
	report := b.add(b.message(), time.Time{}, nil, b.mailboxes()[0].ID)
	failed := &mail.SubmissionReport{BlobID: report.BlobID, Recipients: []mail.ReportedRecipient{{Address: "bob@example.com", SMTPReply: "550 5.1.1 no", Delivered: mail.DeliveryNo}}}
	if e := update(mail.SubmissionUpdate{Report: failed}); e != nil {
		b.Fatal(e)
	}
	b.do(&emailSet{Destroy: []jmap.ID{report.ID}})
	x := one(id).Submission
	if s := x.DeliveryStatus["bob@example.com"]; s.Delivered != mail.DeliveryNo || s.SMTPReply != "550 5.1.1 no" || !slices.Equal(x.DSNBlobIDs, []jmap.ID{report.BlobID}) {
		b.Errorf("reported: %+v", x)
	}
	if r, err := b.a.Blobs.OpenBlob(b.ctx, report.BlobID); err != nil {
		b.Error("a report that a submission names:", err)
	} else {
		r.Close()
	}
}
