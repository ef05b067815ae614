package mailstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/examples/mailstore/objects"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// maxKeywords is the most keywords of an email.
const maxKeywords = 100

// Set creates, updates and destroys emails in one transaction.
func (a jmapEmails) Set(ctx context.Context, r *jmap.SetRequest[mail.EmailCreate, mail.EmailUpdate, jmap.NoArgs]) (*jmap.SetResponse[mail.Record], error) {
	drafts := make(map[jmap.ID]*incoming)
	defer func() {
		for _, x := range drafts {
			x.Close()
		}
	}()
	large := make(map[jmap.ID]bool)
	for id, c := range r.Create {
		x := &incoming{Draft: a.s.draft(), flags: flagsOf(c.Keywords), internal: a.s.o.Now().Unix()}
		drafts[id] = x
		err := x.fill(c, a.s.o.MaxMessage)
		if large[id] = errors.Is(err, objects.ErrTooBig); err != nil && !large[id] {
			return nil, err
		}
	}
	var out *jmap.SetResponse[mail.Record]
	err := a.s.db.write(ctx, func(t *tx) error {
		row, err := t.inState(a.account, r.IfInState)
		if err != nil {
			return err
		}
		s := &emailSet{a: a, t: t, row: row}
		out = newSet[mail.Record](at(row.modseq).state())
		err = set(out, r, setter[mail.EmailCreate, mail.EmailUpdate, mail.Record]{func(creation jmap.ID, c mail.EmailCreate) (mail.Record, error) {
			if large[creation] {
				return mail.Record{}, &jmap.SetError{Type: jmap.SetTooLarge, Description: fmt.Sprintf("a message has at most %d octets", a.s.o.MaxMessage)}
			}
			return s.create(c, drafts[creation])
		}, s.update, s.destroy})
		out.NewState = at(row.modseq).state()
		return err
	})
	return out, err
}

// fill reads the message of c. The error is objects.ErrTooBig beyond limit octets.
func (x *incoming) fill(c mail.EmailCreate, limit int64) error {
	if !c.ReceivedAt.IsZero() {
		x.internal = c.ReceivedAt.Unix()
	}
	if c.Size > limit {
		return objects.ErrTooBig
	}
	if _, err := x.ReadFrom(c.Body); err != nil {
		return err
	}
	return x.finish()
}

func flagsOf(keywords []string) flagSet {
	var f flagSet
	for _, k := range keywords {
		f = f.with(imap.Flag(mail.Flag(strings.ToLower(k))))
	}
	return f
}

// An emailSet is one Email/set. Everything that changes has one ModSeq.
type emailSet struct {
	a   jmapEmails
	t   *tx
	row *accountRow
	m   modSeq // 0 before the first change
}

func (s *emailSet) modseq() modSeq {
	if s.m == 0 {
		s.m = s.t.next(s.row)
	}
	return s.m
}

// boxes returns the mailboxes of a set, which must not be empty.
func (s *emailSet) boxes(ids []jmap.ID) ([]*boxRow, error) {
	var out []*boxRow
	for _, id := range ids {
		b, err := jmapMailboxes{s.a.account}.box(s.t, id)
		if refused, err := refusal(err); err != nil {
			return nil, err
		} else if refused != nil {
			return nil, invalid("mailboxIds", "no mailbox %s", id)
		}
		out = append(out, b)
	}
	if len(out) == 0 {
		return nil, invalid("mailboxIds", "an email is in one mailbox at least")
	}
	return out, nil
}

func (s *emailSet) create(c mail.EmailCreate, x *incoming) (mail.Record, error) {
	boxes, err := s.boxes(c.MailboxIDs)
	if err != nil {
		return mail.Record{}, err
	}
	if err := checkKeywords(c.Keywords); err != nil {
		return mail.Record{}, err
	}
	if known, err := s.known(x); err != nil {
		return mail.Record{}, err
	} else if known != nil {
		return mail.Record{}, &jmap.SetError{Type: jmap.SetAlreadyExists, ExistingID: jmap.ID(emailID(known.id))}
	}
	if err := s.fits(len(boxes), x.Size()); err != nil {
		return mail.Record{}, err
	}
	var id int64
	for _, b := range boxes {
		if _, id, err = s.t.add(s.row, b, s.modseq(), x, s.a.s.o.Now().Unix()); err != nil {
			return mail.Record{}, err
		}
	}
	e, err := s.a.email(s.t.conn, id, false)
	if err != nil {
		return mail.Record{}, err
	}
	return e.record(), nil
}

