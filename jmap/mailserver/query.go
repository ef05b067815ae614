package mailserver

import (
	"context"
	"errors"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type emailQuery = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]

// emailQuery is Email/query (RFC 8621 §4.4).
func (s *Service) emailQuery(ctx context.Context, c *jmapserver.Call, r *emailQuery) (*jmap.QueryResponse, error) {
	if err := checkEmailSort(r.Sort); err != nil {
		return nil, err
	}
	for k := range r.Filter.All {
		if err := checkCondition(k); err != nil {
			return nil, err
		}
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	if a.Emails.Querier != nil {
		out, err := a.Emails.Querier.Query(ctx, r)
		if err == nil {
			out.AccountID, out.CanCalculateChanges = r.AccountID, calculable(a, r.Filter, r.Sort, r.Args)
			return out, nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
	}
	return scan(ctx, a, r)
}

// scan answers a query record by record.
func scan(ctx context.Context, a *mail.Account, r *emailQuery) (*jmap.QueryResponse, error) {
	want := mail.EmailWant{Summary: slices.ContainsFunc(r.Sort, needsSummary)}
	for k := range r.Filter.All {
		want.Summary = want.Summary || conditionNeedsSummary(k)
	}
	all, err := a.Emails.Getter.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: r.AccountID, Args: want})
	if err != nil {
		return nil, err
	}
	m := &matcher{ctx: ctx, account: a, filter: newSearch(r.Filter), threads: make(map[jmap.ID][]*mail.Record)}
	for i := range all.List {
		rec := &all.List[i]
		m.threads[rec.ThreadID] = append(m.threads[rec.ThreadID], rec)
	}
	var found []*mail.Record
	for i := range all.List {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		ok, err := m.match(r.Filter, &all.List[i], want.Summary)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, &all.List[i])
		}
	}
	m.sort(found, r.Sort)
	ids := make([]jmap.ID, 0, len(found))
	seen := make(map[jmap.ID]bool)
	for _, rec := range found {
		if r.Args.CollapseThreads {
			if seen[rec.ThreadID] {
				continue
			}
			seen[rec.ThreadID] = true
		}
		ids = append(ids, rec.ID)
	}
	out, err := jmap.Page(r, ids)
	if err != nil {
		return nil, err
	}
	out.QueryState, out.CanCalculateChanges = all.State, calculable(a, r.Filter, r.Sort, r.Args)
	return out, nil
}
