package imapserver

import (
	"errors"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
)

// getMetadata is GETMETADATA (RFC 5464 §4.2). An entry that is named and has no value is told as NIL.
func (c *session) getMetadata() (*imap.Status, error) {
	c.d.SP()
	o, before := c.d.MetadataOptions()
	if before {
		c.d.SP()
	}
	name, nameErr := c.mailboxName()
	c.d.SP()
	if !before {
		var behind bool
		if o, behind = c.d.MetadataOptions(); behind {
			c.d.SP()
		}
	}
	entries := c.d.Entries()
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	all, err := c.annotations(name, nameErr)
	if err != nil {
		return nil, err
	}
	var told []imap.Annotation
	longest, seen := int64(0), map[string]bool{}
	tell := func(a imap.Annotation) {
		switch size := int64(len(a.Value)); {
		case seen[a.Entry]:
		case o.MaxSize > 0 && size > o.MaxSize:
			longest = max(longest, size)
		default:
			told = append(told, a)
		}
		seen[a.Entry] = true
	}
	for _, base := range entries {
		for _, a := range all {
			if o.Covers(base, a.Entry) {
				tell(a)
			}
		}
		if o.Depth == 0 {
			tell(imap.Annotation{Entry: base, None: true}) // unless it was there
		}
	}
	if len(told) > 0 {
		b := append(c.appendName([]byte("METADATA "), name), ' ')
		c.untagged(string(imap.AppendAnnotations(b, told)))
	}
	if longest > 0 {
		return &imap.Status{Type: imap.StatusOK, Code: imap.CodeMetadata, Args: "LONGENTRIES " + strconv.FormatInt(longest, 10), Text: "GETMETADATA completed"}, nil
	}
	return nil, nil
}

func (c *session) annotations(name string, nameErr error) ([]imap.Annotation, error) {
	switch {
	case nameErr != nil:
		return nil, nameErr
	case c.account.Annotator == nil:
		return nil, badCommand("there are no annotations")
	}
	return c.account.Annotator.Annotations(c.ctx, name)
}

// setMetadata is SETMETADATA (RFC 5464 §4.3). A value that is too long is refused before it is asked for.
func (c *session) setMetadata() (*imap.Status, error) {
	c.d.SP()
	name, nameErr := c.mailboxName()
	c.d.SP()
	limit := min(def(c.s.Limits.Annotation, 64<<10), def(c.s.Limits.Literal, 64<<10))
	tooLong := func(size int64) error {
		if size <= limit {
			return nil
		}
		return &imap.Status{Type: imap.StatusNo, Code: imap.CodeMetadata, Args: "MAXSIZE " + strconv.FormatInt(limit, 10), Text: "the value is too long"}
	}
	set := c.d.Annotations(tooLong)
	if c.d.EOL(); c.d.Err() != nil {
		return nil, nil
	}
	for _, a := range set { // a quoted string may be longer than a literal
		if err := tooLong(int64(len(a.Value))); err != nil {
			return nil, err
		}
	}
	switch {
	case nameErr != nil:
		return nil, nameErr
	case c.account.Annotator == nil:
		return nil, badCommand("there are no annotations")
	}
	err := c.account.Annotator.SetAnnotations(c.ctx, name, set)
	switch {
	case errors.Is(err, imap.ErrTooMany):
		return nil, &imap.Status{Type: imap.StatusNo, Code: imap.CodeMetadata, Args: "TOOMANY", Text: "too many annotations"}
	case errors.Is(err, imap.ErrReadOnly):
		return nil, no(imap.CodeNoPerm, "this entry cannot be changed")
	}
	return nil, err
}
