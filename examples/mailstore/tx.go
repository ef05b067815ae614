package mailstore

import (
	"database/sql"
	"errors"

	"github.com/mailbricks/mailbricks/examples/mailstore/objects"
	"github.com/mailbricks/mailbricks/imap"
)

type modSeq = imap.ModSeq

// A tx is one transaction, shared by the operations of a group. It keeps the rows of accounts and mailboxes that
// were touched and writes them once, before the commit; names and subscriptions are written at once.
type tx struct {
	*conn
	db       *db
	accounts map[int64]*accountRow
	boxes    map[int64]*boxRow
	wrote    bool // the operation in work has changed something

	notices map[notice]modSeq
	arrived map[int64]int64           // account → its newest email
	told    map[int64]modSeq          // account → the latest change of what is in no mailbox
	lists   map[int64][]imap.ACLEntry // mailbox → its list before, where that has changed
	shared  map[int64][]string        // mailbox → names of annotations that everyone is shown
	private map[notice][]string       // names of annotations of the account alone, of a mailbox or, 0, in none
	dropped []objects.Hash            // files that nothing refers to after the commit
}

// A notice names a mailbox in the feed of an account.
type notice struct{ account, mailbox int64 }

type accountRow struct {
	id          int64
	modseq      modSeq
	horizon     modSeq
	uidvalidity uint32
	gone        int64
	dirty       bool
}

type boxRow struct {
	id, account  int64
	name         string
	special      string
	subscribed   bool
	sortorder    uint32
	uidvalidity  uint32
	uidnext      imap.UID
	created      modSeq
	changed      modSeq
	modseq       modSeq
	horizon      modSeq
	messages     int64
	unseen       int64
	deleted      int64
	size         int64
	dirty, ended bool

	before  modSeq // modseq when the transaction began
	changes []*msgRow
	gone    map[imap.UID]bool
}

const boxColumns = `id, account, name, special, subscribed, sortorder, uidvalidity, uidnext, created, changed, modseq, horizon, messages, unseen, deleted, size`

func (b *boxRow) fields() []any {
	return []any{&b.id, &b.account, &b.name, &b.special, &b.subscribed, &b.sortorder, &b.uidvalidity, &b.uidnext, &b.created, &b.changed,
		&b.modseq, &b.horizon, &b.messages, &b.unseen, &b.deleted, &b.size}
}

// run runs one operation. An error of the operation that has changed nothing is the operation's alone; every other
// one is returned, and the transaction must be rolled back.
func (t *tx) run(o *op) error {
	t.wrote = false
	o.err = o.run(t)
	if o.err != nil && (t.wrote || fatal(o.err)) {
		return o.err
	}
	return nil
}

// commit writes the rows that were kept and commits. An input or output error ends all writing.
func (t *tx) commit() error {
	err := t.flush()
	if err == nil {
		err = t.conn.exec("COMMIT")
	}
	if err == nil {
		t.release()
		return nil
	}
	t.db.giveUp(err)
	t.rollback()
	return err
}

func (t *tx) rollback() {
	t.conn.exec("ROLLBACK") // fails where SQLite has rolled back by itself
	t.release()
}

// release gives the connection back.
func (t *tx) release() {
	if t.db.writer == nil {
		t.db.readers <- t.conn
	}
}

func (t *tx) flush() error {
	for _, a := range t.accounts {
		if !a.dirty {
			continue
		}
		if err := t.exec(`UPDATE account SET modseq = ?, horizon = ?, uidvalidity = ?, gone = ? WHERE id = ?`,
			a.modseq, a.horizon, a.uidvalidity, a.gone, a.id); err != nil {
			return err
		}
	}
	for _, b := range t.boxes {
		if !b.dirty || b.ended {
			continue
		}
		if err := t.exec(`UPDATE mailbox SET uidnext = ?, changed = ?, modseq = ?, horizon = ?, messages = ?, unseen = ?, deleted = ?, size = ?
			WHERE id = ?`, b.uidnext, b.changed, b.modseq, b.horizon, b.messages, b.unseen, b.deleted, b.size, b.id); err != nil {
			return err
		}
	}
	return nil
}

// exec changes something.
func (t *tx) exec(query string, args ...any) error {
	t.wrote = true
	return t.conn.exec(query, args...)
}

// insert adds a row and returns its id.
func (t *tx) insert(query string, args ...any) (int64, error) {
	t.wrote = true
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, dbError(err)
	}
	return r.LastInsertId()
}

// account returns the row of an account.
func (t *tx) account(id int64) (*accountRow, error) {
	if a, ok := t.accounts[id]; ok {
		return a, nil
	}
	a := &accountRow{id: id}
	err := t.row([]any{&a.modseq, &a.horizon, &a.uidvalidity, &a.gone},
		`SELECT modseq, horizon, uidvalidity, gone FROM account WHERE id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, imap.ErrNonexistent
	} else if err != nil {
		return nil, err
	}
	t.accounts[id] = a
	return a, nil
}

// next counts the account's ModSeq up.
func (t *tx) next(a *accountRow) modSeq {
	t.wrote, a.dirty = true, true
	a.modseq++
	return a.modseq
}

// box returns the row of a mailbox by its id; imap.ErrNonexistent if it has gone.
func (t *tx) box(id int64) (*boxRow, error) {
	if b, ok := t.boxes[id]; ok {
		if b.ended {
			return nil, imap.ErrNonexistent
		}
		return b, nil
	}
	b := new(boxRow)
	err := t.row(b.fields(), `SELECT `+boxColumns+` FROM mailbox WHERE id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, imap.ErrNonexistent
	} else if err != nil {
		return nil, err
	}
	b.before = b.modseq
	t.boxes[id] = b
	return b, nil
}

// touch says that something of the mailbox changed at m.
func (t *tx) touch(b *boxRow, m modSeq) {
	t.wrote, b.dirty = true, true
	b.modseq = max(b.modseq, m)
	n := notice{b.account, b.id}
	t.notices[n] = max(t.notices[n], m)
}

// change remembers a message that is new or has changed.
func (b *boxRow) change(m *msgRow) { b.changes = append(b.changes, m) }

// lose remembers a message that has gone.
func (b *boxRow) lose(u imap.UID) {
	if b.gone == nil {
		b.gone = make(map[imap.UID]bool)
	}
	b.gone[u] = true
}
