package imap

import (
	"cmp"
	"slices"
	"strings"
)

// Rights is a set of rights to a mailbox (RFC 4314 §2.1): a bit for each lower-case letter and, above them, for each digit.
type Rights uint64

// Standard rights (RFC 4314 §2.1).
const (
	RightLookup         Rights = 1 << ('l' - 'a') // LIST, SUBSCRIBE
	RightRead           Rights = 1 << ('r' - 'a') // SELECT, STATUS
	RightSeen           Rights = 1 << ('s' - 'a') // \Seen
	RightWrite          Rights = 1 << ('w' - 'a') // flags other than \Seen and \Deleted
	RightInsert         Rights = 1 << ('i' - 'a') // APPEND, and COPY into it
	RightPost           Rights = 1 << ('p' - 'a') // mail to the mailbox's address
	RightCreate         Rights = 1 << ('k' - 'a') // mailboxes below
	RightDelete         Rights = 1 << ('x' - 'a') // DELETE, and RENAME of it
	RightDeleteMessages Rights = 1 << ('t' - 'a') // \Deleted
	RightExpunge        Rights = 1 << ('e' - 'a') // EXPUNGE, and CLOSE with it
	RightAdminister     Rights = 1                // SETACL, DELETEACL, GETACL, LISTRIGHTS

	// AllRights are those above.
	AllRights = RightLookup | RightRead | RightSeen | RightWrite | RightInsert | RightPost | RightCreate | RightDelete |
		RightDeleteMessages | RightExpunge | RightAdminister
	// FlagRights are those that flags take: see Flag.Right.
	FlagRights = RightSeen | RightWrite | RightDeleteMessages

	// RightsObsolete are "c" and "d" of RFC 2086, which stand for several others (RFC 4314 §2.1.1).
	RightsObsolete = rightCreates | rightDeletes
	rightCreates   = Rights(1 << ('c' - 'a')) // k and x
	rightDeletes   = Rights(1 << ('d' - 'a')) // t and e
)

// rightsInOrder are the letters and digits of rights as String has them.
const rightsInOrder = "lrswipkxteacdbfghjmnoquvyz0123456789"

func right(c byte) Rights {
	switch {
	case c >= 'a' && c <= 'z':
		return 1 << (c - 'a')
	case c >= '0' && c <= '9':
		return 1 << (26 + c - '0')
	}
	return 0
}

// Has reports whether every right of r2 is in r.
func (r Rights) Has(r2 Rights) bool { return r&r2 == r2 }

// Each returns the rights one by one, in the order of String.
func (r Rights) Each() []Rights {
	var out []Rights
	for i := range len(rightsInOrder) {
		if one := right(rightsInOrder[i]); r.Has(one) {
			out = append(out, one)
		}
	}
	return out
}

// Current returns the rights with what the obsolete ones among them stand for in their place.
func (r Rights) Current() Rights {
	if r.Has(rightCreates) {
		r |= RightCreate | RightDelete
	}
	if r.Has(rightDeletes) {
		r |= RightDeleteMessages | RightExpunge
	}
	return r &^ RightsObsolete
}

// WithObsolete returns the rights as a server tells them: for clients of RFC 2086 an obsolete one is added where one of those that it
// stands for is there (RFC 4314 §2.1.1).
func (r Rights) WithObsolete() Rights {
	if r&(RightCreate|RightDelete) != 0 {
		r |= rightCreates
	}
	if r&(RightDeleteMessages|RightExpunge) != 0 {
		r |= rightDeletes
	}
	return r
}

// String returns the rights as they are on the wire, the standard ones first.
func (r Rights) String() string {
	var b []byte
	for i := range len(rightsInOrder) {
		if r.Has(right(rightsInOrder[i])) {
			b = append(b, rightsInOrder[i])
		}
	}
	return string(b)
}

// ParseRights returns the rights of s: lower-case letters and digits, one may come twice. The error is a *SyntaxError.
func ParseRights(s string) (Rights, error) {
	var r Rights
	for i := range len(s) {
		one := right(s[i])
		if one == 0 {
			return 0, &SyntaxError{Offset: i, Want: "rights, lower-case letters and digits"}
		}
		r |= one
	}
	return r, nil
}

// An ACLEntry is what an access control list grants to one identifier: a user, "anyone", or what the server makes of it. One
// that begins with "-" takes rights away (RFC 4314 §2).
type ACLEntry struct {
	Identifier string
	Rights     Rights
}

// Anyone is the identifier that stands for every user (RFC 4314 §2).
const Anyone = "anyone"

// RightsOf returns the rights that a list gives to a user: those of the user and of Anyone together, without those that "-" before
// either takes away.
func RightsOf(list []ACLEntry, user string) Rights {
	var given, taken Rights
	for _, e := range list {
		switch who, negative := strings.CutPrefix(e.Identifier, "-"); {
		case e.Identifier == user, e.Identifier == Anyone: // a user's name may begin with "-"
			given |= e.Rights
		case negative && (who == user || who == Anyone):
			taken |= e.Rights
		}
	}
	return given &^ taken
}

// ChangeACL returns the list after a change, by identifier, and the list that was given as it was. An entry that is left without
// rights goes.
func ChangeACL(list []ACLEntry, identifier string, c RightsChange) []ACLEntry {
	out := slices.Clone(list)
	i, found := slices.BinarySearchFunc(out, identifier, func(e ACLEntry, id string) int { return cmp.Compare(e.Identifier, id) })
	if !found {
		out = slices.Insert(out, i, ACLEntry{Identifier: identifier})
	}
	if out[i].Rights = c.Apply(out[i].Rights); out[i].Rights == 0 {
		out = slices.Delete(out, i, i+1)
	}
	return out
}

