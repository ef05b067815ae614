package mailstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// jmapEmails are the emails of an account: what messages with the same bytes share.
type jmapEmails struct{ *account }

// An emailRow is an email with its copies, those that are \Deleted left out.
type emailRow struct {
	id, blob, thread int64
	summary          *mail.Summary // nil where it is not wanted
	copies           []copyRow
}

// A copyRow is one message of an email.
type copyRow struct {
	msgRow
	mailbox int64
}

func (c *copyRow) fields() []any { return append([]any{&c.mailbox}, c.msgRow.fields()...) }

// maxEmails is how many emails one query reads.
const maxEmails = 500

// emails reads emails of the account by their ids, those that are there to be seen: one query for many, and no more of
// them than is not known.
func (a *account) emails(c *conn, ids []int64, summary bool) (map[int64]*emailRow, error) {
	out := make(map[int64]*emailRow, len(ids))
	if !summary {
		return out, a.readEmails(c, out, ids, "NULL")
	}
	known := make(map[int64]*mail.Summary, len(ids))
	var those, others []int64
	for _, id := range ids {
		if x, ok := a.s.cache.get(cachedSummary, id).(*mail.Summary); ok {
			known[id] = x
			those = append(those, id)
		} else {
			others = append(others, id)
		}
	}
	if err := errors.Join(a.readEmails(c, out, those, "NULL"), a.readEmails(c, out, others, "e.summary")); err != nil {
		return nil, err
	}
	for id, e := range out {
		if x := known[id]; x != nil {
			e.summary = x
		}
	}
	return out, nil
}

// readEmails adds emails to all. column is where their summaries are, or NULL.
func (a *account) readEmails(c *conn, all map[int64]*emailRow, ids []int64, column string) error {
	var list []byte
	for part := range slices.Chunk(ids, maxEmails) {
		list = appendNumbers(list[:0], part)
		err := c.rows(func(r *sql.Rows) error {
			e, m := new(emailRow), copyRow{}
			var text []byte
			if err := r.Scan(append([]any{&e.id, &e.blob, &e.thread, &text}, m.fields()...)...); err != nil {
				return err
			}
			known := all[e.id]
			if known == nil {
				known = e
				all[e.id] = e
				if text != nil {
					var err error
					if e.summary, err = mail.ParseSummary(text); err != nil {
						return err
					}
					a.s.cache.put(cachedSummary, e.id, e.summary, int64(2*len(text)+256))
				}
			}
			known.copies = append(known.copies, m)
			return nil
		}, `SELECT e.id, e.blob, e.thread, `+column+`, m.mailbox, m.uid, m.modseq, m.created, m.flags, m.keywords, m.internal, m.saved, m.size, m.email, m.thread
			FROM json_each(?) j CROSS JOIN email e ON e.id = j.value CROSS JOIN message m ON m.email = e.id WHERE e.account = ? AND NOT m.flags & 8
			ORDER BY m.email, m.mailbox, m.uid`, string(list), a.id)
		if err != nil {
			return err
		}
	}
	return nil
}

// email reads an email of the account; nil if there is none, or none to be seen.
func (a *account) email(c *conn, id int64, summary bool) (*emailRow, error) {
	all, err := a.emails(c, []int64{id}, summary)
	return all[id], err
}

// copies reads all messages of an email.
func (a *account) copies(c *conn, email int64) ([]copyRow, error) {
	var out []copyRow
	err := c.rows(func(r *sql.Rows) error {
		out = append(out, copyRow{})
		return r.Scan(out[len(out)-1].fields()...)
	}, `SELECT mailbox, `+msgColumns+` FROM message WHERE email = ? ORDER BY mailbox, uid`, email)
	return out, err
}

// received is the earliest internal date of the copies.
func (e *emailRow) received() time.Time {
	oldest := slices.MinFunc(e.copies, func(a, b copyRow) int { return cmp.Compare(a.internal, b.internal) })
	return time.Unix(oldest.internal, 0).UTC()
}

