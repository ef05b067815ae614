package imaptest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// Memory is an imap.Backend in memory with every role. Users see each other's mailboxes below OtherUsers, as their lists let them.
// Its fields must not be changed once it is in use.
type Memory struct {
	// MaxMessage is how many octets a message has at most; 0: no limit.
	MaxMessage int64
	// MaxStorage is how many octets an account holds at most, and how high SETQUOTA can go; 0: no limit.
	MaxStorage int64
	// MaxExpunged is how many expunged messages a mailbox remembers for Changes; 0: 1000.
	MaxExpunged int

	mu       sync.Mutex // guards everything
	accounts map[string]*account
	emails   int
}

// AddUser makes an account with an INBOX, unless it is there.
func (b *Memory) AddUser(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.accounts == nil {
		b.accounts = map[string]*account{}
	}
	if b.accounts[name] == nil {
		a := &account{b: b, name: name, boxes: map[string]*box{}, validity: uint32(len(b.accounts) * 1000)}
		a.create("INBOX", "")
		b.accounts[name] = a
	}
}

// OpenAccount implements imap.Backend.
func (b *Memory) OpenAccount(_ context.Context, user string) (*imap.Account, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[user]
	if a == nil {
		return nil, fmt.Errorf("imaptest: user %q: %w", user, imap.ErrNonexistent)
	}
	return imap.Enforce(&imap.Account{ID: "A-" + user, Store: a, Watcher: &a.feed, Editor: a, Appender: a, Flagger: a, Expunger: a,
		Copier: a, Mover: a, Searcher: a, Fuzzy: a, Changer: a, Quoter: a, QuotaSetter: a, Annotator: a, Replacer: a, Authorizer: a,
		OtherUsers: OtherUsers}), nil
}

// An account is one user's mail. Messages are never changed, but replaced.
type account struct {
	b    *Memory
	name string
	feed imap.Feed

	modseq   imap.ModSeq
	validity uint32 // the last UIDVALIDITY
	boxes    map[string]*box
	changes  []imap.AccountChange // of the mailboxes themselves
	limits   map[string]int64     // set by SetQuota
	notes    map[string]string    // annotations of the account, by entry
}

type box struct {
	a    *account         // the owner
	info imap.MailboxInfo // as the owner has it
	acl  []imap.ACLEntry  // by identifier

	validity uint32
	next     imap.UID
	modseq   imap.ModSeq
	horizon  imap.ModSeq // expunges up to here are forgotten
	msgs     []*msg      // by UID
	expunged []*msg      // by modseq, which is that of the expunge
	deleted  bool
	notes    map[string]string // annotations, by entry
	others   map[*account]*personal
}

// A msg is one message in one mailbox.
type msg struct {
	uid             imap.UID
	modseq, created imap.ModSeq
	flags           []imap.Flag
	internal, saved time.Time
	*content
}

// A content is what copies of a message share.
type content struct {
	id        string
	raw       []byte
	once      sync.Once
	parsed    *message.Message
	envelope  *imap.Envelope
	structure *imap.BodyStructure
}

func (c *content) parse() *content {
	c.once.Do(func() {
		c.parsed = message.Parse(c.raw)
		c.envelope, c.structure = imap.ParseEnvelope(c.parsed.Root()), imap.ParseBodyStructure(c.parsed.Root())
	})
	return c
}

// Header and Message implement imap.SearchText.
func (c *content) Header() (*message.Message, error)  { return c.parse().parsed, nil }
func (c *content) Message() (*message.Message, error) { return c.parse().parsed, nil }

// message returns the wanted fields.
func (m *msg) message(want imap.Fields) *imap.Message {
	out := &imap.Message{UID: m.uid}
	if want&imap.FieldFlags != 0 {
		out.Flags = slices.Clone(m.flags)
	}
	if want&imap.FieldInternalDate != 0 {
		out.InternalDate = m.internal
	}
	if want&imap.FieldSaveDate != 0 {
		out.SaveDate = m.saved
	}
	if want&imap.FieldSize != 0 {
		out.Size = int64(len(m.raw))
	}
	if want&imap.FieldModSeq != 0 {
		out.ModSeq = m.modseq
	}
	if want&imap.FieldIDs != 0 {
		out.EmailID = m.id
	}
	if want&imap.FieldEnvelope != 0 {
		out.Envelope = m.parse().envelope
	}
	if want&imap.FieldStructure != 0 {
		out.Structure = m.parse().structure
	}
	return out
}

func (m *msg) has(f imap.Flag) bool { return slices.ContainsFunc(m.flags, f.Equal) }

