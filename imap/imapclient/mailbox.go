package imapclient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// appendName appends a space and the name of a mailbox as the server wants it.
func (c *Client) appendName(dst []byte, name string) []byte {
	if !c.inUTF8() {
		name = string(imap.AppendUTF7(nil, name))
	}
	return imap.AppendAString(append(dst, ' '), name)
}

// name returns a command's only argument, a mailbox.
func (c *Client) name(name string) ([]byte, error) {
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return nil, ErrArgument
	}
	return c.appendName(nil, name), nil
}

// Select opens a mailbox for reading and writing; Selected.ReadOnly says if that is not to be. With CONDSTORE it asks
// for modseqs. If it fails no mailbox is selected.
func (c *Client) Select(ctx context.Context, mailbox string) (*Selected, error) {
	return c.open(ctx, "SELECT", mailbox, "")
}

// Examine opens a mailbox for reading only.
func (c *Client) Examine(ctx context.Context, mailbox string) (*Selected, error) {
	return c.open(ctx, "EXAMINE", mailbox, "")
}

// open selects a mailbox. params, if not empty, ask for modseqs among other things.
func (c *Client) open(ctx context.Context, command, mailbox, params string) (*Selected, error) {
	args, err := c.name(mailbox)
	if err != nil {
		return nil, err
	}
	if params == "" && (c.caps.Has("CONDSTORE") || c.caps.Has("QRESYNC")) {
		params = " (CONDSTORE)"
	}
	args = append(args, params...)
	cmd, err := c.begin(ctx, command)
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	c.endContexts()
	c.selected = &Selected{Name: mailbox, ReadOnly: command == "EXAMINE"}
	_, err = cmd.run(args, func(r response) bool {
		if r.kind == "EXISTS" { // no news
			c.selected.Messages = r.number
		}
		return r.kind == "EXISTS"
	})
	if err != nil {
		c.selected = nil
		return nil, err
	}
	return c.Selected(), nil
}

// Unselect closes the selected mailbox and removes nothing (RFC 3691).
func (c *Client) Unselect(ctx context.Context) error {
	if !c.caps.Has("UNSELECT") && !c.rev2() {
		return ErrUnsupported
	}
	return c.closeMailbox(ctx, "UNSELECT")
}

// CloseMailbox closes the selected mailbox and removes its messages with \Deleted, unless it is read-only.
func (c *Client) CloseMailbox(ctx context.Context) error { return c.closeMailbox(ctx, "CLOSE") }

func (c *Client) closeMailbox(ctx context.Context, command string) error {
	_, err := c.simple(ctx, command, nil)
	if err == nil {
		c.endContexts()
		c.selected = nil
	}
	return err
}

// Status returns the counters of a mailbox: items, or all that the server knows if there are none.
func (c *Client) Status(ctx context.Context, mailbox string, items ...imap.StatusItem) (*imap.MailboxStatus, error) {
	args, err := c.name(mailbox)
	if err != nil {
		return nil, err
	}
	if args, err = c.appendStatusItems(args, items); err != nil {
		return nil, err
	}
	cmd, err := c.begin(ctx, "STATUS")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var status *imap.MailboxStatus
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != "STATUS" {
			return false
		}
		s, told := c.readStatus()
		if s != nil && s.Name != mailbox && !(s.Name == "INBOX" && strings.EqualFold(mailbox, s.Name)) { // by NOTIFY
			c.event(Event{Kind: EventStatus, Status: s, Told: told})
			return true
		}
		status = s
		return true
	})
	switch {
	case err != nil:
		return nil, err
	case status == nil:
		return nil, &ProtocolError{Command: "STATUS", What: "no STATUS response that can be read"}
	}
	return status, nil
}

// readStatus reads a STATUS response, nil if it cannot be.
func (c *Client) readStatus() (*imap.MailboxStatus, []imap.StatusItem) {
	_ = c.d.Keyword()
	c.d.SP()
	if s, told := c.d.StatusUpdate(c.inUTF8()); c.d.Err() == nil {
		return s, told
	}
	return nil, nil
}

func (c *Client) appendStatusItems(dst []byte, items []imap.StatusItem) ([]byte, error) {
	if len(items) == 0 {
		items = c.statusItems()
	}
	for i, it := range items {
		if !imap.Flag(it).Valid() {
			return nil, ErrArgument
		}
		dst = append(dst, ' ')
		if i == 0 {
			dst = append(dst, '(')
		}
		dst = append(dst, it...)
	}
	return append(dst, ')'), nil
}

