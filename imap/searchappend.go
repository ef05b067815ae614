package imap

import (
	"slices"
	"strconv"
	"time"
)

// AppendSearchKeys appends the criteria as search keys (RFC 9051 §6.4.4), ALL for none. Strings that are not ASCII make
// it need CHARSET UTF-8 before it. A system flag that SEARCH has no key for, and a keyword that is no atom, is a
// *SyntaxError, and so is nesting beyond MaxNesting.
func AppendSearchKeys(dst []byte, c *SearchCriteria) ([]byte, error) {
	a := searchAppender{dst: dst, start: len(dst)}
	a.criteria(c, 0)
	return a.dst, a.err
}

type searchAppender struct {
	dst   []byte
	start int
	err   error
}

// key appends a space where one is wanted, and s.
func (a *searchAppender) key(s string) {
	if n := len(a.dst); n > a.start && a.dst[n-1] != '(' {
		a.dst = append(a.dst, ' ')
	}
	a.dst = append(a.dst, s...)
}

func (a *searchAppender) text(key, value string) {
	a.key(key)
	a.dst = AppendAString(append(a.dst, ' '), value)
}

func (a *searchAppender) date(key string, t time.Time) {
	if !t.IsZero() {
		a.key(key)
		a.dst = AppendDate(append(a.dst, ' '), t)
	}
}

func (a *searchAppender) number(key string, n int64) {
	if n > 0 {
		a.key(key)
		a.dst = strconv.AppendInt(append(a.dst, ' '), n, 10)
	}
}

func (a *searchAppender) criteria(c *SearchCriteria, depth int) {
	if depth > MaxNesting && a.err == nil {
		a.err = &LimitError{What: "nesting", Limit: MaxNesting}
	}
	if a.err != nil {
		return
	}
	before := len(a.dst)
	if c.UIDs != nil && len(c.UIDs) == 0 {
		a.key("NOT ALL")
	} else if c.UIDs != nil {
		a.key("UID ")
		a.dst = AppendUIDSet(a.dst, c.UIDs)
	}
	a.flags("", "KEYWORD ", c.Flags)
	a.flags("UN", "UNKEYWORD ", c.NotFlags)
	a.date("SINCE", c.Since)
	a.date("BEFORE", c.Before)
	a.date("SENTSINCE", c.SentSince)
	a.date("SENTBEFORE", c.SentBefore)
	a.date("SAVEDSINCE", c.SavedSince)
	a.date("SAVEDBEFORE", c.SavedBefore)
	a.number("OLDER", int64(c.Older))
	a.number("YOUNGER", int64(c.Younger))
	a.number("LARGER", c.Larger)
	a.number("SMALLER", c.Smaller)
	a.number("MODSEQ", int64(c.ModSeq))
	for _, h := range c.Header {
		a.key("HEADER ")
		a.dst = AppendAString(a.dst, h.Name)
		a.dst = AppendAString(append(a.dst, ' '), h.Value)
	}
	for _, s := range c.Body {
		a.text("BODY", s)
	}
	for _, s := range c.Text {
		a.text("TEXT", s)
	}
	a.id("EMAILID ", c.EmailID)
	a.id("THREADID ", c.ThreadID)
	for i := range c.Other {
		a.other(&c.Other[i])
	}
	for i := range c.Not {
		a.key("NOT ")
		a.group(&c.Not[i], depth+1)
	}
	for i := range c.Fuzzy {
		a.key("FUZZY ")
		a.group(&c.Fuzzy[i], depth+1)
	}
	for i := range c.Or {
		a.key("OR ")
		a.group(&c.Or[i][0], depth+1)
		a.dst = append(a.dst, ' ')
		a.group(&c.Or[i][1], depth+1)
	}
	if len(a.dst) == before {
		a.key("ALL")
	}
}

func (a *searchAppender) group(c *SearchCriteria, depth int) {
	a.dst = append(a.dst, '(')
	a.criteria(c, depth)
	a.dst = append(a.dst, ')')
}

func (a *searchAppender) flags(un, keyword string, flags []Flag) {
	for _, f := range flags {
		switch {
		case isSystemFlag(f):
			a.key(un + upper([]byte(f[1:])))
		case f.Valid() && f[0] != '\\':
			a.key(keyword + string(f))
		case a.err == nil:
			a.err = &SyntaxError{Want: "a flag that SEARCH knows"}
		}
	}
}

func isSystemFlag(f Flag) bool {
	return slices.ContainsFunc(SystemFlags(), f.Equal)
}

func (a *searchAppender) id(key, id string) {
	if id == "" {
		return
	}
	for i := range len(id) {
		if !isAtomChar(id[i]) && a.err == nil {
			a.err = &SyntaxError{Want: "an id"}
		}
	}
	a.key(key + id)
}

// Valid reports whether f can be written as a flag: an atom, perhaps behind a backslash.
func (f Flag) Valid() bool {
	s := f
	if len(s) > 0 && s[0] == '\\' {
		s = s[1:]
	}
	for i := range len(s) {
		if !isAtomChar(s[i]) {
			return false
		}
	}
	return len(s) > 0
}
