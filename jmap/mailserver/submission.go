package mailserver

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/outbox"
)

// registerSubmission adds the methods of RFC 8621 §6 and §7.
func (s *Service) registerSubmission(m *jmapserver.Mux) {
	const c = jmap.CapabilitySubmission
	jmapserver.RegisterGet(m, c, "Identity", role(s, func(a *mail.Account) jmap.Getter[jmap.NoArgs, mail.Identity] { return identities{a} }))
	jmapserver.RegisterChanges(m, c, "Identity", role(s, func(a *mail.Account) jmap.Changer { return identities{a} }))
	jmapserver.Register(m, c, "Identity/set", s.identitySet)
	jmapserver.RegisterGet(m, c, "EmailSubmission", role(s, func(a *mail.Account) jmap.Getter[jmap.NoArgs, mail.EmailSubmission] { return submissions{a} }))
	jmapserver.RegisterChanges(m, c, "EmailSubmission", role(s, func(a *mail.Account) jmap.Changer { return submissions{a} }))
	jmapserver.Register(m, c, "EmailSubmission/query", s.submissionQuery)
	jmapserver.Register(m, c, "EmailSubmission/queryChanges", s.submissionQueryChanges)
	jmapserver.Register(m, c, "EmailSubmission/set", s.submissionSet)
}

type (
	submissionSet      = jmap.SetRequest[mail.EmailSubmission, jmap.Patch, mail.EmailSubmissionSetArgs]
	submissionStoreSet = jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]
	submissionResponse = jmap.SetResponse[mail.EmailSubmission]
)

// A submitting is one EmailSubmission/set.
type submitting struct {
	*Service
	c      *jmapserver.Call
	a      *mail.Account
	out    *submissionResponse
	emails map[jmap.ID]jmap.ID // of what succeeded, by "#" and creation id, or by id
}

// submissionSet is EmailSubmission/set (RFC 8621 §7.5).
func (s *Service) submissionSet(ctx context.Context, c *jmapserver.Call, r *submissionSet) (*submissionResponse, error) {
	a, err := s.setting(ctx, c, r.AccountID, len(r.Create)+len(r.Update)+len(r.Destroy))
	if err != nil {
		return nil, err
	}
	if a.Submitter == nil {
		return nil, jmap.Errorf(jmap.AccountNotSupportedByMethod, "this account sends no mail")
	}
	if !a.Submissions.Kept() && r.IfInState != nil && *r.IfInState != constantState {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", constantState)
	}
	x := &submitting{s, c, a, &submissionResponse{AccountID: r.AccountID, OldState: constantState, NewState: constantState,
		Created: make(map[jmap.ID]mail.EmailSubmission), Updated: make(map[jmap.ID]*mail.EmailSubmission), NotCreated: make(map[jmap.ID]*jmap.SetError),
		NotUpdated: make(map[jmap.ID]*jmap.SetError), NotDestroyed: make(map[jmap.ID]*jmap.SetError)}, make(map[jmap.ID]jmap.ID)}
	made := make(map[jmap.ID]mail.KeptSubmission)
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		k, err := x.prepare(ctx, r.Create[creation])
		if err != nil {
			x.out.NotCreated[creation] = x.refusal(ctx, err)
			continue
		}
		made[creation] = *k
	}
	if a.Submissions.Kept() {
		err = x.keep(ctx, r, made)
	} else {
		x.send(ctx, r, made)
	}
	if err != nil {
		return nil, err
	}
	return x.out, s.onSuccess(ctx, c, r, x.emails)
}

// refusal returns the SetError of one submission: others may have been sent already, so it fails alone.
func (x *submitting) refusal(ctx context.Context, err error) *jmap.SetError {
	e, ok := errors.AsType[*jmap.SetError](err)
	if !ok {
		x.logger().LogAttrs(ctx, slog.LevelError, "submission failed", slog.String("user", x.c.User), slog.Any("error", err))
		e = &jmap.SetError{Type: jmap.SetForbiddenToSend, Description: "mail cannot be sent now"}
	}
	return e
}

// created puts a submission into the response: what the server has set.
func (x *submitting) created(creation jmap.ID, given *mail.Envelope, s mail.EmailSubmission) {
	x.emails["#"+creation] = s.EmailID
	x.c.Created(creation, s.ID)
	s.EmailID, s.IdentityID = "", ""
	if given != nil && len(given.RcptTo) == len(s.Envelope.RcptTo) {
		s.Envelope = nil
	}
	x.out.Created[creation] = s
}

