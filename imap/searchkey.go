package imap

import (
	"slices"
	"strings"
	"time"
)

// SearchNumbers says what the numbers in search keys mean in a session. Each function may be nil, and nothing is meant
// then.
type SearchNumbers struct {
	Sequence func(SequenceSet) (UIDSet, error)
	UID      func(SequenceSet) UIDSet
	Saved    func() UIDSet // $ (RFC 9051 §6.4.4.1)
	// Fuzzy is whether FUZZY is a key (RFC 6203).
	Fuzzy bool
	// Later, if not nil, takes the place of Sequence, and of UID for sets with "*" in them: for numbers that mean something else in
	// each mailbox that is searched.
	Later func(set SequenceSet, uid bool) OtherKey
	// Other reads the arguments of a key that this package does not know, the space before them included. It is false for one that
	// is not known there either.
	Other func(d *Decoder, name string) (OtherKey, bool)
}

// SearchKeys reads search keys to the end of the line: what follows SEARCH, its RETURN and its CHARSET (RFC 9051
// §6.4.4). Keys are joined where they can be: two of SINCE are the later one. Deeper than MaxNesting is a *LimitError.
func (d *Decoder) SearchKeys(n SearchNumbers) SearchCriteria {
	var c SearchCriteria
	p := searchParser{d: d, n: n}
	p.key(&c, 0)
	for d.Accept(' ') {
		p.key(&c, 0)
	}
	d.EOL()
	return c
}

// MaxSearchKeys is how many keys one SEARCH has at most.
const MaxSearchKeys = 1000

// MaxFuzzyKeys is how many of them are FUZZY, each of which may have all messages read; those within another do not count.
const MaxFuzzyKeys = 10

type searchParser struct {
	d    *Decoder
	n    SearchNumbers
	keys int
	// fuzzies counts FUZZY.
	fuzzies int
	// fuzzy: the key is part of one that FUZZY is before.
	fuzzy bool
}

// key reads one search-key and adds it to c.
func (p *searchParser) key(c *SearchCriteria, depth int) {
	d := p.d
	if depth > MaxNesting {
		d.Fail(&LimitError{What: "nesting", Limit: MaxNesting})
	}
	if p.keys++; p.keys > MaxSearchKeys {
		d.Fail(&LimitError{What: "search keys", Limit: MaxSearchKeys})
	}
	if d.err != nil {
		return
	}
	switch b := d.Peek(); {
	case b == '(':
		d.pos++
		p.key(c, depth+1)
		for d.Accept(' ') {
			p.key(c, depth+1)
		}
		d.Expect(')')
		return
	case b == '$':
		d.pos++
		p.uids(c, p.saved())
		return
	case b == '*' || '0' <= b && b <= '9':
		set := d.SequenceSet()
		if d.err == nil && p.n.Later != nil {
			c.Other = append(c.Other, p.n.Later(set, false))
			return
		}
		if d.err != nil || p.n.Sequence == nil {
			p.uids(c, nil)
			return
		}
		uids, err := p.n.Sequence(set)
		if err != nil {
			d.Fail(err)
		}
		p.uids(c, uids)
		return
	}
	name := d.Keyword()
	if d.err != nil || c.flagKey(name) || p.textKey(c, name) || p.otherKey(c, name, depth) {
		return
	}
	if p.n.Other != nil {
		if k, ok := p.n.Other(d, name); ok {
			c.Other = append(c.Other, k)
			return
		}
	}
	d.Want("a search key")
}

func (p *searchParser) saved() UIDSet {
	if p.n.Saved == nil {
		return nil
	}
	return p.n.Saved()
}

// uids leaves in c only the messages of the set.
func (p *searchParser) uids(c *SearchCriteria, set UIDSet) {
	if c.UIDs != nil {
		set = c.UIDs.Intersect(set)
	}
	if set == nil {
		set = UIDSet{} // none; nil is any
	}
	c.UIDs = set
}

// flagKey adds a key that is about a system flag, or about none.
func (c *SearchCriteria) flagKey(name string) bool {
	switch name {
	case "ALL", "OLD", "SAVEDATESUPPORTED": // nothing is \Recent here
	case "NEW", "RECENT":
		c.UIDs = UIDSet{}
	case "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN":
		c.Flags = append(c.Flags, systemFlag(name))
	case "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN":
		c.NotFlags = append(c.NotFlags, systemFlag(name[2:]))
	default:
		return false
	}
	return true
}

