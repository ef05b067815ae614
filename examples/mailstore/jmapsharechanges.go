package mailstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A shareState is the state of a share: a digest of which mailboxes are seen, and how, and the highest ModSeq of those that can be
// read, which tells of the rest no more than IMAP does. While the digest is the same, what changed since a ModSeq can be told.
type shareState struct {
	seen    string
	now     place
	horizon modSeq // expunges up to here are forgotten
}

// state returns the state that is reached at p.
func (s shareState) state(p place) jmap.State { return jmap.State(s.seen+".") + p.state() }

// changes reads the changes of one type, as Store.changes does. Where other mailboxes are seen now, clients read anew.
func (x jmapShare) changes(ctx context.Context, r *jmap.ChangesRequest, id func(int64) string,
	read func(c *conn, v *shareView, rows map[int64]*boxRow, since place) ([]changed, error)) (*jmap.ChangesResponse, error) {
	v, err := x.look(ctx)
	if err != nil {
		return nil, err
	}
	seen, since, _ := strings.Cut(string(r.SinceState), ".")
	var rows map[int64]*boxRow
	var st shareState
	out, err := x.by.s.changes(ctx, &jmap.ChangesRequest{SinceState: jmap.State(since), MaxChanges: r.MaxChanges}, func(c *conn) (now place, horizon modSeq, err error) {
		if rows, st, err = v.rows(c); err == nil && st.seen != seen {
			err = jmap.Errorf(jmap.CannotCalculateChanges, "the mailboxes or the rights to them are others now")
		}
		return st.now, st.horizon, err
	}, id, func(c *conn, since place) ([]changed, error) { return read(c, v, rows, since) })
	if err != nil {
		return nil, err
	}
	out.OldState, out.NewState = r.SinceState, jmap.State(seen+".")+out.NewState
	return out, nil
}

// Changes is mail.MailboxChanger's. Of a mailbox that is seen as before, the counts alone can change.
func (x shareMailboxes) Changes(ctx context.Context, r *jmap.ChangesRequest) (*mail.MailboxChangesResponse, error) {
	out, err := x.changes(ctx, r, mailboxID, func(_ *conn, _ *shareView, rows map[int64]*boxRow, _ place) (list []changed, _ error) {
		for _, b := range rows {
			list = append(list, changed{id: b.id, at: place{b.modseq, b.id}})
		}
		return list, nil
	})
	if err != nil {
		return nil, err
	}
	full := &mail.MailboxChangesResponse{ChangesResponse: *out}
	if len(out.Updated) > 0 {
		full.UpdatedProperties = countProperties()
	}
	return full, nil
}

// Changes is jmap.Changer's.
func (x shareEmails) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	return x.copyChanges(ctx, r, emailID, "email", "e.id")
}

// shareThreads have the changes of threads; the server makes the threads of the emails.
type shareThreads struct{ jmapShare }

// Changes is jmap.Changer's.
func (x shareThreads) Changes(ctx context.Context, r *jmap.ChangesRequest) (*jmap.ChangesResponse, error) {
	return x.copyChanges(ctx, r, threadID, "thread", "e.thread")
}

// copyChanges reads the changes of what has copies in mailboxes: emails or threads, by their column in message and expunged, and by
// that in email. It was there at since if one of its copies was that can be read. What was \Deleted meanwhile may be created anew,
// and what comes to light in a mailbox be updated.
func (x jmapShare) copyChanges(ctx context.Context, r *jmap.ChangesRequest, id func(int64) string, column, ofEmail string) (*jmap.ChangesResponse, error) {
	return x.changes(ctx, r, id, func(c *conn, v *shareView, _ map[int64]*boxRow, since place) ([]changed, error) {
		byID := make(map[int64]*changed)
		// note takes in a copy: its last change, when it came, and when its email came to light.
		note := func(r *sql.Rows) error {
			var id int64
			var m, came, light modSeq
			var visible bool
			if err := r.Scan(&id, &m, &came, &light, &visible); err != nil {
				return err
			}
			x := byID[id]
			if x == nil {
				x = &changed{id: id, created: true, gone: true}
				byID[id] = x
			}
			x.at = place{max(m, x.at.modseq), id}
			x.created = x.created && place{max(came, light), id}.compare(since) > 0
			x.gone = x.gone && !visible
			return nil
		}
		boxes := v.readable()
		err := c.rows(note, `SELECT `+column+`, modseq, created, 0, 0 FROM expunged WHERE mailbox IN (SELECT value FROM json_each(?)) AND modseq > ? AND uid > 0`, boxes, since.from())
		if err != nil {
			return nil, err
		}
		touched, err := c.numbers(`SELECT DISTINCT `+column+` FROM message WHERE mailbox IN (SELECT value FROM json_each(?)) AND modseq > ?`, boxes, since.from())
		if err != nil {
			return nil, err
		}
		err = c.rows(note, `SELECT j.value, m.modseq, m.created, e.created, NOT m.flags & 8 FROM json_each(?) j CROSS JOIN email e ON `+ofEmail+` = j.value
			JOIN message m ON m.email = e.id WHERE m.mailbox IN (SELECT value FROM json_each(?))`,
			string(appendNumbers(nil, slices.AppendSeq(touched, maps.Keys(byID)))), boxes)
		return values(byID), err
	})
}
