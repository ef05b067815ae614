package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// A Quota is what an account may hold; 0 is no limit. A message counts in every mailbox that it is in.
type Quota struct {
	Octets   int64 // of messages; over IMAP in units of 1024, rounded down
	Messages int64
}

// usage returns the octets and messages of the account.
func (a *account) usage(ctx context.Context) (octets, messages int64, err error) {
	err = a.s.db.read(ctx, func(c *conn) error {
		return c.row([]any{&octets, &messages}, `SELECT coalesce(sum(size), 0), coalesce(sum(messages), 0) FROM mailbox WHERE account = ?`, a.id)
	})
	return octets, messages, err
}

// allows returns imap.ErrOverQuota where it does not.
func (q Quota) allows(octets, messages int64) error {
	if q.Octets > 0 && octets > q.Octets || q.Messages > 0 && messages > q.Messages {
		return fmt.Errorf("mailstore: %d messages of %d octets: %w", messages, octets, imap.ErrOverQuota)
	}
	return nil
}

// fits is asked before messages of so many octets come to an account; the error is imap.ErrOverQuota.
func (t *tx) fits(q Quota, account, messages, octets int64) error {
	if q == (Quota{}) {
		return nil
	}
	err := t.rows(func(r *sql.Rows) error {
		var id, size, n int64
		if err := r.Scan(&id, &size, &n); err != nil {
			return err
		}
		if b := t.boxes[id]; b != nil { // what is not written yet
			size, n = b.size, b.messages
		}
		octets, messages = octets+size, messages+n
		return nil
	}, `SELECT id, size, messages FROM mailbox WHERE account = ?`, account)
	if err != nil {
		return err
	}
	return q.allows(octets, messages)
}

// fits is that of a tx, without one: things may have changed when the messages come.
func (a *account) fits(ctx context.Context, messages, octets int64) error {
	if a.s.o.Quota == (Quota{}) {
		return nil
	}
	o, m, err := a.usage(ctx)
	if err != nil {
		return err
	}
	return a.s.o.Quota.allows(o+octets, m+messages)
}

// fits refuses copies of an email that do not fit.
func (s *emailSet) fits(copies int, size int64) error {
	err := s.t.fits(s.a.s.o.Quota, s.a.id, int64(copies), int64(copies)*size)
	if errors.Is(err, imap.ErrOverQuota) {
		return &jmap.SetError{Type: jmap.SetOverQuota}
	}
	return err
}

// QuotaRoots implements imap.Quoter: one root for all mailboxes of the user's own.
func (a *account) QuotaRoots(ctx context.Context) ([]imap.QuotaRoot, error) {
	octets, messages, err := a.usage(ctx)
	if err != nil {
		return nil, err
	}
	root := imap.QuotaRoot{}
	if limit := a.s.o.Quota.Octets; limit > 0 {
		root.Resources = append(root.Resources, imap.QuotaResource{Name: imap.QuotaStorage, Usage: (octets + 1023) / 1024, Limit: limit / 1024})
	}
	if limit := a.s.o.Quota.Messages; limit > 0 {
		root.Resources = append(root.Resources, imap.QuotaResource{Name: imap.QuotaMessage, Usage: messages, Limit: limit})
	}
	return []imap.QuotaRoot{root}, nil
}

// jmapQuotas are a mail.Quoter.
type jmapQuotas struct{ *account }

// Quotas is mail.Quoter's.
func (a jmapQuotas) Quotas(ctx context.Context) ([]mail.Quota, error) {
	octets, messages, err := a.usage(ctx)
	if err != nil {
		return nil, err
	}
	var out []mail.Quota
	for _, q := range []mail.Quota{
		{ID: "octets", ResourceType: mail.QuotaOctets, Used: uint(octets), HardLimit: uint(a.s.o.Quota.Octets)},
		{ID: "messages", ResourceType: mail.QuotaCount, Used: uint(messages), HardLimit: uint(a.s.o.Quota.Messages)},
	} {
		if q.HardLimit > 0 {
			q.Scope, q.Name, q.Types = mail.QuotaAccount, a.name, []string{"Email"}
			out = append(out, q)
		}
	}
	return out, nil
}