// send sends submissions of an account that keeps none.
func (x *submitting) send(ctx context.Context, r *submissionSet, made map[jmap.ID]mail.KeptSubmission) {
	for _, creation := range slices.Sorted(maps.Keys(made)) {
		k := made[creation]
		status, err := outbox.HandOver(ctx, x.a, &k.Submission, k.BlobID, k.Waiting())
		if err == nil {
			for i := range status {
				if status[i].Delivered == mail.DeliveryQueued { // nobody tries again
					status[i].Delivered = mail.DeliveryNo
				}
			}
			if e := outbox.Refused(&k.Submission, status); e != nil {
				err = e
			}
		}
		if err != nil {
			x.out.NotCreated[creation] = x.refusal(ctx, err)
			continue
		}
		k.Submission.UndoStatus, k.Submission.DeliveryStatus = mail.UndoFinal, make(map[string]mail.DeliveryStatus)
		for i, to := range k.Submission.Envelope.RcptTo {
			k.Submission.DeliveryStatus[to.Email] = status[i]
		}
		x.created(creation, r.Create[creation].Envelope, k.Submission)
	}
	for id := range r.Update {
		x.out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetNotFound}
	}
	for _, id := range r.Destroy {
		x.out.NotDestroyed[id] = &jmap.SetError{Type: jmap.SetNotFound}
	}
}

// keep keeps submissions, cancels and destroys others in one transaction, and then hands over those that are due.
func (x *submitting) keep(ctx context.Context, r *submissionSet, made map[jmap.ID]mail.KeptSubmission) error {
	in := &submissionStoreSet{AccountID: r.AccountID, IfInState: r.IfInState, Create: made, Update: make(map[jmap.ID]mail.SubmissionUpdate)}
	in.Destroy = resolveAll(x.c, r.Destroy)
	old, release, err := x.cancel(ctx, r, in)
	defer release()
	if err != nil {
		return err
	}
	out, err := x.a.Submissions.Setter.Set(ctx, in)
	if err != nil {
		return err
	}
	x.out.OldState, x.out.NewState, x.out.Destroyed = out.OldState, out.NewState, out.Destroyed
	maps.Copy(x.out.NotCreated, out.NotCreated)
	maps.Copy(x.out.NotUpdated, out.NotUpdated)
	maps.Copy(x.out.NotDestroyed, out.NotDestroyed)
	for id := range out.Updated {
		x.out.Updated[id] = nil
	}
	for id := range x.out.Updated {
		x.emails[id] = old[id].Submission.EmailID
	}
	for _, id := range out.Destroyed {
		x.emails[id] = old[id].Submission.EmailID
	}
	release() // before what may take long
	for _, creation := range slices.Sorted(maps.Keys(out.Created)) {
		k := made[creation]
		now, err := x.a.Submissions.Outbox.Send(ctx, x.a, k.Submission.ID)
		if e, ok := errors.AsType[*jmap.SetError](err); ok { // refused by everybody: it was not sent, and is not kept
			x.out.NotCreated[creation] = e
			_, err = x.a.Submissions.Setter.Set(ctx, &submissionStoreSet{AccountID: r.AccountID, Destroy: []jmap.ID{k.Submission.ID}})
			if err != nil {
				x.logger().LogAttrs(ctx, slog.LevelError, "a submission that was refused is kept", slog.String("user", x.c.User), slog.Any("error", err))
			}
			continue
		}
		if err != nil { // it is kept, and will be sent
			x.logger().LogAttrs(ctx, slog.LevelError, "submission is kept, not sent yet", slog.String("user", x.c.User), slog.Any("error", err))
		} else {
			k = *now
		}
		x.created(creation, r.Create[creation].Envelope, k.Submission)
	}
	return nil
}

// cancel adds the updates of a request, all of which cancel, to what the store gets. Until release they are not handed
// over. It returns the submissions that the request updates or destroys as they are before.
func (x *submitting) cancel(ctx context.Context, r *submissionSet, in *submissionStoreSet) (old map[jmap.ID]mail.KeptSubmission, release func(), err error) {
	var held []func()
	release = func() {
		for _, f := range held {
			f()
		}
	}
	ids := slices.Clone(in.Destroy)
	patches := make(map[jmap.ID]jmap.Patch, len(r.Update))
	for id, patch := range r.Update {
		id, _ = x.c.Resolve(id)
		patches[id] = patch
		if f, ok := x.a.Submissions.Outbox.Hold(id); ok {
			held = append(held, f)
		} else {
			x.out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetCannotUnsend, Description: "it is being sent"}
		}
		ids = append(ids, id)
	}
	old = make(map[jmap.ID]mail.KeptSubmission)
	if len(ids) == 0 {
		return old, release, nil
	}
	got, err := submissions{x.a}.kept(ctx, compact(ids))
	if err != nil {
		return nil, release, err
	}
	for _, k := range got.List {
		old[k.Submission.ID] = k
	}
	for id, patch := range patches {
		k, ok := old[id]
		switch e := checkUndo(patch, k.Submission.UndoStatus); {
		case !ok:
			x.out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetNotFound}
		case slices.Contains(in.Destroy, id):
			x.out.NotUpdated[id] = &jmap.SetError{Type: jmap.SetWillDestroy}
		case e != nil:
			x.out.NotUpdated[id] = e
		case x.out.NotUpdated[id] != nil:
		case len(patch) == 0 || !cancels(patch) || k.Submission.UndoStatus == mail.UndoCanceled:
			x.out.Updated[id] = nil // as it is
		default:
			in.Update[id] = mail.SubmissionUpdate{Cancel: true}
		}
	}
	return old, release, nil
}

