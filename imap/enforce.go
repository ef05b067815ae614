package imap

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// Enforce returns the account as its user may use it: a copy of which every role asks, before it does something with a mailbox
// below OtherUsers, whether the user has the rights that RFC 4314 §4 wants for it, as they are at that moment. Without OtherUsers it
// returns the account itself. A Backend gives away no other accounts, so that who uses them need not know of rights. The check goes
// before the operation, and is not one step with it.
//
// A mailbox without RightLookup is hidden: what the user has no right to do with it fails with ErrNonexistent, as if it were not
// there; with RightLookup, or in a mailbox that he can read, it fails with ErrNoPermission. Flags that the user cannot set are left
// out in silence (RFC 4314 §4), unless StoreFlags is about no others. Mailboxes that cannot be read are listed as NoSelect; special
// uses are the owner's and not told. What is taken away is refused to a Mailbox that is open, too. Changes of another's mailboxes are
// told by Watch to who may look them up or read them; a Changer tells of the user's own alone, and so does a Quoter.
func Enforce(a *Account) *Account {
	if a.OtherUsers == "" {
		return a
	}
	e := &enforced{in: a}
	out := *a
	out.Store, out.Watcher = e, e
	if a.Editor != nil {
		out.Editor = e
	}
	if a.Appender != nil {
		out.Appender = e
	}
	if a.Flagger != nil {
		out.Flagger = e
	}
	if a.Expunger != nil {
		out.Expunger = e
	}
	if a.Copier != nil {
		out.Copier = e
	}
	if a.Mover != nil {
		out.Mover = e
	}
	if a.Searcher != nil {
		out.Searcher = e
	}
	if a.Fuzzy != nil {
		out.Fuzzy = e
	}
	if a.Annotator != nil {
		out.Annotator = e
	}
	if a.Replacer != nil {
		out.Replacer = e
	}
	if a.Authorizer != nil { // else everything of others is hidden
		out.Authorizer = e
	}
	return &out
}

// An enforced is every role of an account, with checks.
type enforced struct{ in *Account }

// need returns the user's rights, and fails unless these are among them. To what is his own he has all.
func (e *enforced) need(ctx context.Context, mailbox string, want Rights) (Rights, error) {
	if !e.in.IsOther(mailbox) {
		return AllRights, nil
	}
	have, err := e.in.othersRights(ctx, mailbox)
	if err == nil && (have == 0 || !have.Has(want)) {
		err = refusal(mailbox, have)
	}
	return have, err
}

// othersRights returns the rights to a mailbox, none where nobody says.
func (a *Account) othersRights(ctx context.Context, mailbox string) (Rights, error) {
	if a.Authorizer == nil {
		return 0, nil
	}
	return a.Authorizer.Rights(ctx, mailbox)
}

// needRead is need for what is done in a mailbox that the user reads, and which therefore is not hidden from him.
func (e *enforced) needRead(ctx context.Context, mailbox string, want Rights) (Rights, error) {
	have, err := e.need(ctx, mailbox, RightRead)
	if err == nil && !have.Has(want) {
		err = refusal(mailbox, RightLookup)
	}
	return have, err
}

// refusal is why someone with these rights is refused.
func refusal(mailbox string, have Rights) error {
	if have.Has(RightLookup) {
		return fmt.Errorf("imap: mailbox %q: %w", mailbox, ErrNoPermission)
	}
	return fmt.Errorf("imap: mailbox %q: %w", mailbox, ErrNonexistent)
}

