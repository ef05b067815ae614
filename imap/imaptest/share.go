package imaptest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

const (
	// OtherUsers is what the names of others' mailboxes begin with in Memory: "Other Users/ann/Projects" is "Projects" of ann. The
	// mailboxes of a user with a "/" in the name are nobody else's.
	OtherUsers = "Other Users/"

	// maxEntries is how many entries the list of a mailbox has at most, without the owner's.
	maxEntries = 100
	// maxNotes is how many annotations a mailbox has at most, and the account.
	maxNotes = 100
)

// personal is what another user than its owner has of a mailbox.
type personal struct {
	subscribed bool
	notes      map[string]string // private annotations, by entry
}

func (b *box) personal(a *account) *personal {
	if b.others == nil {
		b.others = map[*account]*personal{}
	}
	if b.others[a] == nil {
		b.others[a] = &personal{}
	}
	return b.others[a]
}

// place returns whose mailbox a name is, nil for nobody's, and its name there.
func (a *account) place(name string) (owner *account, local string) {
	rest, other := strings.CutPrefix(name, OtherUsers)
	if !other {
		return a, name
	}
	user, local, _ := strings.Cut(rest, "/")
	if owner = a.b.accounts[user]; owner == a {
		return nil, ""
	}
	return owner, local
}

// shared returns others' mailboxes to which the user has some right.
func (a *account) shared() (out []imap.MailboxInfo) {
	for _, owner := range a.b.accounts {
		if owner == a || strings.Contains(owner.name, "/") {
			continue
		}
		for _, b := range owner.boxes {
			if info := b.seen(a); info.Rights != 0 {
				out = append(out, info)
			}
		}
	}
	return out
}

// seen returns the mailbox as a user has it.
func (b *box) seen(a *account) imap.MailboxInfo {
	info := b.info
	if a == b.a {
		return info
	}
	info.Name, info.Rights, info.Subscribed = OtherUsers+b.a.name+"/"+info.Name, b.rights(a), false
	if p := b.others[a]; p != nil {
		info.Subscribed = p.subscribed
	}
	return info
}

func (b *box) rights(a *account) imap.Rights {
	if a == b.a {
		return imap.AllRights
	}
	return imap.RightsOf(b.acl, a.name)
}

// publish tells the owner of a change, and others who have some right.
func (b *box) publish(entries ...string) {
	n := imap.Notice{MailboxID: b.info.ID, ModSeq: b.modseq, Entries: entries}
	b.a.feed.Publish(n)
	if len(b.acl) == 0 {
		return
	}
	n.Other = !b.deleted
	for _, a := range b.a.b.accounts {
		if a != b.a && b.rights(a) != 0 {
			a.feed.Publish(n)
		}
	}
}

// Rights implements imap.Authorizer.
func (a *account) Rights(_ context.Context, mailbox string) (imap.Rights, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(mailbox)
	if err != nil {
		return 0, err
	}
	return b.rights(a), nil
}

// ACL implements imap.Authorizer.
func (a *account) ACL(_ context.Context, mailbox string) ([]imap.ACLEntry, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(mailbox)
	if err != nil {
		return nil, err
	}
	return append([]imap.ACLEntry{{Identifier: b.a.name, Rights: imap.AllRights}}, b.acl...), nil
}

// SetACL implements imap.Authorizer.
func (a *account) SetACL(_ context.Context, mailbox, identifier string, c imap.RightsChange) error {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(mailbox)
	if err != nil {
		return err
	}
	if identifier == b.a.name || identifier == "-"+b.a.name {
		return fmt.Errorf("imaptest: rights of the owner of %q: %w", mailbox, imap.ErrCannot)
	}
	before := b.acl
	after := imap.ChangeACL(before, identifier, c)
	if len(after) > max(maxEntries, len(before)) {
		return fmt.Errorf("imaptest: list of %q: %w", mailbox, imap.ErrTooMany)
	}
	b.acl = after
	b.note()
	for _, x := range b.a.b.accounts {
		if x != b.a && imap.RightsOf(before, x.name) != imap.RightsOf(after, x.name) {
			x.feed.Publish(imap.Notice{MailboxID: b.info.ID, ModSeq: b.modseq})
		}
	}
	return nil
}

