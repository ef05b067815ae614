package imapclient

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/mailbricks/mailbricks/imap"
)

// A MailboxResult is what MultiSearch has found in one mailbox.
type MailboxResult struct {
	Mailbox     string
	UIDValidity uint32
	UIDs        imap.UIDSet // at least one
}

// MultiSearch yields the mailboxes of sources in which messages match, without selecting any (RFC 7377). Mailboxes that are not
// there, or cannot be read, are left out. A result that is against the grammar is a nil MailboxResult with a *imap.SyntaxError or
// *imap.LimitError, after which the loop may go on; it may be left at any time. The last error may be an *Error with imap.CodeLimit
// or imap.CodeMessageLimit: then the server has searched too few mailboxes, or none. ErrUnsupported: the server has no MULTISEARCH.
func (c *Client) MultiSearch(ctx context.Context, sources []imap.SearchSource, criteria *imap.SearchCriteria) iter.Seq2[*MailboxResult, error] {
	return func(yield func(*MailboxResult, error) bool) {
		args, err := c.multiSearchArgs(sources, criteria)
		if err != nil {
			yield(nil, err)
			return
		}
		cmd, err := c.begin(ctx, "ESEARCH")
		if err != nil {
			yield(nil, err)
			return
		}
		defer cmd.end()
		left := false
		st, err := cmd.run(args, func(r response) bool {
			if r.kind != "ESEARCH" {
				return false
			}
			_ = c.d.Keyword()
			data := c.d.ESearchData(c.inUTF8())
			var found *MailboxResult
			err := c.d.Err()
			switch {
			case err != nil:
				err = fmt.Errorf("imapclient: ESEARCH: %w", err)
			case data.Tag != cmd.tag:
				c.updateContext(data)
				return true
			case len(data.All) == 0:
				return true
			default:
				found = &MailboxResult{Mailbox: data.Mailbox, UIDValidity: data.UIDValidity, UIDs: data.All}
			}
			if !left && c.err == nil && !cmd.pause(func() bool { return yield(found, err) }) {
				left = true
				cmd.abandon()
			}
			return true
		})
		if err == nil && st.Code == imap.CodeLimit { // RFC 7377 §2.4
			err = &Error{"ESEARCH", st}
		}
		if err == nil {
			err = cmd.whole()
		}
		if err != nil && !left {
			yield(nil, err)
		}
	}
}

func (c *Client) multiSearchArgs(sources []imap.SearchSource, criteria *imap.SearchCriteria) ([]byte, error) {
	if !c.caps.Has("MULTISEARCH") {
		return nil, ErrUnsupported
	}
	if len(sources) == 0 {
		return nil, ErrArgument
	}
	for i := range sources {
		s := &sources[i]
		if !imap.Flag(s.Filter).Valid() || s.Filter[0] == '\\' || s.Named() != (len(s.Mailboxes) > 0) {
			return nil, ErrArgument
		}
		for _, name := range s.Mailboxes {
			if name == "" || strings.IndexByte(name, 0) >= 0 {
				return nil, ErrArgument
			}
		}
	}
	keys, err := c.searchArgs(criteria)
	if err != nil {
		return nil, err
	}
	args := imap.AppendSearchSources([]byte(" IN "), sources, c.inUTF8())
	return append(append(args, " RETURN (ALL)"...), keys...), nil
}