// Mailboxes implements Store.
func (e *enforced) Mailboxes(ctx context.Context) iter.Seq2[MailboxInfo, error] {
	return func(yield func(MailboxInfo, error) bool) {
		for m, err := range e.in.Store.Mailboxes(ctx) {
			if err == nil && e.in.IsOther(m.Name) {
				if !m.Rights.Has(RightLookup) {
					continue
				}
				m.NoSelect, m.SpecialUse = m.NoSelect || !m.Rights.Has(RightRead), ""
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// OpenMailbox implements Store.
func (e *enforced) OpenMailbox(ctx context.Context, name string) (Mailbox, error) {
	if _, err := e.need(ctx, name, RightRead); err != nil {
		return nil, err
	}
	m, err := e.in.Store.OpenMailbox(ctx, name)
	if err != nil || !e.in.IsOther(name) {
		return m, err
	}
	return enforcedMailbox{m}, nil
}

// An enforcedMailbox is another's, which the user can read for as long as he may.
type enforcedMailbox struct{ in Mailbox }

// Status implements Mailbox.
func (m enforcedMailbox) Status(ctx context.Context) (MailboxStatus, error) {
	st, err := m.in.Status(ctx)
	if err == nil && !st.Rights.Has(RightRead) {
		return MailboxStatus{}, refusal(st.Name, st.Rights)
	}
	st.SpecialUse = ""
	return st, err
}

// Messages implements Mailbox.
func (m enforcedMailbox) Messages(ctx context.Context, uids UIDSet, want Fields) iter.Seq2[*Message, error] {
	return readable(ctx, m, func() iter.Seq2[*Message, error] { return m.in.Messages(ctx, uids, want) })
}

// Body implements Mailbox.
func (m enforcedMailbox) Body(ctx context.Context, uid UID) (Body, error) {
	if _, err := m.Status(ctx); err != nil {
		return nil, err
	}
	return m.in.Body(ctx, uid)
}

// Changes implements Mailbox.
func (m enforcedMailbox) Changes(ctx context.Context, since ModSeq) iter.Seq2[Change, error] {
	return readable(ctx, m, func() iter.Seq2[Change, error] { return m.in.Changes(ctx, since) })
}

// readable yields what list does, if the mailbox can be read.
func readable[T any](ctx context.Context, m enforcedMailbox, list func() iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if _, err := m.Status(ctx); err != nil {
			var none T
			yield(none, err)
			return
		}
		list()(yield)
	}
}

// Watch implements Watcher.
func (e *enforced) Watch(ctx context.Context) *Watch {
	from := e.in.Watcher.Watch(ctx)
	w, s := &Watch{ready: from.ready, from: from}, &seen{e: e}
	w.pass = func(all []Notice) []Notice { return s.pass(ctx, w, all) }
	return w
}

// A seen is which mailboxes a Watch tells of: a notice that is not Other ends what is known of its mailbox.
type seen struct {
	e     *enforced
	mu    sync.Mutex
	boxes map[string]bool // by ID
}

// pass returns the notices that the user may hear. If that cannot be told, those about others' mailboxes wait.
func (s *seen) pass(ctx context.Context, w *Watch, all []Notice) []Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := true
	for _, n := range all {
		if !n.Other {
			delete(s.boxes, n.MailboxID)
		} else if _, ok := s.boxes[n.MailboxID]; !ok {
			known = false
		}
	}
	if !known {
		boxes, err := s.e.list(ctx)
		if err != nil {
			return slices.DeleteFunc(all, func(n Notice) bool {
				if n.Other {
					w.hold(n)
				}
				return n.Other
			})
		}
		for _, n := range all {
			if !boxes[n.MailboxID] { // one that is not listed is known to be hidden
				boxes[n.MailboxID] = false
			}
		}
		s.boxes = boxes
	}
	return slices.DeleteFunc(all, func(n Notice) bool { return n.Other && !s.boxes[n.MailboxID] })
}

// list returns by ID whether the user may know of a mailbox of others.
func (e *enforced) list(ctx context.Context) (map[string]bool, error) {
	boxes := map[string]bool{}
	for m, err := range e.in.Store.Mailboxes(ctx) {
		if err != nil {
			return nil, err
		}
		if e.in.IsOther(m.Name) {
			boxes[m.ID] = m.Rights&(RightLookup|RightRead) != 0
		}
	}
	return boxes, nil
}

// Append implements Appender.
func (e *enforced) Append(ctx context.Context, mailbox string, msgs []AppendMessage) (Appended, error) {
	have, err := e.need(ctx, mailbox, RightInsert)
	if err != nil {
		return Appended{}, err
	}
	if !have.Has(FlagRights) {
		msgs = slices.Clone(msgs)
		for i := range msgs {
			msgs[i].Flags = permitted(msgs[i].Flags, have)
		}
	}
	return e.in.Appender.Append(ctx, mailbox, msgs)
}

// permitted returns the flags that can be set with these rights.
func permitted(flags []Flag, have Rights) []Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f Flag) bool { return !have.Has(f.Right()) })
}

