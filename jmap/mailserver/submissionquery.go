package mailserver

import (
	"cmp"
	"context"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// constantState is the state of a type whose records do not change: submissions that are kept nowhere, and so end with the
// call that makes them (RFC 8621 §7: a server may destroy them once they are sent), and such identities.
const constantState jmap.State = "0"

// constant is a Changer of records that do not change.
type constant struct{}

// Changes returns no changes.
func (constant) Changes(_ context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	if r.SinceState != constantState {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "unknown state")
	}
	return &jmap.ChangesResponse{NewState: constantState}, nil
}

// submissions are those of an account that are kept; none without the roles.
type submissions struct{ *mail.Account }

// kept is Getter.Get of what is kept.
func (a submissions) kept(ctx context.Context, ids []jmap.ID) (*jmap.GetResponse[mail.KeptSubmission], error) {
	if !a.Submissions.Kept() {
		return &jmap.GetResponse[mail.KeptSubmission]{State: constantState, NotFound: ids}, nil
	}
	return a.Submissions.Getter.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: a.ID, IDs: ids})
}

// Get is jmap.Getter's.
func (a submissions) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.EmailSubmission], error) {
	got, err := a.kept(ctx, r.IDs)
	if err != nil {
		return nil, err
	}
	out := &jmap.GetResponse[mail.EmailSubmission]{State: got.State, List: []mail.EmailSubmission{}, NotFound: got.NotFound}
	for i := range got.List {
		x := got.List[i].Submission
		x.DSNBlobIDs, x.MDNBlobIDs = list(x.DSNBlobIDs), list(x.MDNBlobIDs)
		out.List = append(out.List, x)
	}
	return out, nil
}

// list returns a list that is not null.
func list(ids []jmap.ID) []jmap.ID { return append([]jmap.ID{}, ids...) }

// Changes is jmap.Changer's.
func (a submissions) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	if !a.Submissions.Kept() {
		return constant{}.Changes(ctx, r)
	}
	return a.Submissions.Changer.Changes(ctx, r)
}

type (
	submissionQuery        = jmap.QueryRequest[mail.SubmissionCondition, mail.Comparator, jmap.NoArgs]
	submissionQueryChanges = jmap.QueryChangesRequest[mail.SubmissionCondition, mail.Comparator, jmap.NoArgs]
)

// submissionQuery is EmailSubmission/query (RFC 8621 §7.3). An account has few submissions: all are looked at.
func (s *Service) submissionQuery(ctx context.Context, c *jmapserver.Call, r *submissionQuery) (*jmap.QueryResponse, error) {
	if err := checkSort(r.Sort, func(property string) bool { return submissionOrder(property) != nil }); err != nil {
		return nil, err
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	got, err := submissions{a}.kept(ctx, nil)
	if err != nil {
		return nil, err
	}
	var found []*mail.EmailSubmission
	for i := range got.List {
		x := &got.List[i].Submission
		if ok, _ := r.Filter.Match(func(k *mail.SubmissionCondition) (bool, error) { return k.Match(x), nil }); ok {
			found = append(found, x)
		}
	}
	slices.SortStableFunc(found, func(x, y *mail.EmailSubmission) int {
		for _, k := range r.Sort {
			n := submissionOrder(k.Property)(x, y)
			if k.Descending() {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	ids := make([]jmap.ID, len(found))
	for i, x := range found {
		ids[i] = x.ID
	}
	out, err := jmap.Page(r, ids)
	if err == nil {
		out.QueryState, out.CanCalculateChanges = got.State, true
	}
	return out, err
}

// submissionOrder returns how a property sorts, nil for one that does not. RFC 8621 §7.3 calls sendAt sentAt.
func submissionOrder(property string) func(x, y *mail.EmailSubmission) int {
	switch property {
	case "emailId":
		return func(x, y *mail.EmailSubmission) int { return cmp.Compare(x.EmailID, y.EmailID) }
	case "threadId":
		return func(x, y *mail.EmailSubmission) int { return cmp.Compare(x.ThreadID, y.ThreadID) }
	case "sentAt", "sendAt":
		return func(x, y *mail.EmailSubmission) int { return x.SendAt.Compare(y.SendAt.Time) }
	}
	return nil
}

// submissionQueryChanges is EmailSubmission/queryChanges: what changed is taken out, and put in again where it belongs now.
func (s *Service) submissionQueryChanges(ctx context.Context, c *jmapserver.Call, r *submissionQueryChanges) (*jmap.QueryChangesResponse, error) {
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	changes, err := submissions{a}.Changes(ctx, &jmap.ChangesRequest{AccountID: r.AccountID, SinceState: r.SinceQueryState})
	if err != nil {
		return nil, err
	}
	now, err := s.submissionQuery(ctx, c, &submissionQuery{AccountID: r.AccountID, Filter: r.Filter, Sort: r.Sort, CalculateTotal: true})
	if err != nil {
		return nil, err
	}
	if changes.HasMoreChanges || now.QueryState != changes.NewState {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "too much changes at once") // the client queries again
	}
	return difference(&emailQueryChanges{AccountID: r.AccountID, SinceQueryState: r.SinceQueryState, MaxChanges: r.MaxChanges, CalculateTotal: r.CalculateTotal},
		changes, slices.Concat(changes.Created, changes.Updated), now)
}
