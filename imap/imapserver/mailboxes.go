package imapserver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/imap"
)

// mailboxName reads the name of a mailbox. A name that cannot be one is an error of its own, so that the rest of the
// command is still read.
func (c *session) mailboxName() (string, error) {
	return c.decodeName(c.d.Astring())
}

// decodeName decodes a name or a pattern: UTF-8 after ENABLE of IMAP4rev2 or UTF8=ACCEPT, else modified UTF-7 (RFC 9051 §5.1).
func (c *session) decodeName(s string) (string, error) {
	if !c.utf8 {
		name, err := imap.ParseUTF7(s)
		if err != nil {
			return "", fmt.Errorf("%w: %v", imap.ErrInvalidName, err)
		}
		s = name
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", imap.ErrInvalidName
	}
	if strings.EqualFold(s, "INBOX") {
		s = "INBOX"
	}
	return s, nil
}

// appendName appends the name of a mailbox as this client reads it.
func (c *session) appendName(dst []byte, name string) []byte {
	return imap.AppendMailbox(dst, name, c.utf8)
}

// named reads the one name that is the whole of a command.
func (c *session) named() (string, error) {
	c.d.SP()
	name, err := c.mailboxName()
	if c.d.EOL(); c.d.Err() != nil {
		return "", c.d.Err()
	}
	return name, err
}

// create is CREATE, with USE (RFC 6154 §3). A separator at the end says that more will come below, and is dropped.
func (c *session) create() (*imap.Status, error) {
	c.d.SP()
	name, err := c.mailboxName()
	use := c.createUse()
	if c.d.EOL(); c.d.Err() != nil || err != nil {
		return nil, err
	}
	if name = strings.TrimSuffix(name, "/"); name == "" {
		return nil, imap.ErrInvalidName
	}
	if c.account.Editor == nil {
		return nil, imap.ErrCannot
	}
	if len(use) > 1 {
		return nil, no("USEATTR", "one special use at most")
	}
	o := imap.CreateOptions{}
	if len(use) == 1 {
		if o.SpecialUse = specialUse(use[0]); o.SpecialUse == "" {
			return nil, no("USEATTR", "this use cannot be given")
		}
	}
	info, err := c.account.Editor.Create(c.ctx, name, o)
	c.changedName(name)
	if err != nil || info.ID == "" {
		return nil, err
	}
	return &imap.Status{Type: imap.StatusOK, Code: imap.CodeMailboxID, Args: "(" + info.ID + ")", Text: "CREATE completed"}, nil
}

func (c *session) createUse() (use []imap.Flag) {
	if !c.d.Accept(' ') {
		return nil
	}
	c.d.List(func() {
		if c.d.Keyword() != "USE" {
			c.d.Want("USE")
		}
		c.d.SP()
		use = append(use, c.d.FlagList()...)
	})
	return use
}

// specialUse returns the attribute in the spelling of RFC 6154 §2 and RFC 8457, "" for one that a mailbox cannot be
// given.
func specialUse(f imap.Flag) string {
	for _, s := range []imap.Flag{`\Archive`, `\Drafts`, `\Flagged`, `\Junk`, `\Sent`, `\Trash`, `\Important`} {
		if f.Equal(s) {
			return string(s)
		}
	}
	return ""
}

func (c *session) delete() (*imap.Status, error) {
	name, err := c.named()
	if err != nil {
		return nil, err
	}
	if c.account.Editor == nil || name == "INBOX" {
		return nil, imap.ErrCannot
	}
	if err := c.account.Editor.Delete(c.ctx, name); err != nil {
		return nil, err
	}
	c.changedName(name)
	if c.box != nil && c.box.Name == name {
		c.leave()
		c.ok(imap.CodeClosed, "", "the mailbox is closed")
	}
	return nil, nil
}

func (c *session) rename() (*imap.Status, error) {
	c.d.SP()
	from, err := c.mailboxName()
	c.d.SP()
	to, err2 := c.mailboxName()
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	if err == nil {
		err = err2
	}
	if to = strings.TrimSuffix(to, "/"); err == nil && to == "" {
		err = imap.ErrInvalidName
	}
	if err == nil && c.account.Editor == nil {
		err = imap.ErrCannot
	}
	if err != nil {
		return nil, err
	}
	if err := c.account.Editor.Rename(c.ctx, from, to); err != nil {
		return nil, err
	}
	c.changedName(from, to)
	return nil, c.sync(true) // renaming INBOX empties it
}