// StoreFlags implements Flagger.
func (e *enforced) StoreFlags(ctx context.Context, mailbox string, uids UIDSet, c FlagChange, unchangedSince ModSeq) (Stored, error) {
	have, err := e.needRead(ctx, mailbox, 0)
	if err != nil {
		return Stored{}, err
	}
	none := len(permitted(c.Flags, have)) == 0 && len(c.Flags) > 0
	if c.Op == FlagsSet { // of every flag there is
		none = have&FlagRights == 0
	}
	if none {
		return Stored{}, refusal(mailbox, RightLookup)
	}
	c.Keep |= FlagRights &^ have
	return e.in.Flagger.StoreFlags(ctx, mailbox, uids, c, unchangedSince)
}

// Expunge implements Expunger.
func (e *enforced) Expunge(ctx context.Context, mailbox string, uids UIDSet, force bool) (UIDSet, error) {
	want := RightExpunge
	if force { // as if \Deleted were set first
		want |= RightDeleteMessages
	}
	if _, err := e.needRead(ctx, mailbox, want); err != nil {
		return nil, err
	}
	return e.in.Expunger.Expunge(ctx, mailbox, uids, force)
}

// Copy implements Copier.
func (e *enforced) Copy(ctx context.Context, from string, uids UIDSet, to string, drop Rights) (Copied, error) {
	have, err := e.between(ctx, from, 0, to)
	if err != nil {
		return Copied{}, err
	}
	return e.in.Copier.Copy(ctx, from, uids, to, drop|FlagRights&^have)
}

// Move implements Mover. What it takes is what STORE of \Deleted, COPY and EXPUNGE take together (RFC 6851 §4.2).
func (e *enforced) Move(ctx context.Context, from string, uids UIDSet, to string, drop Rights) (Copied, error) {
	have, err := e.between(ctx, from, RightDeleteMessages|RightExpunge, to)
	if err != nil {
		return Copied{}, err
	}
	return e.in.Mover.Move(ctx, from, uids, to, drop|FlagRights&^have)
}

// between checks the rights to two mailboxes, and returns those to the second.
func (e *enforced) between(ctx context.Context, from string, want Rights, to string) (Rights, error) {
	if _, err := e.needRead(ctx, from, want); err != nil {
		return 0, err
	}
	return e.need(ctx, to, RightInsert)
}

// Replace implements Replacer (RFC 8508 §4.1).
func (e *enforced) Replace(ctx context.Context, from string, uid UID, to string, m AppendMessage) (Appended, error) {
	have, err := e.between(ctx, from, RightDeleteMessages|RightExpunge, to)
	if err != nil {
		return Appended{}, err
	}
	m.Flags = permitted(m.Flags, have)
	return e.in.Replacer.Replace(ctx, from, uid, to, m)
}

// Search implements Searcher.
func (e *enforced) Search(ctx context.Context, mailbox string, c *SearchCriteria) (UIDSet, bool, error) {
	if _, err := e.need(ctx, mailbox, RightRead); err != nil {
		return nil, false, err
	}
	return e.in.Searcher.Search(ctx, mailbox, c)
}

// SearchFuzzy implements FuzzySearcher.
func (e *enforced) SearchFuzzy(ctx context.Context, mailbox string, c *SearchCriteria) ([]FuzzyMatch, error) {
	if _, err := e.need(ctx, mailbox, RightRead); err != nil {
		return nil, err
	}
	return e.in.Fuzzy.SearchFuzzy(ctx, mailbox, c)
}
