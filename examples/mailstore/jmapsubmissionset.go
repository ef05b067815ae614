package mailstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// Set is one transaction.
func (a jmapSubmissions) Set(ctx context.Context, r *jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.KeptSubmission], error) {
	var out *jmap.SetResponse[mail.KeptSubmission]
	err := a.s.db.write(ctx, func(t *tx) error {
		old, err := a.state(t.conn)
		if err != nil {
			return err
		}
		if r.IfInState != nil && *r.IfInState != old.state() {
			return jmap.Errorf(jmap.StateMismatch, "the state is %s", old.state())
		}
		row, err := t.account(a.id)
		if err != nil {
			return err
		}
		out = newSet[mail.KeptSubmission](old)
		s := submissionSet{a, t, row}
		if len(r.Create) > 0 {
			err = s.expire()
		}
		for _, creation := range slices.Sorted(maps.Keys(r.Create)) {
			if err != nil {
				return err
			}
			var refused *jmap.SetError
			if refused, err = refusal(s.put(r.Create[creation])); refused != nil {
				out.NotCreated[creation] = refused
				continue
			}
			out.Created[creation] = r.Create[creation]
		}
		for _, id := range slices.Sorted(maps.Keys(r.Update)) {
			if err != nil {
				return err
			}
			var refused *jmap.SetError
			if refused, err = refusal(s.update(id, r.Update[id])); refused != nil {
				out.NotUpdated[id] = refused
				continue
			}
			out.Updated[id] = nil
		}
		for _, id := range r.Destroy {
			if err != nil {
				return err
			}
			var refused *jmap.SetError
			if refused, err = refusal(s.destroy(id)); refused != nil {
				out.NotDestroyed[id] = refused
				continue
			}
			out.Destroyed = append(out.Destroyed, id)
		}
		if err != nil {
			return err
		}
		now, err := a.state(t.conn)
		out.NewState = now.state()
		return err
	})
	return out, err
}

// A submissionSet is what changes submissions within a transaction.
type submissionSet struct {
	a   jmapSubmissions
	t   *tx
	row *accountRow
}

// next is the ModSeq of a change, which is told.
func (s submissionSet) next() modSeq {
	m := s.t.next(s.row)
	s.t.told[s.a.id] = m
	return m
}

// due returns the column due.
func due(k *mail.KeptSubmission) any {
	if k.NextAttempt.IsZero() {
		return nil
	}
	return k.NextAttempt.Unix()
}

