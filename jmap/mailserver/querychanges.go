package mailserver

import (
	"context"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// calculable reports whether the changes of a result follow from the changes of emails: whether an email is in it, and
// where, hangs on that email alone, and not on others of its thread.
func calculable(a *mail.Account, f *jmap.Filter[mail.EmailCondition], sort []mail.Comparator, args mail.EmailQueryArgs) bool {
	if a.Emails.Changer == nil || args.CollapseThreads {
		return false
	}
	for k := range f.All {
		if k.AllInThreadHaveKeyword+k.SomeInThreadHaveKeyword+k.NoneInThreadHaveKeyword != "" {
			return false
		}
	}
	return !slices.ContainsFunc(sort, func(s mail.Comparator) bool {
		return s.Property == "allInThreadHaveKeyword" || s.Property == "someInThreadHaveKeyword"
	})
}

type emailQueryChanges = jmap.QueryChangesRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]

// emailQueryChanges is Email/queryChanges (RFC 8621 §4.5): every email that changed is taken out of the result, and put
// in again where it belongs now.
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
	now, err := s.emailQuery(ctx, c, &emailQuery{AccountID: r.AccountID, Filter: r.Filter, Sort: r.Sort, CalculateTotal: true, Args: r.Args})
	if err != nil {
		return nil, err
	}
	since, err := a.Emails.Changer.Changes(ctx, &jmap.ChangesRequest{AccountID: r.AccountID, SinceState: changes.NewState})
	if err != nil {
		return nil, err
	}
	if changes.HasMoreChanges || now.Limit != nil || len(since.Created)+len(since.Updated)+len(since.Destroyed) > 0 {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "too much changes at once") // the client queries again
	}
	out := &jmap.QueryChangesResponse{AccountID: r.AccountID, OldQueryState: r.SinceQueryState, NewQueryState: now.QueryState,
		Removed: slices.Concat(changes.Destroyed, changes.Updated)}
	changed := make(map[jmap.ID]bool)
	for _, id := range slices.Concat(changes.Created, changes.Updated) {
		changed[id] = true
	}
	for i, id := range now.IDs {
		if changed[id] {
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
