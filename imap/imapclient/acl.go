package imapclient

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// MyRights returns the rights of the user to a mailbox (RFC 4314 §3.5). ErrUnsupported: the server has no ACL. The obsolete
// rights are left out, as RFC 4314 §2.1.1 has it, unless the server has RFC 2086 alone and no others for them.
func (c *Client) MyRights(ctx context.Context, mailbox string) (imap.Rights, error) {
	args, err := c.acl(mailbox)
	if err != nil {
		return 0, err
	}
	var rights imap.Rights
	err = c.ask(ctx, "MYRIGHTS", "MYRIGHTS", args, func() bool {
		name, r := c.d.MyRights(c.inUTF8())
		rights = c.current(r)
		return sameMailbox(name, mailbox)
	})
	return rights, err
}

// ACL returns the access control list of a mailbox (RFC 4314 §3.3). A client that changes an entry keeps the rights in it that it
// does not know (§5.1.2): SetACL with RightsAdd and RightsRemove does. Errors and obsolete rights are as for MyRights.
func (c *Client) ACL(ctx context.Context, mailbox string) ([]imap.ACLEntry, error) {
	args, err := c.acl(mailbox)
	if err != nil {
		return nil, err
	}
	var list []imap.ACLEntry
	err = c.ask(ctx, "GETACL", "ACL", args, func() bool {
		name, some := c.d.ACL(c.inUTF8())
		if c.d.Err() != nil || !sameMailbox(name, mailbox) {
			return false
		}
		list = some
		for i := range list {
			list[i].Rights = c.current(list[i].Rights)
		}
		return true
	})
	return list, err
}

// GrantableRights returns what an identifier has in any case and what it can be granted (RFC 4314 §3.4).
func (c *Client) GrantableRights(ctx context.Context, mailbox, identifier string) (imap.GrantableRights, error) {
	args, err := c.acl(mailbox, identifier)
	if err != nil {
		return imap.GrantableRights{}, err
	}
	var rights imap.GrantableRights
	err = c.ask(ctx, "LISTRIGHTS", "LISTRIGHTS", args, func() bool {
		name, who, g := c.d.GrantableRights(c.inUTF8())
		if c.d.Err() != nil || who != identifier || !sameMailbox(name, mailbox) {
			return false
		}
		rights.Required = c.current(g.Required)
		for _, r := range g.Optional {
			if r = c.current(r); r != 0 {
				rights.Optional = append(rights.Optional, r)
			}
		}
		return true
	})
	return rights, err
}

// SetACL changes the rights of an identifier to a mailbox (RFC 4314 §3.1).
func (c *Client) SetACL(ctx context.Context, mailbox, identifier string, change imap.RightsChange) error {
	args, err := c.acl(mailbox, identifier)
	if err == nil {
		_, err = c.simple(ctx, "SETACL", imap.AppendRightsChange(append(args, ' '), change))
	}
	return err
}

// DeleteACL removes the entry of an identifier (RFC 4314 §3.2).
func (c *Client) DeleteACL(ctx context.Context, mailbox, identifier string) error {
	args, err := c.acl(mailbox, identifier)
	if err == nil {
		_, err = c.simple(ctx, "DELETEACL", args)
	}
	return err
}

// ListedRights is a mailbox with the user's rights to it.
type ListedRights struct {
	*imap.Listing
	Rights imap.Rights // 0 where the server does not tell
}

// ListRights is List with the user's rights to each mailbox: in one command with LIST-MYRIGHTS (RFC 8440), else in one for each.
// What is against the grammar is left out.
func (c *Client) ListRights(ctx context.Context, pattern string) ([]ListedRights, error) {
	if !c.caps.Has("ACL") {
		return nil, ErrUnsupported
	}
	together := c.caps.Has("LIST-MYRIGHTS")
	listing := c.List(ctx, pattern)
	rights := map[string]imap.Rights{}
	if together {
		args := append(c.appendName([]byte(` ""`), pattern), " RETURN (SUBSCRIBED CHILDREN MYRIGHTS)"...)
		listing = c.list(ctx, "LIST", args, func(r response) bool {
			if r.kind != "MYRIGHTS" {
				return false
			}
			_ = c.d.Keyword()
			if name, got := c.d.MyRights(c.inUTF8()); c.d.Err() == nil {
				rights[name] = c.current(got)
			}
			return true
		})
	}
	var out []ListedRights
	for l, err := range listing {
		if c.err == nil && isSyntax(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, ListedRights{Listing: l})
	}
	for i := range out {
		l := &out[i]
		switch {
		case together:
			l.Rights = rights[l.Name]
		case !l.Has(`\Noselect`) && !l.Has(`\NonExistent`):
			var err error
			if l.Rights, err = c.MyRights(ctx, l.Name); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// acl returns the first arguments of a command about rights.
func (c *Client) acl(mailbox string, identifier ...string) ([]byte, error) {
	if !c.caps.Has("ACL") {
		return nil, ErrUnsupported
	}
	args, err := c.name(mailbox)
	for _, id := range identifier {
		if id == "" || strings.IndexByte(id, 0) >= 0 {
			return nil, ErrArgument
		}
		args = imap.AppendAString(append(args, ' '), id)
	}
	return args, err
}

// ask runs a command that is answered by a response of one kind, which read reads behind its keyword; it reports whether it was
// the one.
func (c *Client) ask(ctx context.Context, command, kind string, args []byte, read func() bool) error {
	cmd, err := c.begin(ctx, command)
	if err != nil {
		return err
	}
	defer cmd.end()
	found := false
	var unread error
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != kind {
			return false
		}
		_ = c.d.Keyword()
		ok := read()
		if err := c.d.Err(); err != nil {
			unread = fmt.Errorf("imapclient: %s: %w", command, err)
		}
		found = found || ok
		return true
	})
	switch {
	case err != nil:
		return err
	case unread != nil:
		return unread
	case !found:
		return &ProtocolError{Command: command, What: "no " + kind + " response"}
	}
	return nil
}

// current leaves out the obsolete rights where the server has those that took their place.
func (c *Client) current(r imap.Rights) imap.Rights {
	for name := range c.caps {
		if strings.HasPrefix(name, "RIGHTS=") {
			return r &^ imap.RightsObsolete
		}
	}
	return r
}

func sameMailbox(told, asked string) bool {
	return told == asked || told == "INBOX" && strings.EqualFold(asked, told)
}