// known returns the email with the same bytes that is there already, if it is to be seen.
func (s *emailSet) known(x *incoming) (*emailRow, error) {
	hash := x.Hash()
	var id int64
	err := s.t.row([]any{&id}, `SELECT e.id FROM email e JOIN blob b ON b.id = e.blob WHERE b.hash = ? AND e.account = ?`, hash[:], s.a.id)
	if err != nil {
		return nil, noRows(err)
	}
	return s.a.email(s.t.conn, id, false)
}

func checkKeywords(keywords []string) error {
	if len(keywords) > maxKeywords {
		return &jmap.SetError{Type: jmap.SetTooManyKeywords}
	}
	for _, k := range keywords {
		if !mail.ValidKeyword(k) {
			return invalid("keywords", "%.80q is not a keyword", k)
		}
	}
	return nil
}

func (s *emailSet) update(id jmap.ID, u mail.EmailUpdate) error {
	e, err := s.a.email(s.t.conn, parseID('M', string(id)), false)
	if err != nil {
		return err
	}
	if e == nil {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	keywords := e.keywords()
	if !u.Keywords.IsZero() {
		keywords = u.Keywords.Apply(keywords)
		if err := checkKeywords(keywords); err != nil {
			return err
		}
	}
	boxes, err := s.boxes(u.Mailboxes.Apply(e.mailboxes()))
	if err != nil {
		return err
	}
	if more := len(boxes) - len(e.copies); more > 0 {
		if err := s.fits(more, e.copies[0].size); err != nil {
			return err
		}
	}
	return s.place(e, boxes, flagsOf(keywords), !u.Keywords.IsZero())
}

// place gives an email its mailboxes and, if they changed, its flags. It comes to the new ones before it leaves the old
// ones, so that it lives on.
func (s *emailSet) place(e *emailRow, boxes []*boxRow, f flagSet, flagged bool) error {
	has := make(map[int64]bool)
	for _, c := range e.copies {
		has[c.mailbox] = true
	}
	for _, b := range boxes {
		if has[b.id] {
			continue
		}
		n := e.copies[0].msgRow
		n.flagSet, n.modseq, n.created, n.saved = f, s.modseq(), s.modseq(), s.a.s.o.Now().Unix()
		if err := s.t.put(b, &n); err != nil {
			return err
		}
	}
	for _, c := range e.copies {
		b, err := s.t.box(c.mailbox)
		if err != nil {
			return err
		}
		if !slices.Contains(boxes, b) {
			err = s.t.remove(s.row, b, s.modseq(), []msgRow{c.msgRow}, s.a.s.o.MaxExpunged)
		} else if flagged && (c.bits != f.bits || !c.sameKeywords(f)) {
			err = s.t.setFlags(b, []msgRow{c.msgRow}, f, s.modseq())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// destroy removes every copy, those that are \Deleted too.
func (s *emailSet) destroy(id jmap.ID) error {
	e, err := s.a.email(s.t.conn, parseID('M', string(id)), false)
	if err != nil {
		return err
	}
	if e == nil {
		return &jmap.SetError{Type: jmap.SetNotFound}
	}
	copies, err := s.a.copies(s.t.conn, e.id)
	for _, c := range copies {
		var b *boxRow
		if err == nil {
			b, err = s.t.box(c.mailbox)
		}
		if err == nil {
			err = s.t.remove(s.row, b, s.modseq(), []msgRow{c.msgRow}, s.a.s.o.MaxExpunged)
		}
	}
	return err
}
