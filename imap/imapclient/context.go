package imapclient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailbricks/mailbricks/imap"
)

// ErrContextOver says that a SearchContext has been cancelled, or that its mailbox is no longer selected.
var ErrContextOver = errors.New("imapclient: the search is no longer kept up to date")

// A SearchContext is what a search has found in the selected mailbox, as the server keeps it up to date (RFC 5267): with each
// response that the Client reads, during Idle as it happens. Every change is an EventContext.
type SearchContext struct {
	c     *Client
	tag   string
	sort  bool
	set   imap.UIDSet
	order []imap.UID // of SortContext
	err   error
}

// UIDs returns the messages that match.
func (s *SearchContext) UIDs() imap.UIDSet {
	if s.sort {
		return imap.UIDs(s.order...)
	}
	return s.set
}

// Order returns the messages of a SortContext in their order, and those of another by UID. With Limits.Results in mind, for a
// search can have found 2^32.
func (s *SearchContext) Order() []imap.UID {
	if s.sort {
		return slices.Clone(s.order)
	}
	return slices.Collect(s.set.All())
}

// Err returns nil while the results are kept up to date, and else why they are not: ErrContextOver; an *Error with
// imap.CodeNoUpdate where the server has too many contexts, or cannot follow this search; a *imap.SyntaxError or *imap.LimitError
// for an update that cannot be applied; or what the connection was lost by. The results stay as they were last.
func (s *SearchContext) Err() error {
	if s.err == nil {
		return s.c.err
	}
	return s.err
}

// Cancel ends the updates. It is not needed before another mailbox is selected.
func (s *SearchContext) Cancel(ctx context.Context) error {
	if s.err != nil {
		return nil
	}
	args := imap.AppendQuoted([]byte{' '}, s.tag)
	_, err := s.c.simple(ctx, "CANCELUPDATE", args)
	if err == nil {
		s.end(ErrContextOver)
	}
	return err
}

func (s *SearchContext) end(err error) {
	s.err = err
	delete(s.c.contexts, s.tag)
}

// SearchContext is Search with results that are kept up to date from then on. A set of UIDs in the criteria that ends in
// imap.MaxUID stays open for new messages. Where the server does not keep them up to date, Err of the result says so, and the result is
// that of Search. ErrUnsupported: the server has no CONTEXT=SEARCH.
func (c *Client) SearchContext(ctx context.Context, criteria *imap.SearchCriteria) (*SearchContext, error) {
	if !c.caps.Has("CONTEXT=SEARCH") {
		return nil, ErrUnsupported
	}
	args, err := c.searchArgs(criteria)
	if err != nil {
		return nil, err
	}
	return c.searchContext(ctx, "UID SEARCH", args, false)
}

// SortContext is Sort with results that are kept up to date, as SearchContext has them. ErrUnsupported: the server has no
// CONTEXT=SORT, or does not sort by these keys. More than Limits.Results messages are a *imap.LimitError.
func (c *Client) SortContext(ctx context.Context, keys []imap.SortKey, criteria *imap.SearchCriteria) (*SearchContext, error) {
	if !c.caps.Has("CONTEXT=SORT") {
		return nil, ErrUnsupported
	}
	args, err := c.sortArgs(keys, criteria)
	if err != nil {
		return nil, err
	}
	return c.searchContext(ctx, "UID SORT", args, true)
}

func (c *Client) searchContext(ctx context.Context, name string, args []byte, sort bool) (*SearchContext, error) {
	cmd, err := c.begin(ctx, name)
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	s := &SearchContext{c: c, tag: cmd.tag, sort: sort}
	if c.contexts == nil {
		c.contexts = map[string]*SearchContext{}
	}
	c.contexts[s.tag] = s
	err = c.esearch(cmd, append([]byte(" RETURN (ALL UPDATE CONTEXT)"), args...), func(data *imap.SearchData) error {
		if s.set = data.All; !sort {
			return nil
		}
		var err error
		s.order, err = data.Ordered.Numbers(c.o.Limits.Results)
		return err
	})
	if err != nil {
		s.end(err)
		return nil, err
	}
	return s, nil
}

// esearch runs a search that is answered by ESEARCH. found is given what is the answer to it.
func (c *Client) esearch(cmd *command, args []byte, found func(*imap.SearchData) error) error {
	var unread error
	_, err := cmd.run(args, func(r response) bool {
		if r.kind != "ESEARCH" {
			return false
		}
		_ = c.d.Keyword()
		data := c.d.ESearchData(c.inUTF8())
		err := c.d.Err()
		switch {
		case err != nil:
		case data.Tag != cmd.tag || len(data.Updates) > 0:
			c.updateContext(data)
		default:
			err = found(data)
		}
		if err != nil && unread == nil {
			unread = fmt.Errorf("imapclient: %s: %w", cmd.name, err)
		}
		return true
	})
	if err == nil {
		err = cmd.whole()
	}
	if err != nil {
		return err
	}
	return unread
}

// updateContext takes in ADDTO and REMOVEFROM.
func (c *Client) updateContext(data *imap.SearchData) {
	s := c.contexts[data.Tag]
	if s == nil || len(data.Updates) == 0 {
		return
	}
	for i := range data.Updates {
		u := &data.Updates[i]
		if !s.sort {
			s.set = u.ApplySet(s.set)
			continue
		}
		var err error
		order, err := u.Apply(s.order, c.o.Limits.Results)
		if err != nil {
			s.end(fmt.Errorf("imapclient: ESEARCH: %w", err))
			break
		}
		s.order = order
	}
	c.event(Event{Kind: EventContext, Context: s, Updates: data.Updates})
}

// noUpdate takes in NOUPDATE, whose argument is the tag of a search.
func (c *Client) noUpdate(st *imap.Status) {
	d := decoder(st.Args)
	if d.Next() != nil {
		return
	}
	s := c.contexts[d.Astring()]
	if s == nil || d.Err() != nil {
		return
	}
	name := "UID SEARCH"
	if s.sort {
		name = "UID SORT"
	}
	s.end(&Error{name, st})
	c.event(Event{Kind: EventContext, Context: s})
}

// endContexts ends what is kept up to date in a mailbox that is left.
func (c *Client) endContexts() {
	for _, s := range c.contexts {
		s.end(ErrContextOver)
	}
}
