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

// A submissionBench checks the roles for the type EmailSubmission.
type submissionBench struct {
	*bench
	roles mail.SubmissionRoles
	at    time.Time
	email mail.Record // what is sent
}

// submissions checks the roles, and that a client that follows their changes is kept in step.
func (b *bench) submissions() {
	if b.a.Submissions.Setter == nil {
		b.Skip("the account has no Submissions.Setter")
	}
	x := &submissionBench{bench: b, roles: b.a.Submissions, at: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	replica := newReplica(b, "EmailSubmission", x.roles.Changer, x.get, func(x *mail.KeptSubmission) jmap.ID { return x.Submission.ID })
	x.write()
	x.first()
	x.cancel()
	x.write()
	x.reports(x.kept("Ssecond"))
	x.follow(replica)
}

// write adds the email that is sent.
func (b *submissionBench) write() {
	b.Helper()
	b.email = b.add(b.message(), b.at, nil, b.mailboxes()[0].ID)
}

func (b *submissionBench) do(r *submissionSet) *jmap.SetResponse[mail.KeptSubmission] {
	b.Helper()
	out, err := b.roles.Setter.Set(b.ctx, r)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func (b *submissionBench) get(ids []jmap.ID) (*jmap.GetResponse[mail.KeptSubmission], error) {
	return b.roles.Getter.Get(b.ctx, &jmap.GetRequest[jmap.NoArgs]{IDs: ids})
}

func (b *submissionBench) one(id jmap.ID) mail.KeptSubmission {
	b.Helper()
	got, err := b.get([]jmap.ID{id})
	if err != nil || len(got.List) != 1 {
		b.Fatalf("%s: %+v, %v", id, got, err)
	}
	return got.List[0]
}

// kept is a submission of the email to two recipients.
func (b *submissionBench) kept(id jmap.ID) mail.KeptSubmission {
	to := []mail.EnvelopeAddress{{Email: "bob@example.com"}, {Email: "carol@example.com"}}
	return mail.KeptSubmission{BlobID: b.email.BlobID, MessageID: "m@example.com", NextAttempt: jmap.UTCDate{Time: b.at},
		Submission: mail.EmailSubmission{ID: id, IdentityID: "I1", EmailID: b.email.ID, ThreadID: b.email.ThreadID, SendAt: jmap.UTCDate{Time: b.at}, UndoStatus: mail.UndoPending,
			Envelope: &mail.Envelope{MailFrom: mail.EnvelopeAddress{Email: "alice@example.com"}, RcptTo: to}, DeliveryStatus: map[string]mail.DeliveryStatus{}}}
}

// first adds one submission, which is still to be sent.
func (b *submissionBench) first() {
	out := b.do(&submissionSet{Create: map[jmap.ID]mail.KeptSubmission{"k": b.kept("Sfirst")}, Update: map[jmap.ID]mail.SubmissionUpdate{"Snone": {Cancel: true}}, Destroy: []jmap.ID{"Snone"}})
	if out.OldState == out.NewState || len(out.Created) != 1 || out.NotUpdated["Snone"] == nil || out.NotDestroyed["Snone"] == nil {
		b.Errorf("created %+v", out)
	}
	if got, err := b.get(nil); err != nil || len(got.List) != 1 || !reflect.DeepEqual(got.List[0].Waiting(), []int{0, 1}) || got.List[0].Submission.UndoStatus != mail.UndoPending ||
		!got.List[0].NextAttempt.Equal(b.at) || got.List[0].MessageID != "m@example.com" || got.State != out.NewState {
		b.Errorf("got %+v, %v", got, err)
	}
	if got, err := b.get([]jmap.ID{"Sfirst", "Snone"}); err != nil || len(got.List) != 1 || !slices.Equal(got.NotFound, []jmap.ID{"Snone"}) {
		b.Errorf("got %+v, %v", got, err)
	}
	if e := b.do(&submissionSet{Destroy: []jmap.ID{"Sfirst"}}).NotDestroyed["Sfirst"]; e == nil || e.Type != jmap.SetForbidden {
		b.Errorf("destroy of one that is to be sent: %v", e)
	}
	stale := jmap.State("stale")
	if _, err := b.roles.Setter.Set(b.ctx, &submissionSet{IfInState: &stale}); !jmap.IsMethodError(err, jmap.StateMismatch) {
		b.Errorf("ifInState of another state: %v", err)
	}
	// The message outlives the email.
	b.bench.do(&emailSet{Destroy: []jmap.ID{b.email.ID}})
	if x, err := b.a.Blobs.OpenBlob(b.ctx, b.one("Sfirst").BlobID); err != nil {
		b.Error("the message of a submission whose email has gone:", err)
	} else {
		x.Close()
	}
}

// cancel cancels that one, which is told.
func (b *submissionBench) cancel() {
	if b.a.Watcher == nil {
		return
	}
	told := b.a.Watcher.Watch(b.ctx)
	out := b.do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{"Sfirst": {Cancel: true}}})
	select {
	case <-told:
	case <-b.ctx.Done():
		b.Fatal("a change that was not told")
	}
	if states, err := b.a.Watcher.States(b.ctx); err != nil || states["EmailSubmission"] != out.NewState {
		b.Errorf("states %v, %v, but EmailSubmission/set says %s", states, err, out.NewState)
	}
	if x := b.one("Sfirst"); x.Submission.UndoStatus != mail.UndoCanceled || !x.NextAttempt.IsZero() {
		b.Errorf("canceled: %+v", x)
	}
}

