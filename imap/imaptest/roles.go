package imaptest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// create makes a mailbox that is absent.
func (a *account) create(name, use string) *box {
	a.validity++
	b := &box{a: a, info: imap.MailboxInfo{Name: name, ID: "F" + strconv.FormatUint(uint64(a.validity), 10), SpecialUse: use},
		validity: a.validity, next: 1}
	if above := a.boxes[name[:max(0, strings.LastIndexByte(name, '/'))]]; above != nil {
		b.acl = above.acl // lists are never changed, but replaced
	}
	a.boxes[name] = b
	b.note()
	return b
}

// note counts a change of the mailbox itself.
func (b *box) note() {
	m := b.touch()
	b.a.changes = append(b.a.changes, imap.AccountChange{MailboxID: b.info.ID, Change: imap.Change{ModSeq: m, Expunged: b.deleted}})
}

// Create implements imap.Editor.
func (a *account) Create(_ context.Context, name string, o imap.CreateOptions) (imap.MailboxInfo, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	owner, local, err := a.free(name)
	if err != nil {
		return imap.MailboxInfo{}, err
	}
	owner.parents(local)
	return owner.create(local, o.SpecialUse).seen(a), nil
}

// free returns whose mailbox gets which name, and fails unless it can.
func (a *account) free(name string) (owner *account, local string, err error) {
	owner, local = a.place(name)
	if owner == nil || local == "" || strings.HasPrefix(local, "/") || strings.HasSuffix(local, "/") || strings.Contains(local, "//") || len(local) > 1000 {
		return nil, "", fmt.Errorf("imaptest: %q: %w", name, imap.ErrInvalidName)
	}
	if _, err := a.find(name); err == nil {
		return nil, "", fmt.Errorf("imaptest: %q: %w", name, imap.ErrExists)
	}
	return owner, local, nil
}

// parents makes the mailboxes above name.
func (a *account) parents(name string) {
	for i := range len(name) {
		if name[i] == '/' && a.boxes[name[:i]] == nil {
			a.create(name[:i], "")
		}
	}
}

// Delete implements imap.Editor.
func (a *account) Delete(_ context.Context, name string) error {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(name)
	if err != nil {
		return err
	}
	if b.info.Name == "INBOX" || len(b.a.below(b.info.Name)) > 0 {
		return fmt.Errorf("imaptest: delete %q: %w", name, imap.ErrCannot)
	}
	delete(b.a.boxes, b.info.Name)
	b.deleted = true
	b.note()
	return nil
}

func (a *account) below(name string) []*box {
	var out []*box
	for n, b := range a.boxes {
		if strings.HasPrefix(n, name+"/") {
			out = append(out, b)
		}
	}
	return out
}

// Rename implements imap.Editor.
func (a *account) Rename(_ context.Context, from, to string) error {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(from)
	if err != nil {
		return err
	}
	a, to, err = a.free(to)
	if err != nil {
		return err
	}
	if b.a != a || strings.HasPrefix(to, b.info.Name+"/") {
		return fmt.Errorf("imaptest: %q to %q: %w", from, to, imap.ErrCannot)
	}
	a.parents(to)
	if b.info.Name == "INBOX" {
		dest := a.create(to, "")
		dest.notes = maps.Clone(b.notes)
		transfer(b, imap.AllUIDs(), dest, true, 0)
		return nil
	}
	old := b.info.Name
	for _, x := range append(a.below(old), b) {
		delete(a.boxes, x.info.Name)
		x.info.Name = to + x.info.Name[len(old):]
		a.boxes[x.info.Name] = x
		x.note()
	}
	return nil
}

// Subscribe implements imap.Editor.
func (a *account) Subscribe(_ context.Context, name string, on bool) error {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(name)
	if err != nil {
		return err
	}
	switch {
	case b.a != a:
		b.personal(a).subscribed = on
		a.feed.Publish(imap.Notice{MailboxID: b.info.ID, ModSeq: b.modseq})
	case b.info.Subscribed != on:
		b.info.Subscribed = on
		b.note()
	}
	return nil
}

