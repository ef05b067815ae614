package imapclient

import (
	"context"
	"fmt"

	"github.com/mailbricks/mailbricks/imap"
)

func (c *Client) searchKeys(criteria *imap.SearchCriteria) ([]byte, error) {
	if criteria.UsesFuzzy() && !c.caps.Has("SEARCH=FUZZY") {
		return nil, ErrUnsupported
	}
	keys, err := imap.AppendSearchKeys(nil, criteria)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	return keys, nil
}

// Search returns the UIDs of the messages that match. ErrUnsupported: the criteria have Fuzzy, the server has not. An answer against the grammar is a *imap.SyntaxError or
// *imap.LimitError, after which the connection is as good as before.
func (c *Client) Search(ctx context.Context, criteria *imap.SearchCriteria) (imap.UIDSet, error) {
	returns := ""
	if c.caps.Has("ESEARCH") || c.rev2() {
		returns = " RETURN (ALL)"
	}
	return c.searchAll(ctx, returns, criteria, nil)
}

// SearchFuzzy is Search, of criteria with Fuzzy, that tells how relevant each message is (RFC 6203). The order is that of the UIDs; Sort
// with imap.SortRelevancy has the most relevant first. ErrUnsupported: the server has no SEARCH=FUZZY, or no ESEARCH. A server
// need not tell: Relevancy is 0 then.
func (c *Client) SearchFuzzy(ctx context.Context, criteria *imap.SearchCriteria) ([]imap.FuzzyMatch, error) {
	switch {
	case !c.caps.Has("SEARCH=FUZZY") || !c.caps.Has("ESEARCH") && !c.rev2():
		return nil, ErrUnsupported
	case !criteria.UsesFuzzy():
		return nil, ErrArgument
	}
	var scores []int
	found, err := c.searchAll(ctx, " RETURN (ALL RELEVANCY)", criteria, &scores)
	if err != nil {
		return nil, err
	}
	if n := found.Len(); len(scores) > 0 && n != int64(len(scores)) {
		return nil, fmt.Errorf("imapclient: UID SEARCH: %w", &imap.SyntaxError{Want: fmt.Sprintf("%d relevancies", n)})
	}
	var out []imap.FuzzyMatch
	for u := range found.All() {
		m := imap.FuzzyMatch{UID: u}
		if len(scores) > 0 {
			m.Relevancy = scores[len(out)]
		}
		out = append(out, m)
	}
	return out, nil
}