// follow changes submissions at random, a few at a time, and brings the replica up to date.
func (b *submissionBench) follow(replica *replica[mail.KeptSubmission]) {
	ids := []jmap.ID{"Sfirst", "Ssecond"}
	for n := range 40 {
		for range b.rnd.IntN(4) {
			switch id := ids[b.rnd.IntN(len(ids))]; b.rnd.IntN(4) {
			case 0:
				k := b.kept(jmap.ID("Sr" + strconv.Itoa(len(ids))))
				ids = append(ids, k.Submission.ID)
				b.do(&submissionSet{Create: map[jmap.ID]mail.KeptSubmission{"k": k}})
			case 1:
				b.do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{id: {Cancel: true}}})
			case 2:
				b.do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{id: {Attempt: &mail.SubmissionAttempt{Next: b.at.Add(time.Duration(n) * time.Second)}}}})
			default:
				b.do(&submissionSet{Destroy: []jmap.ID{id}})
			}
		}
		replica.sync(uint(1 + b.rnd.IntN(3)))
	}
}

// reports checks attempts and what comes back.
func (b *submissionBench) reports(k mail.KeptSubmission) {
	id := k.Submission.ID
	b.do(&submissionSet{Create: map[jmap.ID]mail.KeptSubmission{"k": k}})
	update := func(u mail.SubmissionUpdate) *jmap.SetError {
		return b.do(&submissionSet{Update: map[jmap.ID]mail.SubmissionUpdate{id: u}}).NotUpdated[id]
	}
	taken := mail.DeliveryStatus{SMTPReply: "250 ok", Delivered: mail.DeliveryUnknown}
	if e := update(mail.SubmissionUpdate{Attempt: &mail.SubmissionAttempt{Status: map[string]mail.DeliveryStatus{"bob@example.com": taken, "carol@example.com": taken}}}); e != nil {
		b.Fatal(e)
	}
	if x := b.one(id); x.Submission.UndoStatus != mail.UndoFinal || len(x.Waiting()) != 0 || x.Submission.DeliveryStatus["carol@example.com"].Displayed != "unknown" {
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
	b.bench.do(&emailSet{Destroy: []jmap.ID{report.ID}})
	x := b.one(id).Submission
	if s := x.DeliveryStatus["bob@example.com"]; s.Delivered != mail.DeliveryNo || s.SMTPReply != "550 5.1.1 no" || !slices.Equal(x.DSNBlobIDs, []jmap.ID{report.BlobID}) {
		b.Errorf("reported: %+v", x)
	}
	if r, err := b.a.Blobs.OpenBlob(b.ctx, report.BlobID); err != nil {
		b.Error("a report that a submission names:", err)
	} else {
		r.Close()
	}
}