// applyFlags returns the flags after a change, each once, in the order in which they came.
func applyFlags(flags []imap.Flag, c imap.FlagChange) []imap.Flag {
	kept := func(f imap.Flag) bool { return c.Keep.Has(f.Right()) }
	out := slices.DeleteFunc(slices.Clone(flags), func(f imap.Flag) bool { return c.Op == imap.FlagsSet && !kept(f) })
	for _, f := range c.Flags {
		has := slices.ContainsFunc(out, f.Equal)
		switch {
		case kept(f):
		case c.Op == imap.FlagsRemove && has:
			out = slices.DeleteFunc(out, f.Equal)
		case c.Op != imap.FlagsRemove && !has:
			out = append(out, f)
		}
	}
	return out
}

func sameFlags(a, b []imap.Flag) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(f imap.Flag) bool { return !slices.ContainsFunc(b, f.Equal) })
}

// StoreFlags implements imap.Flagger.
func (a *account) StoreFlags(_ context.Context, mailbox string, uids imap.UIDSet, c imap.FlagChange, unchangedSince imap.ModSeq) (imap.Stored, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(mailbox)
	if err != nil {
		return imap.Stored{}, err
	}
	var out imap.Stored
	for _, m := range b.pick(uids) {
		flags := applyFlags(m.flags, c)
		switch {
		case m.modseq > unchangedSince:
			out.Modified.Add(m.uid, m.uid)
		case !sameFlags(flags, m.flags):
			changed := *m
			changed.flags, changed.modseq = flags, b.a.modseq+1
			i, _ := b.index(m.uid)
			b.msgs[i] = &changed
			out.Changed.Add(m.uid, m.uid)
		}
	}
	if len(out.Changed) > 0 {
		out.ModSeq = b.touch()
	}
	return out, nil
}

// Expunge implements imap.Expunger.
func (a *account) Expunge(_ context.Context, mailbox string, uids imap.UIDSet, force bool) (imap.UIDSet, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(mailbox)
	if err != nil {
		return nil, err
	}
	var gone imap.UIDSet
	for _, m := range b.pick(uids) {
		if force || m.has(imap.FlagDeleted) {
			gone.Add(m.uid, m.uid)
		}
	}
	b.remove(gone)
	return gone, nil
}

// remove expunges messages.
func (b *box) remove(uids imap.UIDSet) {
	msgs := b.pick(uids)
	if len(msgs) == 0 {
		return
	}
	modseq := b.touch()
	for _, m := range msgs {
		gone := *m
		gone.modseq = modseq
		gone.content = &content{id: m.id}
		b.expunged = append(b.expunged, &gone)
	}
	b.msgs = slices.DeleteFunc(b.msgs, func(m *msg) bool { return uids.Contains(m.uid) })
	most := b.a.b.MaxExpunged
	if most == 0 {
		most = 1000
	}
	if n := len(b.expunged) - most; n > 0 {
		b.horizon = b.expunged[n-1].modseq
		clear(b.expunged[:n]) // append moves the rest once in a while
		b.expunged = b.expunged[n:]
	}
}

// Copy implements imap.Copier.
func (a *account) Copy(_ context.Context, from string, uids imap.UIDSet, to string, drop imap.Rights) (imap.Copied, error) {
	return a.between(from, uids, to, false, drop)
}

// Move implements imap.Mover.
func (a *account) Move(_ context.Context, from string, uids imap.UIDSet, to string, drop imap.Rights) (imap.Copied, error) {
	return a.between(from, uids, to, true, drop)
}

func (a *account) between(from string, uids imap.UIDSet, to string, move bool, drop imap.Rights) (imap.Copied, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	src, err := a.find(from)
	if err != nil {
		return imap.Copied{}, err
	}
	dst, err := a.find(to)
	if err != nil {
		return imap.Copied{}, err
	}
	if !move || src.a != dst.a {
		size, msgs := int64(0), src.pick(uids)
		for _, m := range msgs {
			size += int64(len(m.raw))
		}
		if err := dst.a.room(size, int64(len(msgs))); err != nil {
			return imap.Copied{}, err
		}
	}
	return transfer(src, uids, dst, move, drop), nil
}

