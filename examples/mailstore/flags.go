package mailstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// systemFlags in the order of their bits in the column flags.
func systemFlags() []imap.Flag {
	return []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}
}

const (
	bitSeen = 1 << iota
	bitAnswered
	bitFlagged
	bitDeleted
	bitDraft
)

// A flagSet is a message's flags as stored.
type flagSet struct {
	bits     uint8
	keywords string // separated by spaces, as first given
}

// parseFlags sorts flags into a flagSet. \Recent and unknown system flags are not kept.
func parseFlags(flags []imap.Flag) flagSet {
	var f flagSet
	for _, x := range flags {
		f = f.with(x)
	}
	return f
}

func (f flagSet) with(x imap.Flag) flagSet {
	if strings.HasPrefix(string(x), `\`) {
		f.bits |= systemBit(x)
	} else if x != "" && !f.has(x) {
		f.keywords = strings.TrimPrefix(f.keywords+" "+string(x), " ")
	}
	return f
}

func (f flagSet) without(x imap.Flag) flagSet {
	if strings.HasPrefix(string(x), `\`) {
		f.bits &^= systemBit(x)
	} else if f.has(x) {
		kept := slices.DeleteFunc(strings.Fields(f.keywords), func(k string) bool { return strings.EqualFold(k, string(x)) })
		f.keywords = strings.Join(kept, " ")
	}
	return f
}

// has reports whether the keyword x is there.
func (f flagSet) has(x imap.Flag) bool {
	for k := range strings.FieldsSeq(f.keywords) {
		if strings.EqualFold(k, string(x)) {
			return true
		}
	}
	return false
}

func systemBit(x imap.Flag) uint8 {
	for i, s := range systemFlags() {
		if strings.EqualFold(string(s), string(x)) {
			return 1 << i
		}
	}
	return 0
}

// apply returns the set after a change. Keywords that differ in case or order only are the same.
func (f flagSet) apply(c imap.FlagChange) flagSet {
	if c.Keep != 0 {
		c.Flags = slices.DeleteFunc(slices.Clone(c.Flags), func(x imap.Flag) bool { return c.Keep.Has(x.Right()) })
	}
	out := f
	switch c.Op {
	case imap.FlagsSet:
		out = parseFlags(c.Flags)
		if c.Keep != 0 {
			out = parseFlags(append(c.Flags, f.kept(c.Keep).flags()...))
		}
		if out.sameKeywords(f) {
			out.keywords = f.keywords
		}
	case imap.FlagsAdd:
		for _, x := range c.Flags {
			out = out.with(x)
		}
	case imap.FlagsRemove:
		for _, x := range c.Flags {
			out = out.without(x)
		}
	}
	return out
}

// kept returns those of the flags that one of these rights is for.
func (f flagSet) kept(r imap.Rights) flagSet {
	if r.Has(imap.FlagRights) {
		return f
	}
	return parseFlags(slices.DeleteFunc(f.flags(), func(x imap.Flag) bool { return !r.Has(x.Right()) }))
}

func (f flagSet) sameKeywords(g flagSet) bool {
	a, b := strings.Fields(f.keywords), strings.Fields(g.keywords)
	return len(a) == len(b) && !slices.ContainsFunc(a, func(k string) bool { return !g.has(imap.Flag(k)) })
}

// flags returns the set as IMAP lists it; never nil.
func (f flagSet) flags() []imap.Flag {
	out := make([]imap.Flag, 0, 4)
	for i, s := range systemFlags() {
		if f.bits&(1<<i) != 0 {
			out = append(out, s)
		}
	}
	for k := range strings.FieldsSeq(f.keywords) {
		out = append(out, imap.Flag(k))
	}
	return out
}

// count adds n messages of these flags and this size to the counters of a mailbox.
func (b *boxRow) count(n int64, f flagSet, size int64) {
	b.messages += n
	b.size += n * size
	if f.bits&bitSeen == 0 {
		b.unseen += n
	}
	if f.bits&bitDeleted != 0 {
		b.deleted += n
	}
}

// StoreFlags applies one change.
func (a *account) StoreFlags(ctx context.Context, mailbox string, uids imap.UIDSet, c imap.FlagChange, unchangedSince modSeq) (imap.Stored, error) {
	var out imap.Stored
	err := a.s.db.write(ctx, func(t *tx) error {
		out = imap.Stored{}
		row, b, err := a.named(t, mailbox)
		if err != nil {
			return err
		}
		msgs, err := t.messages(b.id, uids, nil)
		if err != nil {
			return err
		}
		for i := 0; i < len(msgs); {
			m, f := &msgs[i], msgs[i].flagSet.apply(c)
			n := 1
			switch {
			case m.modseq > unchangedSince:
				out.Modified.Add(m.uid, m.uid)
			case f != m.flagSet:
				for i+n < len(msgs) && msgs[i+n].adjacent && msgs[i+n].modseq <= unchangedSince && msgs[i+n].flagSet == m.flagSet {
					n++
				}
				if out.ModSeq == 0 {
					out.ModSeq = t.next(row)
				}
				if err := t.setFlags(b, msgs[i:i+n], f, out.ModSeq); err != nil {
					return err
				}
				for _, m := range msgs[i : i+n] {
					out.Changed.Add(m.uid, m.uid)
				}
			}
			i += n
		}
		return nil
	})
	return out, err
}

// setFlags gives messages other flags. There are no others between them.
func (t *tx) setFlags(b *boxRow, msgs []msgRow, f flagSet, m modSeq) error {
	t.touch(b, m)
	if err := t.exec(`UPDATE message SET flags = ?, keywords = ?, modseq = ? WHERE mailbox = ? AND uid BETWEEN ? AND ?`, f.bits, f.keywords, m,
		b.id, msgs[0].uid, msgs[len(msgs)-1].uid); err != nil {
		return err
	}
	for i := range msgs {
		x := &msgs[i]
		b.count(-1, x.flagSet, x.size)
		b.count(1, f, x.size)
		changed := *x
		changed.flagSet, changed.modseq = f, m
		b.change(&changed)
		if x.bits&^f.bits&bitDeleted != 0 {
			if err := t.undelete(x.email, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// undelete makes an email new for JMAP, which does not see what is \Deleted, unless another copy showed it all along.
func (t *tx) undelete(email int64, m modSeq) error {
	return t.exec(`UPDATE email SET created = ? WHERE id = ? AND (SELECT count(*) FROM message WHERE email = ? AND NOT flags & 8) = 1`, m, email, email)
}

// Expunge removes messages.
func (a *account) Expunge(ctx context.Context, mailbox string, uids imap.UIDSet, force bool) (imap.UIDSet, error) {
	var out imap.UIDSet
	err := a.s.db.write(ctx, func(t *tx) error {
		out = nil
		row, b, err := a.named(t, mailbox)
		if err != nil || b.deleted == 0 && !force {
			return err
		}
		msgs, err := t.messages(b.id, uids, func(m *msgRow) bool { return force || m.bits&bitDeleted != 0 })
		if err != nil || len(msgs) == 0 {
			return err
		}
		for _, m := range msgs {
			out.Add(m.uid, m.uid)
		}
		return t.remove(row, b, t.next(row), msgs, a.s.o.MaxExpunged)
	})
	return out, err
}

// A msgRow is a row of message.
type msgRow struct {
	uid             imap.UID
	modseq, created modSeq
	flagSet
	internal, saved, size int64
	email, thread         int64

	adjacent bool // in a list: no message of the mailbox lies between this one and the one before it
}

const msgColumns = `uid, modseq, created, flags, keywords, internal, saved, size, email, thread`

func (m *msgRow) fields() []any {
	return []any{&m.uid, &m.modseq, &m.created, &m.bits, &m.keywords, &m.internal, &m.saved, &m.size, &m.email, &m.thread}
}

// messages reads the messages of a set for which pick (if any) is true, by ascending UID.
func (t *tx) messages(box int64, set imap.UIDSet, pick func(*msgRow) bool) ([]msgRow, error) {
	var out []msgRow
	if b := t.boxes[box]; b != nil && !b.dirty {
		if x := t.db.current(box); x != nil { // what a query would tell
			return x.messages(set, pick), nil
		}
	}
	for span, in := range spans(set) {
		adjacent := false
		err := t.rows(func(r *sql.Rows) error {
			m := msgRow{adjacent: adjacent}
			if err := r.Scan(m.fields()...); err != nil {
				return err
			}
			if adjacent = in(m.uid) && (pick == nil || pick(&m)); adjacent {
				out = append(out, m)
			}
			return nil
		}, `SELECT `+msgColumns+` FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid`, box, span.First, span.Last)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// remove removes messages for good and remembers that they have gone.
func (t *tx) remove(a *accountRow, b *boxRow, m modSeq, msgs []msgRow, maxExpunged int) error {
	if len(msgs) == 0 {
		return nil
	}
	t.touch(b, m)
	for _, x := range msgs {
		b.count(-1, x.flagSet, x.size)
		b.lose(x.uid)
		if err := t.exec(`DELETE FROM message WHERE mailbox = ? AND uid = ?`, b.id, x.uid); err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO expunged (account, modseq, mailbox, uid, created, email, thread) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			a.id, m, b.id, x.uid, x.created, x.email, x.thread); err != nil {
			return err
		}
		if err := t.dropEmail(x.email); err != nil {
			return err
		}
	}
	a.gone += int64(len(msgs))
	a.dirty = true
	return t.forget(a, maxExpunged)
}

// forget drops the oldest expunges of an account once there are a quarter more than most.
func (t *tx) forget(a *accountRow, most int) error {
	if a.gone <= int64(most)+int64(most)/4 {
		return nil
	}
	var cut modSeq
	err := t.row([]any{&cut}, `SELECT modseq FROM expunged WHERE account = ? ORDER BY modseq LIMIT 1 OFFSET ?`, a.id, a.gone-int64(most)-1)
	if err != nil {
		return err
	}
	newest := make(map[int64]modSeq)
	err = t.rows(func(r *sql.Rows) error {
		var box, n int64
		var m modSeq
		if err := r.Scan(&box, &m, &n); err != nil {
			return err
		}
		newest[box] = m
		a.gone -= n
		return nil
	}, `SELECT mailbox, max(modseq), count(*) FROM expunged WHERE account = ? AND modseq <= ? GROUP BY mailbox`, a.id, cut)
	if err != nil {
		return err
	}
	for id, m := range newest {
		if b, err := t.box(id); err == nil { // else it was deleted since
			b.horizon, b.dirty = m, true
		}
	}
	a.horizon = cut
	return t.exec(`DELETE FROM expunged WHERE account = ? AND modseq <= ?`, a.id, cut)
}