func (c *session) subscribe() (*imap.Status, error)   { return c.setSubscribed(true) }
func (c *session) unsubscribe() (*imap.Status, error) { return c.setSubscribed(false) }

func (c *session) setSubscribed(on bool) (*imap.Status, error) {
	name, err := c.named()
	if err != nil {
		return nil, err
	}
	if c.account.Editor == nil {
		return nil, imap.ErrCannot
	}
	c.changedName(name)
	return nil, c.account.Editor.Subscribe(c.ctx, name, on)
}

// namespace is RFC 2342: one personal namespace, and that of other users.
func (c *session) namespace() (*imap.Status, error) {
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	n := imap.Namespaces{Personal: []imap.Namespace{{Delim: '/'}}}
	if prefix := c.account.OtherUsers; prefix != "" {
		n.Others = []imap.Namespace{{Prefix: prefix, Delim: '/'}}
	}
	c.untagged("NAMESPACE", string(imap.AppendNamespaces(nil, n, c.utf8)))
	return nil, nil
}

// statusOf is STATUS.
func (c *session) statusOf() (*imap.Status, error) {
	c.d.SP()
	name, err := c.mailboxName()
	c.d.SP()
	items := c.statusItems()
	if c.d.EOL(); c.d.Err() != nil || err != nil {
		return nil, err
	}
	m, err := c.account.Store.OpenMailbox(c.ctx, name)
	if err != nil {
		return nil, err
	}
	st, err := m.Status(c.ctx)
	if err != nil {
		return nil, err
	}
	if st.NoSelect {
		return nil, no(imap.CodeCannot, "the mailbox only holds others")
	}
	if err := c.deletedSize(m, &st, items); err != nil {
		return nil, err
	}
	values, err := c.statusValues(m, &st.MailboxInfo, items)
	if err != nil {
		return nil, err
	}
	c.tellStatus(name, &st, items, values)
	return nil, c.sync(true)
}

// deletedSize counts what DELETED-STORAGE tells (RFC 9208 §4.1.4).
func (c *session) deletedSize(m imap.Mailbox, st *imap.MailboxStatus, items []imap.StatusItem) error {
	if st.Deleted == 0 || !slices.Contains(items, imap.StatusDeletedStorage) {
		return nil
	}
	st.DeletedSize = 0
	for x, err := range m.Messages(c.ctx, imap.AllUIDs(), imap.FieldFlags|imap.FieldSize) {
		if err != nil {
			return err
		}
		if slices.Contains(x.Flags, imap.FlagDeleted) {
			st.DeletedSize += x.Size
		}
	}
	return nil
}

// tellStatus sends STATUS. values are those of items of Extensions.
func (c *session) tellStatus(name string, st *imap.MailboxStatus, items []imap.StatusItem, values map[imap.StatusItem][]byte) {
	b := c.appendName(append(c.bw.AvailableBuffer(), "* STATUS "...), name)
	for i, it := range items {
		if b = append(b, ' '); i == 0 {
			b = append(b, '(')
		}
		b = append(append(b, it...), ' ')
		switch it {
		case imap.StatusMessages:
			b = strconv.AppendInt(b, int64(st.Messages), 10)
		case imap.StatusUIDNext:
			b = strconv.AppendUint(b, uint64(st.UIDNext), 10)
		case imap.StatusUIDValidity:
			b = strconv.AppendUint(b, uint64(st.UIDValidity), 10)
		case imap.StatusUnseen:
			b = strconv.AppendInt(b, int64(st.Unseen), 10)
		case imap.StatusDeleted:
			b = strconv.AppendInt(b, int64(st.Deleted), 10)
		case imap.StatusSize:
			b = strconv.AppendInt(b, st.Size, 10)
		case imap.StatusDeletedStorage:
			b = strconv.AppendInt(b, st.DeletedSize, 10)
		case imap.StatusRecent:
			b = append(b, '0')
		case imap.StatusHighestModSeq:
			c.condstore = true
			b = strconv.AppendUint(b, uint64(st.HighestModSeq), 10)
		case imap.StatusAppendLimit:
			b = strconv.AppendInt(b, c.s.maxMessage(), 10)
		case imap.StatusMailboxID:
			b = append(append(append(b, '('), st.ID...), ')')
		default:
			b = append(b, values[it]...)
		}
	}
	_, _ = c.bw.Write(append(b, ")\r\n"...))
}