func transfer(src *box, uids imap.UIDSet, dst *box, move bool, drop imap.Rights) imap.Copied {
	out := imap.Copied{UIDValidity: dst.validity}
	msgs := src.pick(uids)
	out.From, out.To = make([]imap.UID, len(msgs)), dst.add(msgs, drop)
	for i, m := range msgs {
		out.From[i] = m.uid
	}
	if len(out.From) > 0 {
		dst.touch()
		if move {
			src.remove(imap.UIDs(out.From...))
		}
	}
	return out
}

// Search implements imap.Searcher. It needs no index, but tests every message.
func (a *account) Search(_ context.Context, mailbox string, c *imap.SearchCriteria) (imap.UIDSet, bool, error) {
	a.b.mu.Lock()
	b, err := a.find(mailbox)
	if err != nil {
		a.b.mu.Unlock()
		return nil, false, err
	}
	msgs := slices.Clone(b.msgs)
	a.b.mu.Unlock()
	var found imap.UIDSet
	want, matcher := c.Fields(), c.Matcher()
	for _, m := range msgs {
		ok, err := matcher.Match(m.message(want), m.content)
		if err != nil {
			return nil, false, err
		}
		if ok {
			found.Add(m.uid, m.uid)
		}
	}
	return found, true, nil
}

// SearchFuzzy implements imap.FuzzySearcher.
func (a *account) SearchFuzzy(ctx context.Context, mailbox string, c *imap.SearchCriteria) ([]imap.FuzzyMatch, error) {
	m, err := a.OpenMailbox(ctx, mailbox)
	if err != nil {
		return nil, err
	}
	return imap.SearchFuzzy(ctx, m, c)
}

// unlimited is the limit of a resource without one: the largest number that clients take.
const unlimited = 1<<53 - 1

// QuotaRoots implements imap.Quoter.
func (a *account) QuotaRoots(context.Context) ([]imap.QuotaRoot, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	return []imap.QuotaRoot{a.root()}, nil
}

// SetQuota implements imap.QuotaSetter.
func (a *account) SetQuota(_ context.Context, root string, limits map[string]int64) (imap.QuotaRoot, error) {
	if root != "" {
		return imap.QuotaRoot{}, fmt.Errorf("imaptest: quota root %q: %w", root, imap.ErrNonexistent)
	}
	for name := range limits {
		if name != imap.QuotaStorage && name != imap.QuotaMessage {
			return imap.QuotaRoot{}, fmt.Errorf("imaptest: resource %q: %w", name, imap.ErrCannot)
		}
	}
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.limits = maps.Clone(limits)
	return a.root(), nil
}

func (a *account) root() imap.QuotaRoot {
	messages, size := a.held()
	return imap.QuotaRoot{Resources: []imap.QuotaResource{{Name: imap.QuotaStorage, Usage: (size + 1023) / 1024, Limit: a.limit(imap.QuotaStorage)},
		{Name: imap.QuotaMessage, Usage: messages, Limit: a.limit(imap.QuotaMessage)}}}
}

// limit returns the limit of a resource.
func (a *account) limit(name string) int64 {
	limit := int64(unlimited)
	if name == imap.QuotaStorage && a.b.MaxStorage > 0 {
		limit = a.b.MaxStorage / 1024
	}
	if n, ok := a.limits[name]; ok {
		limit = min(limit, n)
	}
	return limit
}

// held counts what the account holds.
func (a *account) held() (messages, size int64) {
	for _, b := range a.boxes {
		messages += int64(len(b.msgs))
		for _, m := range b.msgs {
			size += int64(len(m.raw))
		}
	}
	return messages, size
}

// room fails if so much more is too much.
func (a *account) room(size, messages int64) error {
	if a.b.MaxStorage == 0 && len(a.limits) == 0 {
		return nil
	}
	m, s := a.held()
	if _, set := a.limits[imap.QuotaStorage]; a.b.MaxStorage > 0 && s+size > a.b.MaxStorage || set && (s+size+1023)/1024 > a.limit(imap.QuotaStorage) ||
		m+messages > a.limit(imap.QuotaMessage) {
		return imap.ErrOverQuota
	}
	return nil
}
