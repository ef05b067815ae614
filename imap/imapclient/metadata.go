package imapclient

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// Metadata returns the annotations of a mailbox that options and entries ask for, of the server for "" (RFC 5464). longest is the
// size of the longest value that o.MaxSize left out, 0 for none. Annotations that are not there are left out, or told with
// None. ErrUnsupported: the server has no METADATA.
func (c *Client) Metadata(ctx context.Context, mailbox string, o imap.MetadataOptions, entries ...string) (list []imap.Annotation, longest int64, err error) {
	args, err := c.metadata(mailbox)
	if err != nil {
		return nil, 0, err
	}
	if o != (imap.MetadataOptions{}) {
		args = append(imap.AppendMetadataOptions([]byte{' '}, o), args...)
	}
	if len(entries) == 0 || o.MaxSize < 0 || o.Depth < imap.DepthInfinity || o.Depth > 1 {
		return nil, 0, ErrArgument
	}
	for i, e := range entries {
		if e, err = imap.ParseEntry(e); err != nil {
			return nil, 0, ErrArgument
		}
		if args = append(args, ' '); i == 0 {
			args = append(args, '(')
		}
		args = imap.AppendAString(args, e)
	}
	cmd, err := c.begin(ctx, "GETMETADATA")
	if err != nil {
		return nil, 0, err
	}
	defer cmd.end()
	var unread error
	st, err := cmd.run(append(args, ')'), func(r response) bool {
		if r.kind != "METADATA" {
			return false
		}
		some := c.readMetadata()
		if err := c.d.Err(); err != nil {
			unread = fmt.Errorf("imapclient: GETMETADATA: %w", err)
		}
		list = append(list, some...)
		return true
	})
	if err != nil {
		return nil, 0, err
	}
	if n, ok := strings.CutPrefix(st.Args, "LONGENTRIES "); ok && st.Code == imap.CodeMetadata {
		longest, _ = strconv.ParseInt(n, 10, 64)
	}
	return list, longest, unread
}

// SetMetadata sets annotations of a mailbox, of the server for "", all or none; those with None are removed. Errors are a
// *imap.Status with CodeMetadata where there are too many or one is too long (RFC 5464 §4.3). ErrUnsupported: the server has no
// METADATA.
func (c *Client) SetMetadata(ctx context.Context, mailbox string, set ...imap.Annotation) error {
	args, err := c.metadata(mailbox)
	if err != nil {
		return err
	}
	if len(set) == 0 || slices.ContainsFunc(set, func(a imap.Annotation) bool { _, err := imap.ParseEntry(a.Entry); return err != nil }) {
		return ErrArgument
	}
	_, err = c.simple(ctx, "SETMETADATA", imap.AppendAnnotations(append(args, ' '), set))
	return err
}

// metadata returns the first argument of commands about annotations.
func (c *Client) metadata(mailbox string) ([]byte, error) {
	if !c.caps.Has("METADATA") && !(mailbox == "" && c.caps.Has("METADATA-SERVER")) {
		return nil, ErrUnsupported
	}
	if mailbox == "" {
		return []byte(` ""`), nil
	}
	return c.name(mailbox)
}