// GrantableRights are what an identifier can have in the list of a mailbox (RFC 4314 §3.7).
type GrantableRights struct {
	Required Rights   // which it has in any case
	Optional []Rights // sets that are granted whole or not at all
}

// WithObsolete returns what a server tells: an obsolete right is tied to those that one of its members is tied to, unless they are
// members too (RFC 4314 §2.1.1).
func (g GrantableRights) WithObsolete() GrantableRights {
	out := GrantableRights{Required: g.Required.WithObsolete(), Optional: slices.Clone(g.Optional)}
	for _, old := range (RightsObsolete &^ out.Required).Each() {
		members := old.Current()
		there := slices.ContainsFunc(g.Optional, func(r Rights) bool { return r&members != 0 })
		tied := slices.IndexFunc(g.Optional, func(r Rights) bool { return r&members != 0 && r&^members != 0 })
		switch {
		case tied >= 0:
			out.Optional[tied] |= old
		case there:
			out.Optional = append(out.Optional, old)
		}
	}
	return out
}

// A RightsChange is what SETACL does to the rights of an identifier (RFC 4314 §3.1).
type RightsChange struct {
	Op     RightsOp
	Rights Rights
}

// RightsOp says how the rights are changed.
type RightsOp uint8

// Changes of rights.
const (
	RightsSet    RightsOp = iota // these and no others
	RightsAdd                    // "+"
	RightsRemove                 // "-"
)

// Apply returns the rights of one who has had r.
func (c RightsChange) Apply(r Rights) Rights {
	switch c.Op {
	case RightsAdd:
		return r | c.Rights
	case RightsRemove:
		return r &^ c.Rights
	}
	return c.Rights
}

// maxACLEntries is how many entries a list has, and how many sets can be granted, for a client.
const maxACLEntries = 10_000

func (d *Decoder) rights() Rights {
	start := d.pos
	s := d.Astring()
	if d.err != nil {
		return 0
	}
	r, err := ParseRights(s)
	if err != nil {
		d.Fail(&SyntaxError{Offset: start, Want: "rights, lower-case letters and digits"})
	}
	return r
}

// RightsChange reads the last argument of SETACL.
func (d *Decoder) RightsChange() (c RightsChange) {
	start := d.pos
	s := d.Astring()
	if d.err != nil {
		return c
	}
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		c.Op, s = RightsAdd, rest
	} else if rest, ok := strings.CutPrefix(s, "-"); ok {
		c.Op, s = RightsRemove, rest
	}
	var err error
	if c.Rights, err = ParseRights(s); err != nil {
		d.Fail(&SyntaxError{Offset: start, Want: "rights, lower-case letters and digits"})
	}
	return c
}

// AppendRightsChange appends the last argument of SETACL.
func AppendRightsChange(dst []byte, c RightsChange) []byte {
	sign := ""
	switch c.Op {
	case RightsAdd:
		sign = "+"
	case RightsRemove:
		sign = "-"
	}
	return AppendAString(dst, sign+c.Rights.String())
}

// ACL reads an ACL response behind its keyword (RFC 4314 §3.6). utf8 is as for Listing.
func (d *Decoder) ACL(utf8 bool) (mailbox string, list []ACLEntry) {
	d.SP()
	mailbox = d.Mailbox(utf8)
	for d.Accept(' ') {
		if len(list) == maxACLEntries {
			d.Fail(&LimitError{What: "entries", Limit: maxACLEntries})
			break
		}
		e := ACLEntry{Identifier: d.Astring()}
		d.SP()
		e.Rights = d.rights()
		list = append(list, e)
	}
	d.EOL()
	return mailbox, list
}

// AppendACL appends the entries of an ACL response, behind the mailbox.
func AppendACL(dst []byte, list []ACLEntry) []byte {
	for _, e := range list {
		dst = AppendAString(append(dst, ' '), e.Identifier)
		dst = AppendAString(append(dst, ' '), e.Rights.String())
	}
	return dst
}

// GrantableRights reads a LISTRIGHTS response behind its keyword (RFC 4314 §3.7).
func (d *Decoder) GrantableRights(utf8 bool) (mailbox, identifier string, g GrantableRights) {
	d.SP()
	mailbox = d.Mailbox(utf8)
	d.SP()
	identifier = d.Astring()
	d.SP()
	g.Required = d.rights()
	for d.Accept(' ') {
		if len(g.Optional) == maxACLEntries {
			d.Fail(&LimitError{What: "rights", Limit: maxACLEntries})
			break
		}
		g.Optional = append(g.Optional, d.rights())
	}
	d.EOL()
	return mailbox, identifier, g
}

// AppendGrantableRights appends the rights of a LISTRIGHTS response, behind mailbox and identifier.
func AppendGrantableRights(dst []byte, g GrantableRights) []byte {
	dst = AppendAString(append(dst, ' '), g.Required.String())
	for _, r := range g.Optional {
		dst = AppendAString(append(dst, ' '), r.String())
	}
	return dst
}

// MyRights reads a MYRIGHTS response behind its keyword (RFC 4314 §3.8).
func (d *Decoder) MyRights(utf8 bool) (mailbox string, r Rights) {
	d.SP()
	mailbox = d.Mailbox(utf8)
	d.SP()
	r = d.rights()
	d.EOL()
	return mailbox, r
}
