package imap

import (
	"bufio"
	"bytes"
	"errors"
)

// An OtherKey is a search key that this package does not know: SearchNumbers.Other reads it, AppendSearchKeys writes it, and a
// Matcher asks its Match.
type OtherKey struct {
	Name string // in upper case
	// Args are its arguments as they are on the wire, with literals written as AppendLiteral does; "": it has none.
	Args string
	// Fields are those of a Message that Match looks at.
	Fields Fields
	// Match tests a message. It is nil in criteria that are only written.
	Match func(m *Message, text SearchText) (bool, error)
}

// ErrNoMatch says that criteria hold an OtherKey without Match.
var ErrNoMatch = errors.New("imap: a search key that nobody can test")

func (k *OtherKey) match(m *Message, text SearchText) (bool, error) {
	if k.Match == nil {
		return false, ErrNoMatch
	}
	return k.Match(m, text)
}

func (a *searchAppender) other(k *OtherKey) {
	if (!Flag(k.Name).Valid() || k.Name[0] == '\\' || !ValidLine([]byte(k.Args))) && a.err == nil {
		a.err = &SyntaxError{Want: "a search key and its arguments"}
	}
	a.key(k.Name)
	if k.Args != "" {
		a.dst = append(append(a.dst, ' '), k.Args...)
	}
}

// Indexable returns criteria that every message which matches c matches too, without what this package does not know: what a
// Searcher can be asked. It is false if that is not c itself.
func (c *SearchCriteria) Indexable() (*SearchCriteria, bool) {
	if !c.hasOther() {
		return c, true
	}
	out := *c
	out.Other, out.Not, out.Or, out.Fuzzy = nil, nil, nil, nil
	for i := range c.Not { // less asked within is more left out
		if !c.Not[i].hasOther() {
			out.Not = append(out.Not, c.Not[i])
		}
	}
	for i := range c.Fuzzy {
		if !c.Fuzzy[i].hasOther() {
			out.Fuzzy = append(out.Fuzzy, c.Fuzzy[i])
		}
	}
	for i := range c.Or {
		if !c.Or[i][0].hasOther() && !c.Or[i][1].hasOther() {
			out.Or = append(out.Or, c.Or[i])
		}
	}
	return &out, false
}

func (c *SearchCriteria) hasOther() bool {
	if len(c.Other) > 0 {
		return true
	}
	for i := range c.Not {
		if c.Not[i].hasOther() {
			return true
		}
	}
	for i := range c.Fuzzy {
		if c.Fuzzy[i].hasOther() {
			return true
		}
	}
	for i := range c.Or {
		if c.Or[i][0].hasOther() || c.Or[i][1].hasOther() {
			return true
		}
	}
	return false
}

// ValidLine reports whether b can stand within one command or response: line ends and NUL are in literals alone, and these are
// whole.
func ValidLine(b []byte) bool {
	for {
		i := bytes.IndexAny(b, "\r\n\x00")
		if i < 0 {
			return true
		}
		if b[i] != '\r' || i+1 >= len(b) || b[i+1] != '\n' {
			return false
		}
		l, ok := literalAt(b[:i], true)
		if !ok || l.Size > int64(len(b)-i-2) {
			return false
		}
		b = b[i+2+int(l.Size):]
	}
}

// nothing is a Decoder with an empty line: keys and items that it is asked for fail for want of arguments, if at all.
func nothing() *Decoder {
	return NewDecoder(bufio.NewReader(bytes.NewReader(nil)), DecoderOptions{})
}

// KnownSearchKey reports whether SearchKeys reads the key of itself. name is in upper case.
func KnownSearchKey(name string) bool {
	var c SearchCriteria
	p := searchParser{d: nothing(), n: SearchNumbers{Fuzzy: true}}
	return c.flagKey(name) || p.textKey(&c, name) || p.otherKey(&c, name, 0)
}

// Known reports whether FetchItems reads the item of itself, with a section or without, or as a macro.
func (a FetchAtt) Known() bool {
	switch a {
	case "ALL", "FAST", "FULL", "BODY.PEEK", "BINARY", "BINARY.PEEK", "BINARY.SIZE":
		return true
	}
	return nothing().fetchItem(string(a), nil).Att != ""
}
