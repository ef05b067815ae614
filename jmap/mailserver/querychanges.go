package mailserver

import (
	"context"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// hangsOnThread reports whether an email's being in a result, or where, hangs on others of its thread.
func hangsOnThread(f *jmap.Filter[mail.EmailCondition], sort []mail.Comparator, args mail.EmailQueryArgs) bool {
	for k := range f.All {
		if k.AllInThreadHaveKeyword+k.SomeInThreadHaveKeyword+k.NoneInThreadHaveKeyword != "" {
			return true
		}
	}
	return args.CollapseThreads || slices.ContainsFunc(sort, func(s mail.Comparator) bool {
		return s.Property == "allInThreadHaveKeyword" || s.Property == "someInThreadHaveKeyword"
	})
}

// calculable reports whether the changes of a result follow from those of emails, or of threads where it hangs on them.
func calculable(a *mail.Account, f *jmap.Filter[mail.EmailCondition], sort []mail.Comparator, args mail.EmailQueryArgs) bool {
	return a.Emails.Changer != nil && (!hangsOnThread(f, sort, args) || a.Threads.Getter != nil && a.Threads.Changer != nil)
}

type emailQueryChanges = jmap.QueryChangesRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]

// emailQueryChanges is Email/queryChanges (RFC 8621 §4.5): every email that changed is taken out of the result, and put
// in again where it belongs now; where the result hangs on threads, every email of a thread that changed.
func (s *Service) emailQueryChanges(ctx context.Context, c *jmapserver.Call, r *emailQueryChanges) (*jmap.QueryChangesResponse, error) {
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	if !calculable(a, r.Filter, r.Sort, r.Args) {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "this result hangs on more than its emails")
	}
	changes, err := a.Emails.Changer.Changes(ctx, &jmap.ChangesRequest{AccountID: r.AccountID, SinceState: r.SinceQueryState})
	if err != nil {
		return nil, err
	}
	changed := slices.Concat(changes.Created, changes.Updated)
	more := false
	if hangsOnThread(r.Filter, r.Sort, r.Args) {
		if changed, more, err = ofThreads(ctx, a, r.SinceQueryState, changed); err != nil {
			return nil, err
		}
	}
	now, err := s.emailQuery(ctx, c, &emailQuery{AccountID: r.AccountID, Filter: r.Filter, Sort: r.Sort, CalculateTotal: true, Args: r.Args})
	if err != nil {
		return nil, err
	}
	since, err := a.Emails.Changer.Changes(ctx, &jmap.ChangesRequest{AccountID: r.AccountID, SinceState: changes.NewState})
	if err != nil {
		return nil, err
	}
	if more || changes.HasMoreChanges || now.Limit != nil || len(since.Created)+len(since.Updated)+len(since.Destroyed) > 0 {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "too much changes at once") // the client queries again
	}
	return difference(r, changes, changed, now)
}

// ofThreads returns the emails of the threads of emails that changed, and of those that an email came to or went from.
func ofThreads(ctx context.Context, a *mail.Account, since jmap.State, changed []jmap.ID) (emails []jmap.ID, more bool, err error) {
	changes, err := a.Threads.Changer.Changes(ctx, &jmap.ChangesRequest{AccountID: a.ID, SinceState: since})
	if err != nil {
		return nil, false, err
	}
	ids := slices.Concat(changes.Created, changes.Updated)
	if len(changed) > 0 {
		records, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: a.ID, IDs: changed})
		if err != nil {
			return nil, false, err
		}
		for i := range records.List {
			ids = append(ids, records.List[i].ThreadID)
		}
	}
	if len(ids) == 0 { // none is not all
		return nil, changes.HasMoreChanges, nil
	}
	slices.Sort(ids)
	threads, err := a.Threads.Getter.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: a.ID, IDs: slices.Compact(ids)})
	if err != nil {
		return nil, false, err
	}
	for _, t := range threads.List {
		emails = append(emails, t.EmailIDs...)
	}
	return emails, changes.HasMoreChanges, nil
}

// difference takes those that changed out of a result, and puts in those that are in it now.
func difference(r *emailQueryChanges, changes *jmap.ChangesResponse, changed []jmap.ID, now *jmap.QueryResponse) (*jmap.QueryChangesResponse, error) {
	out := &jmap.QueryChangesResponse{AccountID: r.AccountID, OldQueryState: r.SinceQueryState, NewQueryState: now.QueryState}
	created, in := make(map[jmap.ID]bool), make(map[jmap.ID]bool)
	for _, id := range changes.Created {
		created[id] = true
	}
	out.Removed = slices.Clone(changes.Destroyed)
	for _, id := range changed {
		if in[id] = true; !created[id] {
			out.Removed = append(out.Removed, id)
		}
	}
	for i, id := range now.IDs {
		if in[id] {
			out.Added = append(out.Added, jmap.AddedItem{ID: id, Index: uint(i)})
		}
	}
	if r.MaxChanges != nil && uint(len(out.Removed)+len(out.Added)) > *r.MaxChanges {
		return nil, jmap.Errorf(jmap.TooManyChanges, "%d changes", len(out.Removed)+len(out.Added))
	}
	if r.CalculateTotal {
		out.Total = now.Total
	}
	return out, nil
}

// mailboxQueryChanges is Mailbox/queryChanges (RFC 8621 §2.4). There are few mailboxes: the client queries again.
func (s *Service) mailboxQueryChanges(ctx context.Context, c *jmapserver.Call, r *jmap.QueryChangesRequest[mail.MailboxCondition, mail.Comparator, mail.MailboxQueryArgs]) (*jmap.QueryChangesResponse, error) {
	if _, err := s.account(ctx, c, r.AccountID); err != nil {
		return nil, err
	}
	return nil, jmap.Errorf(jmap.CannotCalculateChanges, "call Mailbox/query")
}