// searchAll is search, again and again where the server's limit makes it search part of the messages.
func (c *Client) searchAll(ctx context.Context, returns string, criteria *imap.SearchCriteria, scores *[]int) (imap.UIDSet, error) {
	var found imap.UIDSet
	part := *criteria
	uids := criteria.UIDs
	if uids == nil {
		uids = imap.AllUIDs()
	}
	err := c.all(uids, func(uids imap.UIDSet) (*command, error) {
		if uids.Len() < imap.AllUIDs().Len() {
			part.UIDs = uids
		}
		var lower []int
		cmd, some, err := c.search(ctx, returns, &part, &lower)
		found = found.Union(some)
		if scores != nil {
			*scores = append(lower, *scores...)
		}
		return cmd, err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// SearchPartial is Search for a window on the messages that match, the last 50 for example (RFC 9394). ErrUnsupported: the
// server has no PARTIAL, nor CONTEXT=SEARCH, which is enough for windows from the first one on.
func (c *Client) SearchPartial(ctx context.Context, window imap.PartialRange, criteria *imap.SearchCriteria) (imap.UIDSet, error) {
	switch {
	case window.First == 0 || window.Last == 0:
		return nil, ErrArgument
	case !c.caps.Has("PARTIAL") && (window.FromEnd || !c.caps.Has("CONTEXT=SEARCH")):
		return nil, ErrUnsupported
	}
	cmd, found, err := c.search(ctx, string(imap.AppendPartialRange([]byte(" RETURN (PARTIAL "), window))+")", criteria, nil)
	if err == nil {
		err = cmd.whole()
	}
	return found, err
}

// searchArgs returns the arguments of SEARCH behind RETURN.
func (c *Client) searchArgs(criteria *imap.SearchCriteria) ([]byte, error) {
	keys, err := c.searchKeys(criteria)
	if err != nil {
		return nil, err
	}
	args := []byte{' '}
	for _, b := range keys {
		if b >= 0x80 && !c.inUTF8() { // RFC 9755 §3 has no CHARSET once UTF-8 is enabled
			args = append(args, "CHARSET UTF-8 "...)
			break
		}
	}
	return append(args, keys...), nil
}

// search also adds to scores, if that is not nil, the relevancies of what it returns.
func (c *Client) search(ctx context.Context, returns string, criteria *imap.SearchCriteria, scores *[]int) (*command, imap.UIDSet, error) {
	args, err := c.searchArgs(criteria)
	if err != nil {
		return nil, nil, err
	}
	cmd, err := c.begin(ctx, "UID SEARCH")
	if err != nil {
		return nil, nil, err
	}
	defer cmd.end()
	var found imap.UIDSet
	var unread error
	_, err = cmd.run(append([]byte(returns), args...), func(r response) bool {
		var s *imap.SearchData
		switch r.kind {
		case "SEARCH":
			_ = c.d.Keyword()
			s = c.d.SearchData()
		case "ESEARCH":
			_ = c.d.Keyword()
			s = c.d.ESearchData(c.inUTF8())
		default:
			return false
		}
		if err := c.d.Err(); err != nil {
			unread = fmt.Errorf("imapclient: UID SEARCH: %w", err)
		} else if s.Tag == "" || s.Tag == cmd.tag {
			found = found.Union(s.All).Union(s.PartialSet)
			if scores != nil {
				*scores = append(*scores, s.Relevancy...)
			}
		} else {
			c.updateContext(s)
		}
		return true
	})
	switch {
	case err != nil:
		return nil, nil, err
	case unread != nil:
		return nil, nil, unread
	}
	return cmd, found, nil
}

// Sort returns the UIDs of the messages that match, in the order of keys (RFC 5256, and RFC 5957 for SortDisplayFrom and
// SortDisplayTo; SortRelevancy, of criteria with Fuzzy, is that of RFC 6203). ErrUnsupported: the server has no SORT, or not with these keys. An answer against the grammar is an error
// as for Search.
func (c *Client) Sort(ctx context.Context, keys []imap.SortKey, criteria *imap.SearchCriteria) ([]imap.UID, error) {
	args, err := c.sortArgs(keys, criteria)
	if err != nil {
		return nil, err
	}
	var out []imap.UID
	err = c.ordered(ctx, "SORT", args, func() {
		out = append(out, c.d.SortData()...)
	})
	return out, err
}

// SortPartial is Sort for a window on the messages that match, the first 50 in order for example (RFC 5267 §4.4). ErrUnsupported: the
// server has no CONTEXT=SORT, or not these keys, or no windows from the end (PARTIAL).
func (c *Client) SortPartial(ctx context.Context, window imap.PartialRange, keys []imap.SortKey, criteria *imap.SearchCriteria) ([]imap.UID, error) {
	switch {
	case window.First == 0 || window.Last == 0:
		return nil, ErrArgument
	case !c.caps.Has("CONTEXT=SORT") || window.FromEnd && !c.caps.Has("PARTIAL"):
		return nil, ErrUnsupported
	}
	args, err := c.sortArgs(keys, criteria)
	if err != nil {
		return nil, err
	}
	cmd, err := c.begin(ctx, "UID SORT")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var out []imap.UID
	args = append(append(imap.AppendPartialRange([]byte(" RETURN (PARTIAL "), window), ')'), args...)
	err = c.esearch(cmd, args, func(data *imap.SearchData) (err error) {
		out, err = data.Ordered.Numbers(c.o.Limits.Results)
		return err
	})
	return out, err
}

// sortArgs returns the arguments of SORT behind RETURN.
func (c *Client) sortArgs(keys []imap.SortKey, criteria *imap.SearchCriteria) ([]byte, error) {
	if len(keys) == 0 {
		return nil, ErrArgument
	}
	for _, k := range keys {
		display := k.Key == imap.SortDisplayFrom || k.Key == imap.SortDisplayTo
		relevancy := k.Key == imap.SortRelevancy
		if !c.caps.Has("SORT") || display && !c.caps.Has("SORT=DISPLAY") || relevancy && !c.caps.Has("SEARCH=FUZZY") {
			return nil, ErrUnsupported
		}
		if relevancy && !criteria.UsesFuzzy() { // RFC 6203 §6
			return nil, ErrArgument
		}
		if !k.Key.Valid() {
			return nil, ErrArgument
		}
	}
	search, err := c.searchKeys(criteria)
	if err != nil {
		return nil, err
	}
	return append(append(imap.AppendSortKeys([]byte{' '}, keys), " UTF-8 "...), search...), nil
}

// Thread returns the messages that match, by UID, in threads (RFC 5256). ErrUnsupported: the server does not have the
// algorithm. An answer against the grammar is an error as for Search.
func (c *Client) Thread(ctx context.Context, algorithm imap.ThreadAlgorithm, criteria *imap.SearchCriteria) ([]imap.Thread, error) {
	if !c.caps.Has("THREAD=" + string(algorithm)) {
		return nil, ErrUnsupported
	}
	keys, err := c.searchKeys(criteria)
	if err != nil {
		return nil, err
	}
	var out []imap.Thread
	err = c.ordered(ctx, "THREAD", append([]byte(" "+string(algorithm)+" UTF-8 "), keys...), func() {
		out = append(out, c.d.Threads()...)
	})
	return out, err
}

// ordered runs SORT or THREAD. read reads its response behind the keyword.
func (c *Client) ordered(ctx context.Context, name string, args []byte, read func()) error {
	cmd, err := c.begin(ctx, "UID "+name)
	if err != nil {
		return err
	}
	defer cmd.end()
	var unread error
	_, err = cmd.run(args, func(r response) bool {
		if r.kind != name {
			return false
		}
		_ = c.d.Keyword()
		read()
		if err := c.d.Err(); err != nil {
			unread = fmt.Errorf("imapclient: UID %s: %w", name, err)
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

// UIDBatches returns ranges of UIDs that hold size messages each at most, of which the first has the newest (RFC 10022): batches
// first to last, counted from 1, or all of them with 0, 0. A size below imap.MinUIDBatch is refused. Ask again only when half a
// batch has come or gone. ErrUnsupported: the server does not offer it.
func (c *Client) UIDBatches(ctx context.Context, size, first, last uint32) ([]imap.UIDRange, error) {
	all := first == 0 && last == 0
	switch {
	case !c.caps.Has("UIDBATCHES"):
		return nil, ErrUnsupported
	case size == 0 || !all && (first == 0 || first > last):
		return nil, ErrArgument
	}
	args := fmt.Sprintf(" %d", size)
	if !all {
		args += fmt.Sprintf(" %d:%d", first, last)
	}
	cmd, err := c.begin(ctx, "UIDBATCHES")
	if err != nil {
		return nil, err
	}
	defer cmd.end()
	var out []imap.UIDRange
	var unread error
	_, err = cmd.run([]byte(args), func(r response) bool {
		if r.kind != "UIDBATCHES" {
			return false
		}
		_ = c.d.Keyword()
		tag, batches := c.d.UIDBatches()
		if err := c.d.Err(); err != nil {
			unread = fmt.Errorf("imapclient: UIDBATCHES: %w", err)
		} else if tag == cmd.tag {
			out = append(out, batches...)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, unread
}