// keywords joins those of the copies.
func (e *emailRow) keywords() []string {
	var out []string
	seen := true
	for _, c := range e.copies {
		seen = seen && c.bits&bitSeen != 0
		for _, f := range c.flags() {
			if k := mail.Keyword(string(f)); k != "" && k != "$seen" {
				out = append(out, k)
			}
		}
	}
	if seen {
		out = append(out, "$seen")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (e *emailRow) mailboxes() []jmap.ID {
	var out []jmap.ID
	for _, c := range e.copies {
		out = append(out, jmap.ID(mailboxID(c.mailbox)))
	}
	return slices.Compact(out)
}

func (e *emailRow) record() mail.Record {
	r := mail.Record{ID: jmap.ID(emailID(e.id)), BlobID: jmap.ID(blobID(e.blob)), ThreadID: jmap.ID(threadID(e.thread)),
		MailboxIDs: e.mailboxes(), Keywords: e.keywords(), Size: e.copies[0].size, ReceivedAt: e.received(), Summary: e.summary}
	return r
}

// Get returns emails, without ids all of them, the newest last.
func (a jmapEmails) Get(ctx context.Context, r *jmap.GetRequest[mail.EmailWant]) (*jmap.GetResponse[mail.Record], error) {
	out := &jmap.GetResponse[mail.Record]{AccountID: r.AccountID}
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		now, err := a.state(c)
		if err != nil {
			return err
		}
		out.State = now.state()
		ids := r.IDs
		if ids == nil {
			if ids, err = c.ids(emailID, `SELECT DISTINCT m.email FROM mailbox b CROSS JOIN message m ON m.mailbox = b.id WHERE b.account = ? AND NOT m.flags & 8 ORDER BY 1`, a.id); err != nil {
				return err
			}
		}
		wanted := make([]int64, len(ids))
		for i, id := range ids {
			wanted[i] = parseID('M', string(id))
		}
		found, err := a.records(c, now.modseq, wanted, r.Args.Summary)
		if err != nil {
			return err
		}
		for i, id := range ids {
			rec, ok := found[wanted[i]]
			if !ok {
				out.NotFound = append(out.NotFound, id)
				continue
			}
			out.List = append(out.List, rec)
		}
		return nil
	})
	return out, err
}

// Changes returns the emails that changed.
func (a jmapEmails) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	return a.changesSince(ctx, r, emailID, a.changed)
}

// changed reads the emails that may have changed after since. An email was there at since if one of its messages was,
// and it is there now if one of its messages is that is not \Deleted.
func (a *account) changed(c *conn, since place) ([]changed, error) {
	byID := make(map[int64]*changed)
	note := func(id int64, m, created modSeq) {
		x := byID[id]
		if x == nil {
			x = &changed{id: id, created: true, gone: true}
			byID[id] = x
		}
		p := place{m, id}
		if p.compare(x.at) > 0 {
			x.at = p
		}
		x.created = x.created && place{created, id}.compare(since) > 0
	}
	err := c.rows(func(r *sql.Rows) error {
		var id int64
		var m, created modSeq
		var visible bool
		if err := r.Scan(&id, &m, &created, &visible); err != nil {
			return err
		}
		note(id, m, created)
		byID[id].gone = byID[id].gone && !visible
		return nil
	}, `SELECT m.email, m.modseq, e.created, NOT m.flags & 8 FROM mailbox b CROSS JOIN message m ON m.mailbox = b.id AND m.modseq > ?
		JOIN email e ON e.id = m.email WHERE b.account = ? AND b.modseq > ?`, since.from(), a.id, since.from())
	if err == nil {
		err = c.rows(func(r *sql.Rows) error {
			var id int64
			var m, created modSeq
			if err := r.Scan(&id, &m, &created); err != nil {
				return err
			}
			note(id, m, created)
			return nil
		}, `SELECT email, modseq, created FROM expunged WHERE account = ? AND modseq > ? AND uid > 0`, a.id, since.from())
	}
	if err != nil {
		return nil, err
	}
	var gone []int64
	for id, x := range byID {
		if x.gone {
			gone = append(gone, id)
		}
	}
	err = c.rows(func(r *sql.Rows) error { // perhaps a message that did not change shows it still
		var id int64
		var created modSeq
		err := r.Scan(&id, &created)
		if x := byID[id]; err == nil {
			x.gone, x.created = false, place{created, id}.compare(since) > 0
		}
		return err
	}, `SELECT e.id, e.created FROM json_each(?) j CROSS JOIN email e ON e.id = j.value WHERE EXISTS (
		SELECT 1 FROM message m WHERE m.email = e.id AND NOT m.flags & 8)`, string(appendNumbers(nil, gone)))
	return values(byID), err
}

// values returns what a map holds, in no order.
func values(byID map[int64]*changed) []changed {
	out := make([]changed, 0, len(byID))
	for _, x := range byID {
		out = append(out, *x)
	}
	return out
}

