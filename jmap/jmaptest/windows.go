package jmaptest

import (
	"errors"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

type emailQuery = jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]

// windows checks the Querier, where there is one and it does such queries: whole results against all records, and
// windows against whole results.
func (b *bench) windows() {
	b.Helper()
	if b.a.Emails.Querier == nil {
		return
	}
	box := b.mailboxes()[b.rnd.IntN(3)].ID
	ascending := b.rnd.IntN(2) == 0
	q := emailQuery{AccountID: b.a.ID, Filter: jmap.Where(mail.EmailCondition{InMailbox: box}), Sort: []mail.Comparator{{Property: "receivedAt", IsAscending: &ascending}}, CalculateTotal: true}
	ask := func(q emailQuery) *jmap.QueryResponse {
		b.Helper()
		out, err := b.a.Emails.Querier.Query(b.ctx, &q)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			b.Fatalf("%+v: %v", q, err)
		}
		return out
	}
	whole := ask(q)
	if whole == nil {
		return
	}
	records := make(map[jmap.ID]mail.Record)
	var want []jmap.ID
	for _, r := range b.records(nil).List {
		records[r.ID] = r
		if slices.Contains(r.MailboxIDs, box) {
			want = append(want, r.ID)
		}
	}
	sorted := slices.IsSortedFunc(whole.IDs, func(x, y jmap.ID) int {
		c := records[x].ReceivedAt.Compare(records[y].ReceivedAt)
		if !ascending {
			return -c
		}
		return c
	})
	if slices.Sort(want); !sorted || !slices.Equal(slices.Sorted(slices.Values(whole.IDs)), want) {
		b.Fatalf("mailbox %s, ascending %v: got %v, want %v in order", box, ascending, whole.IDs, want)
	}
	b.window(q, whole.IDs, ask)
	q.Args.CollapseThreads = true
	b.window(q, collapse(whole.IDs, func(id jmap.ID) jmap.ID { return records[id].ThreadID }), ask)
	q.Anchor = "none"
	if _, err := b.a.Emails.Querier.Query(b.ctx, &q); !jmap.IsMethodError(err, jmap.AnchorNotFound) {
		b.Errorf("an anchor that is not there: %v", err)
	}
}

// collapse leaves the first of each thread.
func collapse(ids []jmap.ID, thread func(jmap.ID) jmap.ID) []jmap.ID {
	out := []jmap.ID{}
	seen := make(map[jmap.ID]bool)
	for _, id := range ids {
		if t := thread(id); !seen[t] {
			seen[t] = true
			out = append(out, id)
		}
	}
	return out
}

// window asks for windows of a result whose ids are all (RFC 8620 §5.5).
func (b *bench) window(q emailQuery, all []jmap.ID, ask func(emailQuery) *jmap.QueryResponse) {
	b.Helper()
	for range 6 {
		limit := uint(b.rnd.IntN(len(all) + 3))
		if q.Limit = &limit; b.rnd.IntN(3) == 0 {
			q.Limit, limit = nil, uint(len(all))
		}
		q.Anchor, q.AnchorOffset, q.Position = "", 0, b.rnd.IntN(2*len(all)+5)-len(all)-2
		start := q.Position
		if start < 0 {
			start = max(0, len(all)+start)
		}
		if len(all) > 0 && b.rnd.IntN(2) == 0 {
			i := b.rnd.IntN(len(all))
			q.Anchor, q.AnchorOffset = all[i], b.rnd.IntN(2*len(all)+5)-len(all)-2
			start = max(0, i+q.AnchorOffset)
		}
		want := all[min(start, len(all)):]
		want = want[:min(uint(len(want)), limit)]
		got := ask(q)
		if got == nil {
			return
		}
		if !slices.Equal(got.IDs, want) || len(want) > 0 && got.Position != uint(start) || got.Total == nil || *got.Total != uint(len(all)) {
			b.Fatalf("position %d, anchor %q, anchorOffset %d, limit %d, collapseThreads %v\nof    %v\ngot   %v at %d\nwant  %v at %d",
				q.Position, q.Anchor, q.AnchorOffset, limit, q.Args.CollapseThreads, all, got.IDs, got.Position, want, start)
		}
	}
}
