package imapserver

import (
	"errors"
	"io"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// maxParts is how many parts a message is catenated of at most.
const maxParts = 1000

// catenate reads the parts of a message that is put together here (RFC 4469): texts, and pieces of messages of this account. It
// is as long as a message may be that comes in one piece.
func (c *session) catenate(in *incoming, name string, nameErr error) error {
	if err := c.mayAppend(in, name, nameErr, 0); err != nil {
		return err
	}
	start, n := in.spool.Size(), 0
	room := func(size int64) error {
		if n++; n > maxParts {
			return no(imap.CodeLimit, "too many parts")
		}
		return c.mayAppend(in, name, nameErr, in.spool.Size()-start+size)
	}
	c.d.SP()
	c.d.List(func() {
		var err error
		switch c.d.Keyword() {
		case "TEXT":
			c.d.SP()
			lit := c.d.Literal()
			if lit == nil {
				c.d.Want("a literal")
				return
			}
			if err = room(lit.Size); err == nil {
				err = c.take(in, lit)
			}
		case "URL":
			c.d.SP()
			url := c.d.Astring()
			if c.d.Err() == nil {
				err = c.takeURL(in, url, room)
			}
		default:
			c.d.Want("TEXT or URL")
		}
		if err != nil { // nothing is done where the connection is lost
			c.d.Fail(c.status("APPEND", err))
		}
	})
	if n == 0 && c.d.Err() == nil {
		c.d.Want("a part")
	}
	return nil
}

// takeURL adds what a URL names. \Seen is not set.
func (c *session) takeURL(in *incoming, url string, room func(int64) error) error {
	bad := &imap.Status{Type: imap.StatusNo, Code: imap.CodeBadURL, Args: strings.ReplaceAll(url, "]", "%5D"), Text: "no such message or part"}
	u, err := imap.ParseMessageURL(url)
	if err != nil {
		return bad
	}
	m, err := c.ofURL(&u)
	if errors.Is(err, imap.ErrNonexistent) {
		return bad
	}
	if err != nil {
		return err
	}
	f := fetching{items: []imap.FetchItem{{Att: imap.FetchBody, Section: u.Section}}, labels: [][]byte{nil}}
	f.read(0, []byte(imap.FetchBody))
	r, err := c.openMessage(m, &f, u.UID)
	if errors.Is(err, imap.ErrNonexistent) {
		return bad
	}
	if err != nil {
		return err
	}
	defer r.Close()
	p := &r.pieces[0]
	if p.nothing {
		return bad
	}
	if err := room(p.n); err != nil {
		return err
	}
	from := io.Reader(io.NewSectionReader(r.body, p.start, p.n))
	if p.text != nil {
		from = strings.NewReader(string(p.text))
	}
	in.spool.Grow(p.n)
	_, err = in.spool.ReadFrom(from)
	return err
}

// ofURL opens the mailbox of a URL.
func (c *session) ofURL(u *imap.MessageURL) (imap.Mailbox, error) {
	if u.Mailbox == "" {
		if c.box == nil {
			return nil, imap.ErrNonexistent
		}
		return c.box.Mailbox, nil
	}
	m, err := c.account.Store.OpenMailbox(c.ctx, u.Mailbox)
	if err != nil || u.UIDValidity == 0 {
		return m, err
	}
	st, err := m.Status(c.ctx)
	if err == nil && st.UIDValidity != u.UIDValidity {
		err = imap.ErrNonexistent
	}
	return m, err
}
