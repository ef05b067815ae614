package jmaptest

import (
	"context"
	"maps"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/outbox"
)

// maxSubmissions is how many submissions an account keeps.
const maxSubmissions = 1000

type submission struct {
	mail.KeptSubmission
	life
	order int
}

// submissions are mail.SubmissionRoles, but for the Outbox.
type submissions struct{ *account }

// SetOutbox makes all accounts keep their submissions and hand them over by o; the Store is an outbox.Queue. Without one
// they are sent and forgotten. It is called before the first request.
func (s *Store) SetOutbox(o mail.Outbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.users {
		a.outbox = o
	}
}

// Due is outbox.Queue's.
func (s *Store) Due(_ context.Context, most int) ([]outbox.Due, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []outbox.Due
	for user, a := range s.users {
		a.mu.Lock()
		for id, x := range a.submissions {
			if x.gone == 0 && !x.NextAttempt.IsZero() {
				out = append(out, outbox.Due{User: user, ID: id, At: x.NextAttempt.Time})
			}
		}
		a.mu.Unlock()
	}
	slices.SortFunc(out, func(x, y outbox.Due) int { return x.At.Compare(y.At) })
	return out[:min(len(out), most)], nil
}

// all returns what is kept, in order.
func (a submissions) all() []*submission {
	var out []*submission
	for _, x := range a.submissions {
		if x.gone == 0 {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(x, y *submission) int { return x.order - y.order })
	return out
}

// find returns a submission that is kept, or nil.
func (a submissions) find(id jmap.ID) *submission {
	if x := a.submissions[id]; x != nil && x.gone == 0 {
		return x
	}
	return nil
}

// Get is jmap.Getter's.
func (a submissions) Get(_ context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.KeptSubmission], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &jmap.GetResponse[mail.KeptSubmission]{State: a.state()}
	if r.IDs == nil {
		for _, x := range a.all() {
			out.List = append(out.List, x.KeptSubmission)
		}
	}
	for _, id := range r.IDs {
		if x := a.find(id); x != nil {
			out.List = append(out.List, x.KeptSubmission)
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

// Changes is jmap.Changer's. Every change has a modseq of its own, so the ids say nothing about order.
func (a submissions) Changes(_ context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return changes(a.account, r, a.submissions, func(x *submission) life { return x.life })
}

// Set is jmap.Setter's.
func (a submissions) Set(_ context.Context, r *jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.KeptSubmission], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.IfInState != nil && *r.IfInState != a.state() {
		return nil, jmap.Errorf(jmap.StateMismatch, "the state is %s", a.state())
	}
	out := newSet[mail.KeptSubmission](a.account)
	for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
		if all := a.all(); len(all) >= maxSubmissions {
			i := slices.IndexFunc(all, func(x *submission) bool { return x.NextAttempt.IsZero() })
			if i < 0 {
				out.NotCreated[creation] = &jmap.SetError{Type: jmap.SetOverQuota}
				continue
			}
			a.modseq++
			all[i].gone = a.modseq
		}
		a.modseq++
		a.next++
		k := r.Create[creation]
		a.submissions[k.Submission.ID] = &submission{k, life{created: a.modseq, changed: a.modseq}, a.next}
		out.Created[creation] = k
	}
	for _, id := range slices.Sorted(maps.Keys(r.Update)) {
		if err := a.update(id, r.Update[id]); err != nil {
			out.NotUpdated[id] = err
			continue
		}
		out.Updated[id] = nil
	}
	for _, id := range r.Destroy {
		switch x := a.find(id); {
		case x == nil:
			out.NotDestroyed[id] = &jmap.SetError{Type: jmap.SetNotFound}
		case !x.NextAttempt.IsZero():
			out.NotDestroyed[id] = &jmap.SetError{Type: jmap.SetForbidden, Description: "it is still to be sent"}
		default:
			a.modseq++
			x.gone = a.modseq
			out.Destroyed = append(out.Destroyed, id)
		}
	}
	out.NewState = a.state()
	a.notify()
	return out, nil
}

func (a submissions) update(id jmap.ID, u mail.SubmissionUpdate) *jmap.SetError {
	x := a.find(id)
	if x == nil {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	k := x.KeptSubmission
	if err := u.Apply(&k); err != nil {
		return err.(*jmap.SetError)
	}
	a.modseq++
	x.KeptSubmission, x.changed = k, a.modseq
	return nil
}