// put adds a submission.
func (s submissionSet) put(k mail.KeptSubmission) error {
	var n int
	if k.BlobID != "" {
		err := noRows(s.t.row([]any{&n}, `SELECT 1 FROM blob WHERE id = ?`, parseID('B', string(k.BlobID))))
		if err == nil && n == 0 {
			err = &jmap.SetError{Type: jmap.SetBlobNotFound, NotFound: []jmap.ID{k.BlobID}} // it went just now
		}
		if err != nil {
			return err
		}
	}
	if err := s.t.row([]any{&n}, `SELECT count(*) FROM submission WHERE account = ? AND value IS NOT NULL`, s.a.id); err != nil {
		return err
	}
	if n >= maxSubmissions {
		var oldest int64
		err := s.t.row([]any{&oldest}, `SELECT coalesce(min(id), 0) FROM submission WHERE account = ? AND value IS NOT NULL AND due IS NULL`, s.a.id)
		if err == nil && oldest == 0 {
			err = &jmap.SetError{Type: jmap.SetOverQuota, Description: fmt.Sprintf("%d submissions are still to be sent", n)}
		}
		if err == nil {
			err = s.remove(oldest)
		}
		if err != nil {
			return err
		}
	}
	value, err := jmap.Marshal(k)
	if err != nil {
		return err
	}
	m := s.next()
	if err := s.t.exec(`INSERT INTO submission (account, id, name, changed, sent, due, message, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		s.a.id, m, string(k.Submission.ID), m, k.Submission.SendAt.Unix(), due(&k), k.MessageID, value); err != nil {
		return err
	}
	return s.blobs(int64(m), nil, k.Blobs())
}

// get reads a submission that is kept.
func (s submissionSet) get(id jmap.ID) (row int64, k mail.KeptSubmission, err error) {
	var value []byte
	err = noRows(s.t.row([]any{&row, &value}, `SELECT id, value FROM submission WHERE account = ? AND name = ? AND value IS NOT NULL`, s.a.id, string(id)))
	if err == nil && value == nil {
		err = &jmap.SetError{Type: jmap.SetNotFound}
	}
	if err == nil {
		err = jmap.Unmarshal(value, &k)
	}
	return row, k, err
}

func (s submissionSet) update(id jmap.ID, u mail.SubmissionUpdate) error {
	row, k, err := s.get(id)
	if err != nil {
		return err
	}
	old := k.Blobs()
	if err := u.Apply(&k); err != nil {
		return err
	}
	value, err := jmap.Marshal(k)
	if err != nil {
		return err
	}
	if err := s.t.exec(`UPDATE submission SET value = ?, due = ?, changed = ? WHERE account = ? AND id = ?`, value, due(&k), s.next(), s.a.id, row); err != nil {
		return err
	}
	return s.blobs(row, old, k.Blobs())
}

// destroy removes a submission with which nothing is left to do.
func (s submissionSet) destroy(id jmap.ID) error {
	row, k, err := s.get(id)
	if err == nil && !k.NextAttempt.IsZero() {
		err = &jmap.SetError{Type: jmap.SetForbidden, Description: "it is still to be sent"}
	}
	if err != nil {
		return err
	}
	return s.remove(row)
}

// expire removes the submissions that were done with long ago.
func (s submissionSet) expire() error {
	var rows []int64
	err := s.t.rows(func(r *sql.Rows) error {
		rows = append(rows, 0)
		return r.Scan(&rows[len(rows)-1])
	}, `SELECT id FROM submission WHERE account = ? AND value IS NOT NULL AND due IS NULL AND sent < ? LIMIT 100`,
		s.a.id, s.a.s.o.Now().Add(-submissionLife).Unix())
	for _, row := range rows {
		if err == nil {
			err = s.remove(row)
		}
	}
	return err
}

// remove removes a row, and forgets those that have gone first where there are too many.
func (s submissionSet) remove(row int64) error {
	var value []byte
	if err := s.t.row([]any{&value}, `SELECT value FROM submission WHERE account = ? AND id = ?`, s.a.id, row); err != nil {
		return err
	}
	var k mail.KeptSubmission
	if err := jmap.Unmarshal(value, &k); err != nil {
		return err
	}
	if err := s.t.exec(`UPDATE submission SET value = NULL, due = NULL, changed = ? WHERE account = ? AND id = ?`, s.next(), s.a.id, row); err != nil {
		return err
	}
	if err := s.blobs(row, k.Blobs(), nil); err != nil {
		return err
	}
	var n int
	var first int64
	var m modSeq
	if err := s.t.row([]any{&n}, `SELECT count(*) FROM submission WHERE account = ? AND value IS NULL AND id != 0`, s.a.id); err != nil || n <= maxSubmissions {
		return err
	}
	if err := s.t.row([]any{&first, &m}, `SELECT id, changed FROM submission WHERE account = ? AND value IS NULL AND id != 0 ORDER BY changed LIMIT 1`, s.a.id); err != nil {
		return err
	}
	if err := s.t.exec(`DELETE FROM submission WHERE account = ? AND id = ?`, s.a.id, first); err != nil {
		return err
	}
	return s.t.exec(`INSERT INTO submission (account, id, name, changed, sent, message) VALUES (?, 0, '', ?, 0, '') ON CONFLICT DO UPDATE SET changed = excluded.changed`, s.a.id, m)
}

// blobs changes which blobs a submission keeps.
func (s submissionSet) blobs(row int64, old, now []jmap.ID) error {
	for _, id := range now {
		if n := parseID('B', string(id)); n != 0 && !slices.Contains(old, id) {
			if err := s.t.exec(`INSERT OR IGNORE INTO submissionblob (blob, account, submission) VALUES (?, ?, ?)`, n, s.a.id, row); err != nil {
				return err
			}
		}
	}
	for _, id := range old {
		if n := parseID('B', string(id)); n != 0 && !slices.Contains(now, id) {
			if err := s.t.exec(`DELETE FROM submissionblob WHERE blob = ? AND account = ? AND submission = ?`, n, s.a.id, row); err != nil {
				return err
			}
			if err := s.t.dropBlob(n); err != nil {
				return err
			}
		}
	}
	return nil
}