// statusItems returns the items that the server knows.
func (c *Client) statusItems() []imap.StatusItem {
	items := []imap.StatusItem{imap.StatusMessages, imap.StatusUIDNext, imap.StatusUIDValidity, imap.StatusUnseen}
	if c.rev2() || c.caps.Has("QUOTA=RES-MESSAGE") {
		items = append(items, imap.StatusDeleted)
	}
	if c.caps.Has("STATUS=SIZE") || c.rev2() {
		items = append(items, imap.StatusSize)
	}
	if c.caps.Has("QUOTA=RES-STORAGE") {
		items = append(items, imap.StatusDeletedStorage)
	}
	if c.caps.Has("CONDSTORE") {
		items = append(items, imap.StatusHighestModSeq)
	}
	if c.caps.Has("OBJECTID") {
		items = append(items, imap.StatusMailboxID)
	}
	return items
}

// List yields the mailboxes whose names match pattern, in which "*" stands for anything and "%" for anything within
// one level; "*" alone is all of them. Attributes tell what is subscribed, has children, or is special, as far as the
// server can say. A mailbox whose response is against the grammar is a nil Listing with a *imap.SyntaxError, after which the
// loop may go on. It may be left at any time.
func (c *Client) List(ctx context.Context, pattern string) iter.Seq2[*imap.Listing, error] {
	args := c.appendName([]byte(` ""`), pattern)
	extended := c.caps.Has("LIST-EXTENDED") || c.rev2()
	if extended {
		args = append(args, " RETURN (SUBSCRIBED CHILDREN"...)
		if c.caps.Has("SPECIAL-USE") || c.rev2() {
			args = append(args, " SPECIAL-USE"...)
		}
		args = append(args, ')')
	}
	return c.list(ctx, "LIST", args, nil)
}

// Subscribed yields the mailboxes that are subscribed and match pattern, with LSUB.
func (c *Client) Subscribed(ctx context.Context, pattern string) iter.Seq2[*imap.Listing, error] {
	return c.list(ctx, "LSUB", c.appendName([]byte(` ""`), pattern), nil)
}

// list reads what a command lists; also may take in other responses.
func (c *Client) list(ctx context.Context, command string, args []byte, also func(response) bool) iter.Seq2[*imap.Listing, error] {
	return func(yield func(*imap.Listing, error) bool) {
		cmd, err := c.begin(ctx, command)
		if err != nil {
			yield(nil, err)
			return
		}
		defer cmd.end()
		left := false
		_, err = cmd.run(args, func(r response) bool {
			switch {
			case r.kind != command:
				return also != nil && also(r)
			case left:
				return true
			}
			_ = c.d.Keyword()
			c.d.SP()
			l := c.d.Listing(c.inUTF8())
			err := c.d.Err()
			if err != nil {
				l, err = nil, fmt.Errorf("imapclient: %s: %w", command, err)
			}
			if c.err == nil && !cmd.pause(func() bool { return yield(l, err) }) {
				left = true
				cmd.abandon()
			}
			return true
		})
		if err != nil && !left {
			yield(nil, err)
		}
	}
}

// A ListedStatus is a mailbox with its counters.
type ListedStatus struct {
	*imap.Listing
	Status *imap.MailboxStatus // nil for one that cannot be selected
}