// GrantableRights implements imap.Authorizer.
func (a *account) GrantableRights(_ context.Context, mailbox, identifier string) (imap.GrantableRights, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	b, err := a.find(mailbox)
	switch {
	case err != nil:
		return imap.GrantableRights{}, err
	case identifier == b.a.name:
		return imap.GrantableRights{Required: imap.AllRights}, nil
	case identifier == "-"+b.a.name:
		return imap.GrantableRights{}, nil
	}
	return imap.GrantableRights{Optional: imap.AllRights.Each()}, nil
}

// annotated returns where the annotations of a mailbox are, of the account for "": for all, and for the user.
func (a *account) annotated(mailbox string) (shared, private *map[string]string, err error) {
	if mailbox == "" {
		return &a.notes, &a.notes, nil
	}
	b, err := a.find(mailbox)
	if err != nil {
		return nil, nil, err
	}
	if b.a != a {
		return &b.notes, &b.personal(a).notes, nil
	}
	return &b.notes, &b.notes, nil
}

func private(entry string) bool { return strings.HasPrefix(entry, "/private/") }

// Annotations implements imap.Annotator.
func (a *account) Annotations(_ context.Context, mailbox string) ([]imap.Annotation, error) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	all, own, err := a.annotated(mailbox)
	if err != nil {
		return nil, err
	}
	notes := maps.Clone(*own)
	if own != all {
		notes = maps.Clone(*all)
		maps.DeleteFunc(notes, func(entry, _ string) bool { return private(entry) })
		for entry, value := range *own {
			if notes == nil {
				notes = map[string]string{}
			}
			notes[entry] = value
		}
	}
	var out []imap.Annotation
	for _, entry := range slices.Sorted(maps.Keys(notes)) {
		out = append(out, imap.Annotation{Entry: entry, Value: notes[entry]})
	}
	return out, nil
}

// SetAnnotations implements imap.Annotator. The server's /shared/admin is nobody's to change (RFC 5464 §3.2.1.1).
func (a *account) SetAnnotations(_ context.Context, mailbox string, set []imap.Annotation) error {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	all, own, err := a.annotated(mailbox)
	if err != nil {
		return err
	}
	next := map[*map[string]string]map[string]string{}
	for _, where := range []*map[string]string{all, own} {
		if next[where] = maps.Clone(*where); next[where] == nil {
			next[where] = map[string]string{}
		}
	}
	for _, n := range set {
		if mailbox == "" && n.Entry == "/shared/admin" {
			return fmt.Errorf("imaptest: %s: %w", n.Entry, imap.ErrReadOnly)
		}
		notes := next[all]
		if private(n.Entry) {
			notes = next[own]
		}
		if delete(notes, n.Entry); !n.None {
			notes[n.Entry] = n.Value
		}
	}
	for _, notes := range next {
		if len(notes) > maxNotes {
			return fmt.Errorf("imaptest: annotations of %q: %w", mailbox, imap.ErrTooMany)
		}
	}
	for where, notes := range next {
		*where = notes
	}
	a.publishNotes(mailbox, set)
	return nil
}

// publishNotes tells of annotations: the user, and of those that are shared whoever else has some right.
func (a *account) publishNotes(mailbox string, set []imap.Annotation) {
	own := imap.Notice{ModSeq: a.modseq}
	var shared []string
	b, err := a.find(mailbox)
	for _, n := range set {
		if err != nil || private(n.Entry) { // those of the account are nobody else's
			own.Entries = append(own.Entries, n.Entry)
		} else {
			shared = append(shared, n.Entry)
		}
	}
	if err == nil {
		own.MailboxID, own.ModSeq, own.Other = b.info.ID, b.modseq, b.a != a
	}
	if len(own.Entries) > 0 {
		a.feed.Publish(own)
	}
	if len(shared) > 0 {
		b.publish(shared...)
	}
}
