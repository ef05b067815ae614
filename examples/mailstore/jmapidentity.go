package mailstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxIdentities is the most identities of an account that are, and the most that have gone and are remembered.
const maxIdentities = 100

// jmapIdentities are mail.IdentityRoles. An id is I and a number where the row has the negative of it, else N and the row.
type jmapIdentities struct{ ledger }

func (a *account) identities() jmapIdentities {
	return jmapIdentities{ledger{a, "identity", `iif(id < 0, 'I' || -id, 'N' || id)`, "created", maxIdentities}}
}

// Get returns identities in the order of their creation.
func (a jmapIdentities) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Identity], error) {
	return getRecords[mail.Identity](ctx, a.ledger, r.IDs)
}

// Set is one transaction.
func (a jmapIdentities) Set(ctx context.Context, r *jmap.SetRequest[mail.Identity, mail.IdentityUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.Identity], error) {
	return setRecords(ctx, a.ledger, r, func(l ledgerTx) setter[mail.Identity, mail.IdentityUpdate, mail.Identity] {
		s := identitySet{l}
		return setter[mail.Identity, mail.IdentityUpdate, mail.Identity]{s.create, s.update, s.destroy}
	})
}

// An identitySet is one Identity/set.
type identitySet struct{ ledgerTx }

func (s identitySet) create(_ jmap.ID, x mail.Identity) (mail.Identity, error) {
	err := s.put(0, &x)
	return x, err
}

// put adds an identity. Row 0 is one of its own.
func (s identitySet) put(row int64, x *mail.Identity) error {
	n, err := s.count()
	if err == nil && n >= maxIdentities {
		err = &jmap.SetError{Type: jmap.SetOverQuota, Description: fmt.Sprintf("an account has at most %d identities", maxIdentities)}
	}
	if err != nil {
		return err
	}
	m := s.next()
	if row == 0 {
		row = int64(m)
		x.ID = jmap.ID("N" + strconv.FormatInt(row, 10))
	}
	value, err := jmap.Marshal(x)
	if err != nil {
		return err
	}
	return s.t.exec(`INSERT INTO identity (account, id, created, changed, value) VALUES (?, ?, ?, ?, ?)`, s.id, row, m, m, value)
}

func (s identitySet) update(id jmap.ID, u mail.IdentityUpdate) error {
	row, x, err := readRecord[mail.Identity](s.ledgerTx, id)
	refused, err := refusal(err)
	if err != nil {
		return err
	}
	if refused != nil {
		row = -parseID('I', string(id))
		if !u.Make || row == 0 {
			return refused
		}
		x = mail.Identity{ID: id}
		u.Apply(&x)
		return s.put(row, &x)
	}
	u.Apply(&x)
	value, err := jmap.Marshal(x)
	if err != nil {
		return err
	}
	return s.t.exec(`UPDATE identity SET value = ?, changed = ? WHERE account = ? AND id = ?`, value, s.next(), s.id, row)
}

func (s identitySet) destroy(id jmap.ID) error {
	row, _, err := readRecord[mail.Identity](s.ledgerTx, id)
	if err != nil {
		return err
	}
	return s.remove(row)
}