// Mailboxes implements imap.Store.
func (a *account) Mailboxes(context.Context) iter.Seq2[imap.MailboxInfo, error] {
	return func(yield func(imap.MailboxInfo, error) bool) {
		a.b.mu.Lock()
		var infos []imap.MailboxInfo
		for _, b := range a.boxes {
			infos = append(infos, b.info)
		}
		infos = append(infos, a.shared()...)
		a.b.mu.Unlock()
		for _, i := range infos {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// OpenMailbox implements imap.Store.
func (a *account) OpenMailbox(_ context.Context, name string) (imap.Mailbox, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(name)
	if err != nil {
		return nil, err
	}
	return opened{b, a}, nil
}

// An opened is a mailbox as a user has it.
type opened struct {
	*box
	user *account
}

// find is called with mu held, as everything below whose name is not in the seam.
func (a *account) find(name string) (*box, error) {
	if owner, local := a.place(name); owner != nil {
		if strings.EqualFold(local, "INBOX") {
			local = "INBOX"
		}
		if b := owner.boxes[local]; b != nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("imaptest: mailbox %q: %w", name, imap.ErrNonexistent)
}

// touch counts a change of the mailbox and tells the feed.
func (b *box) touch() imap.ModSeq {
	b.a.modseq++
	b.modseq = b.a.modseq
	b.publish()
	return b.modseq
}

// lock locks the account, and fails if the mailbox has been deleted.
func (b *box) lock() error {
	b.a.b.mu.Lock()
	if b.deleted {
		b.a.b.mu.Unlock()
		return fmt.Errorf("imaptest: mailbox %s: %w", b.info.ID, imap.ErrNonexistent)
	}
	return nil
}

// Status implements imap.Mailbox.
func (b opened) Status(context.Context) (imap.MailboxStatus, error) {
	if err := b.lock(); err != nil {
		return imap.MailboxStatus{}, err
	}
	defer b.a.b.mu.Unlock()
	st := imap.MailboxStatus{MailboxInfo: b.seen(b.user), UIDValidity: b.validity, UIDNext: b.next, HighestModSeq: b.modseq, Messages: len(b.msgs)}
	for _, m := range b.msgs {
		if !m.has(imap.FlagSeen) {
			st.Unseen++
		}
		if m.has(imap.FlagDeleted) {
			st.Deleted++
		}
		st.Size += int64(len(m.raw))
	}
	return st, nil
}

// pick returns the messages of the set.
func (b *box) pick(uids imap.UIDSet) []*msg {
	var out []*msg
	for _, r := range uids {
		first, _ := b.index(r.First)
		end, last := b.index(r.Last)
		if last {
			end++
		}
		out = append(out, b.msgs[first:max(first, end)]...)
	}
	return out
}

func (b *box) index(u imap.UID) (int, bool) {
	return slices.BinarySearchFunc(b.msgs, u, func(m *msg, u imap.UID) int { return int(int64(m.uid) - int64(u)) })
}

// Messages implements imap.Mailbox.
func (b *box) Messages(_ context.Context, uids imap.UIDSet, want imap.Fields) iter.Seq2[*imap.Message, error] {
	return func(yield func(*imap.Message, error) bool) {
		if err := b.lock(); err != nil {
			yield(nil, err)
			return
		}
		msgs := b.pick(uids)
		b.a.b.mu.Unlock()
		for _, m := range msgs {
			if !yield(m.message(want), nil) {
				return
			}
		}
	}
}

type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

// Body implements imap.Mailbox.
func (b *box) Body(_ context.Context, uid imap.UID) (imap.Body, error) {
	if err := b.lock(); err != nil {
		return nil, err
	}
	defer b.a.b.mu.Unlock()
	i, ok := b.index(uid)
	if !ok {
		return nil, fmt.Errorf("imaptest: message %d: %w", uid, imap.ErrNonexistent)
	}
	return body{bytes.NewReader(b.msgs[i].raw)}, nil
}

// Changes implements imap.Mailbox.
func (b *box) Changes(_ context.Context, since imap.ModSeq) iter.Seq2[imap.Change, error] {
	return func(yield func(imap.Change, error) bool) {
		if err := b.lock(); err != nil {
			yield(imap.Change{}, err)
			return
		}
		changes, err := b.since(since)
		b.a.b.mu.Unlock()
		if err != nil {
			yield(imap.Change{}, err)
			return
		}
		for _, c := range changes {
			if !yield(c.Change, nil) {
				return
			}
		}
	}
}

func (b *box) since(since imap.ModSeq) ([]imap.AccountChange, error) {
	if since < b.horizon {
		return nil, fmt.Errorf("imaptest: changes since %d: %w", since, imap.ErrModSeqTooOld)
	}
	var out []imap.AccountChange
	add := func(m *msg, gone bool) {
		if m.modseq > since {
			out = append(out, imap.AccountChange{MailboxID: b.info.ID, EmailID: m.id,
				Change: imap.Change{UID: m.uid, ModSeq: m.modseq, Added: m.created > since, Expunged: gone}})
		}
	}
	for _, m := range b.msgs {
		add(m, false)
	}
	for _, m := range b.expunged {
		add(m, true)
	}
	sortChanges(out)
	return out, nil
}

func sortChanges(c []imap.AccountChange) {
	slices.SortStableFunc(c, func(x, y imap.AccountChange) int {
		if x.ModSeq != y.ModSeq {
			return int(int64(x.ModSeq) - int64(y.ModSeq))
		}
		return int(int64(x.UID) - int64(y.UID))
	})
}

// AccountChanges implements imap.Changer.
func (a *account) AccountChanges(_ context.Context, since imap.ModSeq) iter.Seq2[imap.AccountChange, error] {
	return func(yield func(imap.AccountChange, error) bool) {
		a.b.mu.Lock()
		var out []imap.AccountChange
		var err error
		for _, b := range a.boxes {
			c, e := b.since(since)
			out = append(out, c...)
			if e != nil {
				err = e
			}
		}
		for _, c := range a.changes {
			if c.ModSeq > since {
				out = append(out, c)
			}
		}
		a.b.mu.Unlock()
		if err != nil {
			yield(imap.AccountChange{}, err)
			return
		}
		sortChanges(out)
		for _, c := range out {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// HighestModSeq implements imap.Changer.
func (a *account) HighestModSeq(context.Context) (imap.ModSeq, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	return a.modseq, nil
}

// Append implements imap.Appender.
func (a *account) Append(_ context.Context, mailbox string, msgs []imap.AppendMessage) (imap.Appended, error) {
	raws, err := a.b.read(msgs)
	if err != nil {
		return imap.Appended{}, err
	}
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	return a.insert(mailbox, msgs, raws, 0)
}

// Replace implements imap.Replacer.
func (a *account) Replace(_ context.Context, from string, uid imap.UID, to string, m imap.AppendMessage) (imap.Appended, error) {
	msgs := []imap.AppendMessage{m}
	raws, err := a.b.read(msgs)
	if err != nil {
		return imap.Appended{}, err
	}
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(from)
	if err != nil {
		return imap.Appended{}, err
	}
	old := b.pick(imap.UIDs(uid))
	if len(old) == 0 {
		return imap.Appended{}, fmt.Errorf("imaptest: %d: %w", uid, imap.ErrNoMessage)
	}
	replaced := int64(0)
	if dst, err := a.find(to); err == nil && dst.a == b.a { // else nothing goes from where the message comes to
		replaced = int64(len(old[0].raw))
	}
	out, err := a.insert(to, msgs, raws, replaced)
	if err == nil {
		b.remove(imap.UIDs(uid))
	}
	return out, err
}

// read reads messages.
func (b *Memory) read(msgs []imap.AppendMessage) (raws [][]byte, err error) {
	for _, m := range msgs {
		r := m.Body
		if b.MaxMessage > 0 {
			r = io.LimitReader(r, b.MaxMessage+1)
		}
		var buf bytes.Buffer
		buf.Grow(int(min(m.Size, 1<<20)) + bytes.MinRead) // no more on a promise
		if _, err := buf.ReadFrom(r); err != nil {
			return nil, err
		}
		raw := buf.Bytes()
		if b.MaxMessage > 0 && int64(len(raw)) > b.MaxMessage {
			return nil, imap.ErrTooBig
		}
		raws = append(raws, raw)
	}
	return raws, nil
}

// insert adds messages that have been read, in place of one of so many octets if that is not 0. mu is held.
func (a *account) insert(mailbox string, msgs []imap.AppendMessage, raws [][]byte, replaced int64) (imap.Appended, error) {
	b, err := a.find(mailbox)
	if err != nil || len(msgs) == 0 {
		return imap.Appended{}, err
	}
	size, n := -replaced, int64(len(raws))
	for _, raw := range raws {
		size += int64(len(raw))
	}
	if replaced > 0 {
		n--
	}
	if err := b.a.room(size, n); err != nil {
		return imap.Appended{}, err
	}
	out := imap.Appended{UIDValidity: b.validity}
	var fresh []*msg
	for i, m := range msgs {
		a.b.emails++
		c := &content{id: "M" + strconv.Itoa(a.b.emails), raw: raws[i]}
		internal := m.InternalDate
		if internal.IsZero() {
			internal = time.Now()
		}
		fresh = append(fresh, &msg{flags: applyFlags(nil, imap.FlagChange{Flags: m.Flags}), internal: internal.Truncate(time.Second), content: c})
		out.EmailIDs = append(out.EmailIDs, c.id)
	}
	out.UIDs = b.add(fresh, 0)
	out.ModSeq = b.touch()
	return out, nil
}

// add puts copies of messages into the mailbox under new UIDs, without the flags whose rights are in drop. touch comes behind it.
func (b *box) add(msgs []*msg, drop imap.Rights) []imap.UID {
	uids, copies := make([]imap.UID, len(msgs)), make([]msg, len(msgs))
	modseq, now := b.a.modseq+1, time.Now().Truncate(time.Second)
	b.msgs = slices.Grow(b.msgs, len(msgs))
	for i, m := range msgs {
		c := &copies[i]
		*c = *m
		c.uid, c.modseq, c.created, c.saved = b.next, modseq, modseq, now
		if drop != 0 {
			c.flags = applyFlags(nil, imap.FlagChange{Flags: m.flags, Keep: drop})
		}
		uids[i] = b.next
		b.next++
		b.msgs = append(b.msgs, c)
	}
	return uids
}