// checkUndo refuses a patch of anything but undoStatus, which stays as it is or becomes canceled.
func checkUndo(patch jmap.Patch, now mail.UndoStatus) *jmap.SetError {
	for name, v := range patch {
		var s mail.UndoStatus
		if name != "undoStatus" || jmap.Unmarshal(v, &s) != nil || s != now && s != mail.UndoCanceled {
			return invalid("a submission can be canceled, not changed", name)
		}
	}
	return nil
}

// cancels reports whether a patch that checkUndo lets through cancels.
func cancels(patch jmap.Patch) bool {
	var s mail.UndoStatus
	return jmap.Unmarshal(patch["undoStatus"], &s) == nil && s == mail.UndoCanceled
}

// onSuccess makes the implicit Email/set.
func (s *Service) onSuccess(ctx context.Context, c *jmapserver.Call, r *submissionSet, emails map[jmap.ID]jmap.ID) error {
	set := &emailSetRequest{AccountID: r.AccountID, Update: make(map[jmap.ID]jmap.Patch)}
	email := func(key jmap.ID) (jmap.ID, bool) {
		id, ok := emails[key]
		if !ok && strings.HasPrefix(string(key), "#") { // made by an earlier call
			key, _ = c.Resolve(key)
			id, ok = emails[key]
		}
		return id, ok
	}
	for key, patch := range r.Args.OnSuccessUpdateEmail {
		if id, ok := email(key); ok {
			set.Update[id] = patch
		}
	}
	for _, key := range r.Args.OnSuccessDestroyEmail {
		if id, ok := email(key); ok {
			set.Destroy = append(set.Destroy, id)
		}
	}
	if len(set.Update)+len(set.Destroy) == 0 {
		return nil
	}
	return implicit(ctx, c, "Email/set", s.emailSet, set)
}

// prepare makes a submission of what a client asks for. Its error is a *jmap.SetError where the client is at fault.
func (x *submitting) prepare(ctx context.Context, r mail.EmailSubmission) (*mail.KeptSubmission, error) {
	a, c := x.a, x.c
	identityID, _ := c.Resolve(r.IdentityID)
	as, err := identities{a}.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: a.ID, IDs: []jmap.ID{identityID}})
	if err != nil {
		return nil, err
	}
	if len(as.List) == 0 {
		return nil, invalid("no such identity", "identityId")
	}
	if !maySend(a, as.List[0].Email) {
		return nil, &jmap.SetError{Type: jmap.SetForbiddenFrom}
	}
	for _, given := range []struct {
		name string
		set  bool
	}{{"id", r.ID != ""}, {"threadId", r.ThreadID != ""}, {"sendAt", !r.SendAt.IsZero()}, {"undoStatus", r.UndoStatus != "" && r.UndoStatus != mail.UndoPending && r.UndoStatus != mail.UndoFinal},
		{"deliveryStatus", r.DeliveryStatus != nil}, {"dsnBlobIds", r.DSNBlobIDs != nil}, {"mdnBlobIds", r.MDNBlobIDs != nil}} {
		if given.set {
			return nil, invalid("this property cannot be given", given.name)
		}
	}
	id, _ := c.Resolve(r.EmailID)
	got, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: a.ID, IDs: []jmap.ID{id}})
	if err != nil {
		return nil, err
	}
	if len(got.List) == 0 {
		return nil, invalid("no such email", "emailId")
	}
	rec := got.List[0]
	if most := maxSize(a); rec.Size > most {
		return nil, &jmap.SetError{Type: jmap.SetTooLarge, MaxSize: most}
	}
	raw, err := readBlob(ctx, a, rec.BlobID)
	if err != nil {
		return nil, err
	}
	p := mail.Parse(raw, rec.BlobID)
	env, err := envelope(&r, p, as.List[0].Email)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	k := &mail.KeptSubmission{BlobID: rec.BlobID, Submission: mail.EmailSubmission{ID: jmap.ID("S" + rand.Text()), IdentityID: identityID, EmailID: id, ThreadID: rec.ThreadID,
		Envelope: env, UndoStatus: mail.UndoPending, DeliveryStatus: make(map[string]mail.DeliveryStatus)}}
	if ids := p.Summary().MessageID; len(ids) == 1 {
		k.MessageID = ids[0]
	}
	wait, err := parameters(ctx, a, &k.Submission, now)
	if err != nil {
		return nil, err
	}
	k.Submission.SendAt.Time = now.Add(wait).Truncate(time.Second)
	if wait > 0 && k.Submission.SendAt.Before(now.Add(wait)) {
		k.Submission.SendAt.Time = k.Submission.SendAt.Add(time.Second)
	}
	k.NextAttempt = k.Submission.SendAt
	for _, to := range env.RcptTo {
		k.Submission.DeliveryStatus[to.Email] = mail.DeliveryStatus{SMTPReply: "250 2.0.0 Queued", Delivered: mail.DeliveryQueued, Displayed: "unknown"}
	}
	return k, nil
}