func systemFlag(name string) Flag { return Flag(`\` + name[:1] + strings.ToLower(name[1:])) }

// textKey adds a key that is about text.
func (p *searchParser) textKey(c *SearchCriteria, name string) bool {
	d := p.d
	switch name {
	case "BCC", "CC", "FROM", "SUBJECT", "TO":
		d.SP()
		c.Header = append(c.Header, HeaderCriterion{name[:1] + strings.ToLower(name[1:]), d.Astring()})
	case "HEADER":
		d.SP()
		field := d.Astring()
		d.SP()
		c.Header = append(c.Header, HeaderCriterion{field, d.Astring()})
	case "BODY":
		d.SP()
		c.Body = append(c.Body, d.Astring())
	case "TEXT":
		d.SP()
		c.Text = append(c.Text, d.Astring())
	case "KEYWORD":
		d.SP()
		c.Flags = append(c.Flags, Flag(d.Atom()))
	case "UNKEYWORD":
		d.SP()
		c.NotFlags = append(c.NotFlags, Flag(d.Atom()))
	case "EMAILID", "THREADID":
		d.SP()
		p.id(c, name, d.Atom())
	default:
		return false
	}
	return true
}

// id adds EMAILID or THREADID; two different ones match nothing.
func (p *searchParser) id(c *SearchCriteria, name, id string) {
	s := &c.EmailID
	if name == "THREADID" {
		s = &c.ThreadID
	}
	if *s != "" && *s != id {
		p.uids(c, nil)
	}
	*s = id
}

// otherKey adds a key about dates, sizes or numbers, or one that is made of others.
func (p *searchParser) otherKey(c *SearchCriteria, name string, depth int) bool {
	d := p.d
	switch name {
	case "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE":
		d.SP()
		c.date(name, d.Date())
	case "OLDER": // RFC 5032
		d.SP()
		c.Older = max(c.Older, d.NzNumber())
	case "YOUNGER":
		d.SP()
		if n := d.NzNumber(); c.Younger == 0 || n < c.Younger {
			c.Younger = n
		}
	case "LARGER":
		d.SP()
		if n := d.Number64(); n == 0 {
			c.Not = append(c.Not, SearchCriteria{Smaller: 1})
		} else {
			c.Larger = max(c.Larger, n)
		}
	case "SMALLER":
		d.SP()
		if n := d.Number64(); n == 0 {
			p.uids(c, nil)
		} else if c.Smaller == 0 || n < c.Smaller {
			c.Smaller = n
		}
	case "MODSEQ": // RFC 7162 §3.1.5
		d.SP()
		if d.Peek() == '"' {
			d.Quoted()
			d.SP()
			if k := d.Keyword(); k != "PRIV" && k != "SHARED" && k != "ALL" {
				d.Want("priv, shared or all")
			}
			d.SP()
		}
		c.ModSeq = max(c.ModSeq, ModSeq(d.Number64()), 1)
	case "NOT":
		d.SP()
		var not SearchCriteria
		p.key(&not, depth+1)
		c.Not = append(c.Not, not)
	case "FUZZY":
		if !p.n.Fuzzy {
			return false
		}
		d.SP()
		if p.fuzzy {
			p.key(c, depth+1)
			break
		}
		if p.fuzzies++; p.fuzzies > MaxFuzzyKeys {
			d.Fail(&LimitError{What: "FUZZY keys", Limit: MaxFuzzyKeys})
		}
		var fuzzy SearchCriteria
		p.fuzzy = true
		p.key(&fuzzy, depth+1)
		p.fuzzy = false
		c.Fuzzy = append(c.Fuzzy, fuzzy)
	case "OR":
		var or [2]SearchCriteria
		for i := range or {
			d.SP()
			p.key(&or[i], depth+1)
		}
		c.Or = append(c.Or, or)
	default:
		return p.uidKey(c, name)
	}
	return true
}

// uidKey adds a key about UIDs.
func (p *searchParser) uidKey(c *SearchCriteria, name string) bool {
	d := p.d
	switch name {
	case "UID":
		d.SP()
		if d.Accept('$') {
			p.uids(c, p.saved())
		} else if set := d.SequenceSet(); p.n.Later != nil {
			if star := slices.ContainsFunc(set, func(r SequenceRange) bool { return r.First == 0 || r.Last == 0 }); star {
				c.Other = append(c.Other, p.n.Later(set, true))
			} else {
				p.uids(c, set.Resolve(0))
			}
		} else if p.n.UID != nil {
			p.uids(c, p.n.UID(set))
		} else {
			p.uids(c, nil)
		}
	case "UIDAFTER", "UIDBEFORE": // RFC 9738 §3.2
		d.SP()
		n := UID(d.NzNumber())
		switch {
		case name == "UIDBEFORE" && n > 1:
			p.uids(c, UIDSet{{First: 1, Last: n - 1}})
		case name == "UIDAFTER" && n < MaxUID:
			p.uids(c, UIDSet{{First: n + 1, Last: MaxUID}})
		default:
			p.uids(c, nil)
		}
	default:
		return false
	}
	return true
}

// date narrows a range of days: Since is its first day, Before the day after its last.
func (c *SearchCriteria) date(name string, day time.Time) {
	since, before := &c.Since, &c.Before
	if rest, ok := strings.CutPrefix(name, "SENT"); ok {
		name, since, before = rest, &c.SentSince, &c.SentBefore
	} else if rest, ok := strings.CutPrefix(name, "SAVED"); ok {
		name, since, before = rest, &c.SavedSince, &c.SavedBefore
	}
	if name != "BEFORE" && day.After(*since) {
		*since = day
	}
	if name != "SINCE" {
		if name == "ON" {
			day = day.AddDate(0, 0, 1)
		}
		if before.IsZero() || day.Before(*before) {
			*before = day
		}
	}
}
