package mailserver

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// withRights fills in the rights that a store leaves out.
type withRights struct {
	jmap.Getter[jmap.NoArgs, mail.Mailbox]
	readOnly bool
}

// Get is jmap.Getter's.
func (g withRights) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Mailbox], error) {
	out, err := g.Getter.Get(ctx, r)
	if err != nil {
		return nil, err
	}
	for i := range out.List {
		if m := &out.List[i]; m.MyRights == nil {
			m.MyRights = mail.AllRights()
			if g.readOnly {
				m.MyRights = &mail.MailboxRights{MayReadItems: true}
			}
		}
	}
	return out, nil
}

// mailboxChanges is Mailbox/changes (RFC 8621 §2.2).
func (s *Service) mailboxChanges(ctx context.Context, c *jmapserver.Call, r *jmap.ChangesRequest) (*mail.MailboxChangesResponse, error) {
	if err := jmapserver.CheckChanges(r); err != nil {
		return nil, err
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	if a.Mailboxes.Changer == nil {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "this server keeps no history")
	}
	out, err := a.Mailboxes.Changer.Changes(ctx, r)
	if err != nil {
		return nil, err
	}
	out.AccountID, out.OldState = r.AccountID, r.SinceState
	return out, nil
}

type mailboxQuery = jmap.QueryRequest[mail.MailboxCondition, mail.Comparator, mail.MailboxQueryArgs]

// mailboxQuery is Mailbox/query (RFC 8621 §2.3).
func (s *Service) mailboxQuery(ctx context.Context, c *jmapserver.Call, r *mailboxQuery) (*jmap.QueryResponse, error) {
	if err := checkSort(r.Sort, func(property string) bool { return property == "name" || property == "sortOrder" }); err != nil {
		return nil, err
	}
	a, err := s.account(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	all, err := a.Mailboxes.Getter.Get(ctx, &jmap.GetRequest[jmap.NoArgs]{AccountID: r.AccountID})
	if err != nil {
		return nil, err
	}
	t := newTree(all.List, r.Sort)
	list := slices.Clone(all.List)
	if r.Args.SortAsTree {
		slices.SortStableFunc(list, t.compareAsTree)
	} else {
		slices.SortStableFunc(list, t.compare)
	}
	matches := make(map[jmap.ID]bool, len(list))
	for i := range list {
		m := &list[i]
		matches[m.ID], _ = r.Filter.Match(func(k *mail.MailboxCondition) (bool, error) { return mailboxMatches(k, m), nil })
	}
	ids := []jmap.ID{}
	for i := range list {
		if matches[list[i].ID] && (!r.Args.FilterAsTree || t.ancestorsMatch(&list[i], matches)) {
			ids = append(ids, list[i].ID)
		}
	}
	out, err := jmap.Page(r, ids)
	if err != nil {
		return nil, err
	}
	out.QueryState = all.State
	return out, nil
}

func mailboxMatches(k *mail.MailboxCondition, m *mail.Mailbox) bool {
	switch {
	case k.ParentID.Set && idOf(k.ParentID.Value) != idOf(m.ParentID):
		return false
	case k.Role.Set && (k.Role.Value == nil && m.Role != "" || k.Role.Value != nil && *k.Role.Value != string(m.Role)):
		return false
	case k.Name != "" && !strings.Contains(fold(m.Name), fold(k.Name)):
		return false
	case k.HasAnyRole != nil && *k.HasAnyRole != (m.Role != ""):
		return false
	case k.IsSubscribed != nil && *k.IsSubscribed != m.IsSubscribed:
		return false
	}
	return true
}

func idOf(id *jmap.ID) jmap.ID {
	if id == nil {
		return ""
	}
	return *id
}

// fold returns s for comparison without regard to case.
func fold(s string) string { return cases.Fold().String(norm.NFC.String(s)) }

// A tree is mailboxes by id, with their order.
type tree struct {
	byID map[jmap.ID]*mail.Mailbox
	sort []mail.Comparator
}

func newTree(list []mail.Mailbox, sort []mail.Comparator) *tree {
	t := &tree{byID: make(map[jmap.ID]*mail.Mailbox, len(list)), sort: sort}
	for i := range list {
		t.byID[list[i].ID] = &list[i]
	}
	return t
}

// compare compares by the comparators, then by name and id.
func (t *tree) compare(a, b mail.Mailbox) int {
	for _, k := range t.sort {
		d := cmp.Compare(fold(a.Name), fold(b.Name))
		if k.Property == "sortOrder" {
			d = cmp.Compare(a.SortOrder, b.SortOrder)
		}
		if k.Descending() {
			d = -d
		}
		if d != 0 {
			return d
		}
	}
	return cmp.Or(cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.ID, b.ID))
}

// path returns a mailbox and those above it, the top one first. A circle, which there must not be, ends it.
func (t *tree) path(m *mail.Mailbox) []*mail.Mailbox {
	var out []*mail.Mailbox
	for m != nil && len(out) <= len(t.byID) {
		out = append(out, m)
		m = t.byID[idOf(m.ParentID)]
	}
	slices.Reverse(out)
	return out
}

// compareAsTree puts mailboxes below their parents (RFC 8621 §2.3, sortAsTree).
func (t *tree) compareAsTree(a, b mail.Mailbox) int {
	pa, pb := t.path(&a), t.path(&b)
	for i := range min(len(pa), len(pb)) {
		if pa[i].ID != pb[i].ID {
			return t.compare(*pa[i], *pb[i])
		}
	}
	return len(pa) - len(pb)
}

func (t *tree) ancestorsMatch(m *mail.Mailbox, matches map[jmap.ID]bool) bool {
	for _, up := range t.path(m) {
		if !matches[up.ID] {
			return false
		}
	}
	return true
}

// threadsOf finds threads among all records of a store that has no role for them.
type threadsOf struct {
	emails jmap.Getter[mail.EmailWant, mail.Record]
}

// Get is jmap.Getter's.
func (t threadsOf) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Thread], error) {
	all, err := t.emails.Get(ctx, &jmap.GetRequest[mail.EmailWant]{AccountID: r.AccountID})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all.List, func(a, b mail.Record) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	members := make(map[jmap.ID][]jmap.ID)
	ids := r.IDs
	for _, rec := range all.List {
		if r.IDs == nil && members[rec.ThreadID] == nil {
			ids = append(ids, rec.ThreadID)
		}
		members[rec.ThreadID] = append(members[rec.ThreadID], rec.ID)
	}
	out := &jmap.GetResponse[mail.Thread]{State: all.State}
	for _, id := range ids {
		if emails, ok := members[id]; ok {
			out.List = append(out.List, mail.Thread{ID: id, EmailIDs: emails})
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}