// appendNumbers appends a JSON array, which json_each reads.
func appendNumbers(dst []byte, numbers []int64) []byte {
	dst = append(dst, '[')
	for i, n := range numbers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, n, 10)
	}
	return append(dst, ']')
}

// Query lists one mailbox by date, the newest or the oldest first, by an index.
func (a jmapEmails) Query(ctx context.Context, r *jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]) (*jmap.QueryResponse, error) {
	box, ascending, ok := simpleQuery(r)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	q := &listing{limit: -1, position: r.Position, anchor: parseID('M', string(r.Anchor)), offset: r.AnchorOffset, collapse: r.Args.CollapseThreads}
	if r.Limit != nil {
		q.limit = int(min(*r.Limit, 1<<30))
	}
	if r.Anchor == "" {
		q.anchor = -1
	}
	out := &jmap.QueryResponse{AccountID: r.AccountID, IDs: []jmap.ID{}}
	err := a.s.db.snapshot(ctx, func(c *conn) error {
		b := new(boxRow)
		err := c.row(b.fields(), `SELECT `+boxColumns+` FROM mailbox WHERE id = ? AND account = ?`, box, a.id)
		if errors.Is(err, sql.ErrNoRows) { // RFC 8620 §5.5: a filter that nothing matches
			b = &boxRow{}
		} else if err != nil {
			return err
		}
		if r.CalculateTotal || r.Position < 0 {
			n, err := a.count(c, b)
			if err != nil {
				return err
			}
			q.total = int(n.emails)
			if q.collapse {
				q.total = int(n.threads)
			}
		}
		out.QueryState = jmap.State(strconv.FormatUint(uint64(b.modseq), 10))
		if r.CalculateTotal {
			out.Total = new(uint(q.total))
		}
		out.IDs, out.Position, err = a.window(c, q, b, ascending)
		return err
	})
	return out, err
}

// simpleQuery reports whether a query asks for one mailbox by date.
func simpleQuery(r *jmap.QueryRequest[mail.EmailCondition, mail.Comparator, mail.EmailQueryArgs]) (box int64, ascending, ok bool) {
	if r.Filter == nil || r.Filter.Condition == nil || r.Filter.Operator != "" || len(r.Sort) > 1 {
		return 0, false, false
	}
	cond := *r.Filter.Condition
	box = parseID('F', string(cond.InMailbox))
	cond.InMailbox = ""
	if box == 0 || !reflect.ValueOf(cond).IsZero() {
		return 0, false, false
	}
	if len(r.Sort) == 1 {
		if r.Sort[0].Property != "receivedAt" || r.Sort[0].Collation != "" {
			return 0, false, false
		}
		ascending = !r.Sort[0].Descending()
	}
	return box, ascending, true
}

// A listing walks over a mailbox until it has the wanted window.
type listing struct {
	position, offset, limit, total int
	anchor                         int64 // -1: none, 0: no such email
	collapse                       bool
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

func (q *listing) run(c *conn, b *boxRow, ascending bool) ([]jmap.ID, uint, error) {
	start := q.position
	if q.anchor >= 0 {
		start = -1 // not known yet
	} else if start < 0 {
		start = max(q.total+start, 0)
	}
	order := "DESC"
	if ascending {
		order = "ASC"
	}
	query := `SELECT email, thread FROM message WHERE mailbox = ? ORDER BY internal ` + order + `, email ` + order
	if b.deleted > 0 {
		query = strings.Replace(query, "mailbox = ?", "mailbox = ? AND NOT flags & 8", 1)
	}
	var all []int64 // from the beginning
	seen := make(map[int64]bool)
	err := c.rows(func(r *sql.Rows) error {
		var email, thread int64
		if err := r.Scan(&email, &thread); err != nil {
			return err
		}
		key := email
		if q.collapse {
			key = thread
		}
		if seen[key] {
			return nil
		}
		seen[key] = true
		if all = append(all, email); email == q.anchor {
			start = max(len(all)-1+q.offset, 0)
		}
		if start >= 0 && q.limit >= 0 && len(all) >= start+q.limit {
			return errEnough
		}
		return nil
	}, query, b.id)
	if err != nil && !errors.Is(err, errEnough) {
		return nil, 0, err
	}
	if start < 0 {
		return nil, 0, jmap.Errorf(jmap.AnchorNotFound, "")
	}
	ids := []jmap.ID{}
	for _, id := range all[min(start, len(all)):] {
		if q.limit >= 0 && len(ids) == q.limit {
			break
		}
		ids = append(ids, jmap.ID(emailID(id)))
	}
	return ids, uint(start), nil
}