// ListStatus is List with the counters of each mailbox: in one command with LIST-STATUS (RFC 5819), else in one for each.
// What is against the grammar is left out.
func (c *Client) ListStatus(ctx context.Context, pattern string, items ...imap.StatusItem) ([]ListedStatus, error) {
	together := c.caps.Has("LIST-STATUS") || c.rev2()
	listing := c.List(ctx, pattern)
	statuses := map[string]*imap.MailboxStatus{}
	if together {
		args := append(c.appendName([]byte(` ""`), pattern), " RETURN (SUBSCRIBED CHILDREN STATUS"...)
		args, err := c.appendStatusItems(args, items)
		if err != nil {
			return nil, err
		}
		listing = c.list(ctx, "LIST", append(args, ')'), func(r response) bool {
			if r.kind != "STATUS" {
				return false
			}
			if s, _ := c.readStatus(); s != nil {
				statuses[s.Name] = s
			}
			return true
		})
	}
	var out []ListedStatus
	for l, err := range listing {
		if c.err == nil && isSyntax(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, ListedStatus{Listing: l})
	}
	for i := range out {
		l := &out[i]
		switch {
		case together:
			l.Status = statuses[l.Name]
		case !l.Has(`\Noselect`) && !l.Has(`\NonExistent`):
			var err error
			if l.Status, err = c.Status(ctx, l.Name, items...); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func isSyntax(err error) bool {
	_, ok := errors.AsType[*imap.SyntaxError](err)
	return ok
}

// Create makes a mailbox.
func (c *Client) Create(ctx context.Context, mailbox string, o imap.CreateOptions) error {
	args, err := c.name(mailbox)
	switch {
	case err != nil:
		return err
	case o.SpecialUse != "" && !c.caps.Has("CREATE-SPECIAL-USE"):
		return ErrUnsupported
	case o.SpecialUse != "" && !imap.Flag(o.SpecialUse).Valid():
		return ErrArgument
	case o.SpecialUse != "": // RFC 6154 §3
		args = append(args, " (USE ("+o.SpecialUse+"))"...)
	}
	_, err = c.simple(ctx, "CREATE", args)
	return err
}

// Delete removes a mailbox and its messages.
func (c *Client) Delete(ctx context.Context, mailbox string) error {
	return c.onMailbox(ctx, "DELETE", mailbox)
}

// Quota returns the quota roots that a mailbox, which need not be there, counts for, with what they hold and may hold (RFC
// 9208). ErrUnsupported: the server has no QUOTA.
func (c *Client) Quota(ctx context.Context, mailbox string) ([]imap.QuotaRoot, error) {
	if !c.caps.Has("QUOTA") {
		return nil, ErrUnsupported
	}
	args, err := c.name(mailbox)
	if err != nil {
		return nil, err
	}
	cmd, err := c.begin(ctx, "GETQUOTAROOT")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var roots []imap.QuotaRoot
	var unread error
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != "QUOTA" {
			return r.kind == "QUOTAROOT"
		}
		_ = c.d.Keyword()
		q := c.d.QuotaRoot()
		if err := c.d.Err(); err != nil {
			unread = fmt.Errorf("imapclient: GETQUOTAROOT: %w", err)
		} else {
			roots = append(roots, q)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return roots, unread
}

// SetQuota gives a quota root these limits, by the names of resources, and no others, and returns it as the server has it now,
// which may have rounded them; nil: the server does not tell (RFC 9208 §4.1.3). ErrUnsupported: the server has no QUOTASET.
func (c *Client) SetQuota(ctx context.Context, root string, limits map[string]int64) (*imap.QuotaRoot, error) {
	if !c.caps.Has("QUOTASET") {
		return nil, ErrUnsupported
	}
	for name, n := range limits {
		if n < 0 || !imap.Flag(name).Valid() || name[0] == '\\' {
			return nil, ErrArgument
		}
	}
	if strings.IndexByte(root, 0) >= 0 {
		return nil, ErrArgument
	}
	args := imap.AppendAString([]byte{' '}, root)
	args = imap.AppendQuotaLimits(append(args, ' '), limits)
	cmd, err := c.begin(ctx, "SETQUOTA")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var set *imap.QuotaRoot
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != "QUOTA" {
			return false
		}
		_ = c.d.Keyword()
		if q := c.d.QuotaRoot(); c.d.Err() == nil && q.Name == root {
			set = &q
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return set, nil
}

// Namespaces returns where the user's own mailboxes are, those of other users and those of nobody in particular (RFC 2342).
// ErrUnsupported: the server has no NAMESPACE; then all names begin anywhere, and List tells the separator.
func (c *Client) Namespaces(ctx context.Context) (imap.Namespaces, error) {
	if !c.caps.Has("NAMESPACE") && !c.rev2() {
		return imap.Namespaces{}, ErrUnsupported
	}
	var n imap.Namespaces
	err := c.ask(ctx, "NAMESPACE", "NAMESPACE", nil, func() bool {
		n = c.d.Namespaces(c.inUTF8())
		return true
	})
	return n, err
}

// Subscribe sets or clears the subscription of a mailbox.
func (c *Client) Subscribe(ctx context.Context, mailbox string, on bool) error {
	if on {
		return c.onMailbox(ctx, "SUBSCRIBE", mailbox)
	}
	return c.onMailbox(ctx, "UNSUBSCRIBE", mailbox)
}

func (c *Client) onMailbox(ctx context.Context, command, mailbox string) error {
	args, err := c.name(mailbox)
	if err == nil {
		_, err = c.simple(ctx, command, args)
	}
	return err
}

// Rename renames a mailbox and those below it.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	args, err := c.name(from)
	if err != nil {
		return err
	}
	if _, err = c.name(to); err != nil {
		return err
	}
	_, err = c.simple(ctx, "RENAME", c.appendName(args, to))
	return err
}
