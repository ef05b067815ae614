package imapclient

import (
	"bufio"
	"context"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/internal/deflate"
)

// Compress compresses the connection from here on, both ways (RFC 4978). Limits count what comes out of it. Over TLS, whoever
// can have text of theirs sent beside a secret may guess at the secret from the lengths; do it after the login.
// ErrUnsupported: the server does not offer it, or it is on.
func (c *Client) Compress(ctx context.Context) error {
	if !c.caps.Has("COMPRESS=DEFLATE") || c.compressed {
		return ErrUnsupported
	}
	cmd, err := c.begin(ctx, "COMPRESS")
	if err != nil {
		return err
	}
	defer cmd.end()
	if _, err := cmd.run([]byte(" DEFLATE"), nil); err != nil {
		return err
	}
	// What came in one piece with the reply is compressed already.
	early, err := c.r.Peek(c.r.Buffered())
	if err != nil {
		return cmd.lose(cmd.fault(err))
	}
	c.src = deflate.NewReader(&rest{head: append([]byte(nil), early...), conn: c.conn})
	c.r.Reset(c.in)
	c.w = bufio.NewWriterSize(deflate.NewWriter(c.conn), 4<<10)
	c.compressed = true
	return nil
}

// A rest reads head and then conn.
type rest struct {
	head []byte
	conn interface{ Read([]byte) (int, error) }
}

func (r *rest) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.conn.Read(p)
}

// Unauthenticate makes the connection what it was before the login (RFC 8437), for another one. ErrUnsupported: the server does
// not offer it, or the connection is compressed.
func (c *Client) Unauthenticate(ctx context.Context) error {
	if !c.caps.Has("UNAUTHENTICATE") || c.compressed {
		return ErrUnsupported
	}
	c.told = false
	if _, err := c.simple(ctx, "UNAUTHENTICATE", nil); err != nil {
		return err
	}
	c.selected, c.enabled = nil, nil
	return c.newCapabilities(ctx)
}

// JMAPAccess returns the URL of the JMAP session resource with the same mail (RFC 9698). ErrUnsupported: the server offers none.
func (c *Client) JMAPAccess(ctx context.Context) (string, error) {
	if !c.caps.Has("JMAPACCESS") {
		return "", ErrUnsupported
	}
	cmd, err := c.begin(ctx, "GETJMAPACCESS")
	if err != nil {
		return "", err
	}
	defer cmd.end()
	url := ""
	_, err = cmd.run(nil, func(r response) bool {
		if r.kind != "JMAPACCESS" {
			return false
		}
		_ = c.d.Keyword()
		c.d.SP()
		url = c.d.Astring()
		return true
	})
	return url, err
}

// Replace adds a message to a mailbox and removes the message uid of the one that is selected, in one step (RFC 8508).
// Size and Body are as for Append, and so is the result. ErrUnsupported: the server has no REPLACE; Append, Store and Expunge
// do the same in three.
func (c *Client) Replace(ctx context.Context, uid imap.UID, mailbox string, m imap.AppendMessage) (*imap.Appended, error) {
	if !c.caps.Has("REPLACE") {
		return nil, ErrUnsupported
	}
	if _, err := c.name(mailbox); err != nil || uid == 0 || m.Size < 0 || m.Body == nil || !validFlags(m.Flags) {
		return nil, ErrArgument
	}
	args := string(imap.AppendUIDs([]byte{' '}, []imap.UID{uid}))
	return c.appendTo(ctx, "UID REPLACE", args, mailbox, []imap.AppendMessage{m})
}
