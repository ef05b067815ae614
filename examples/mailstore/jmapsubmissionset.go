package mailstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// Set is one transaction.
func (a jmapSubmissions) Set(ctx context.Context, r *jmap.SetRequest[mail.KeptSubmission, mail.SubmissionUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.KeptSubmission], error) {
	return setRecords(ctx, a.ledger, r, func(l ledgerTx) setter[mail.KeptSubmission, mail.SubmissionUpdate, mail.KeptSubmission] {
		s := submissionSet{l}
		return setter[mail.KeptSubmission, mail.SubmissionUpdate, mail.KeptSubmission]{s.create, s.update, s.destroy}
	})
}

// A submissionSet is what changes submissions within a transaction.
type submissionSet struct{ ledgerTx }

// due returns the column due.
func due(k *mail.KeptSubmission) any {
	if k.NextAttempt.IsZero() {
		return nil
	}
	return k.NextAttempt.Unix()
}

// create adds a submission, after those that were done with long ago have gone.
func (s submissionSet) create(_ jmap.ID, k mail.KeptSubmission) (mail.KeptSubmission, error) {
	if err := s.expire(); err != nil {
		return k, err
	}
	return k, s.put(&k)
}

func (s submissionSet) put(k *mail.KeptSubmission) error {
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
	n, err := s.count()
	if err != nil {
		return err
	}
	if n >= maxSubmissions {
		var oldest int64
		err := s.t.row([]any{&oldest}, `SELECT coalesce(min(id), 0) FROM submission WHERE account = ? AND value IS NOT NULL AND due IS NULL`, s.id)
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
		s.id, m, string(k.Submission.ID), m, k.Submission.SendAt.Unix(), due(k), k.MessageID, value); err != nil {
		return err
	}
	return s.blobs(int64(m), nil, k.Blobs())
}

func (s submissionSet) update(id jmap.ID, u mail.SubmissionUpdate) error {
	row, k, err := readRecord[mail.KeptSubmission](s.ledgerTx, id)
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
	if err := s.t.exec(`UPDATE submission SET value = ?, due = ?, changed = ? WHERE account = ? AND id = ?`, value, due(&k), s.next(), s.id, row); err != nil {
		return err
	}
	return s.blobs(row, old, k.Blobs())
}

// destroy removes a submission with which nothing is left to do.
func (s submissionSet) destroy(id jmap.ID) error {
	row, k, err := readRecord[mail.KeptSubmission](s.ledgerTx, id)
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
	rows, err := s.t.numbers(`SELECT id FROM submission WHERE account = ? AND value IS NOT NULL AND due IS NULL AND sent < ? LIMIT 100`,
		s.id, s.s.o.Now().Add(-submissionLife).Unix())
	for _, row := range rows {
		if err == nil {
			err = s.remove(row)
		}
	}
	return err
}

// remove removes a row that is not due, and lets its blobs go.
func (s submissionSet) remove(row int64) error {
	var value []byte
	if err := s.t.row([]any{&value}, `SELECT value FROM submission WHERE account = ? AND id = ?`, s.id, row); err != nil {
		return err
	}
	var k mail.KeptSubmission
	if err := jmap.Unmarshal(value, &k); err != nil {
		return err
	}
	if err := s.blobs(row, k.Blobs(), nil); err != nil {
		return err
	}
	return s.ledgerTx.remove(row)
}

// blobs changes which blobs a submission keeps.
func (s submissionSet) blobs(row int64, old, now []jmap.ID) error {
	for _, id := range now {
		if n := parseID('B', string(id)); n != 0 && !slices.Contains(old, id) {
			if err := s.t.exec(`INSERT OR IGNORE INTO submissionblob (blob, account, submission) VALUES (?, ?, ?)`, n, s.id, row); err != nil {
				return err
			}
		}
	}
	for _, id := range old {
		if n := parseID('B', string(id)); n != 0 && !slices.Contains(now, id) {
			if err := s.t.exec(`DELETE FROM submissionblob WHERE blob = ? AND account = ? AND submission = ?`, n, s.id, row); err != nil {
				return err
			}
			if err := s.t.dropBlob(n); err != nil {
				return err
			}
		}
	}
	return nil
}
