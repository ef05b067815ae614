package imap

import "strings"

// A Namespace is where mailboxes of one kind are: those whose names begin with Prefix (RFC 2342 §5).
type Namespace struct {
	Prefix string // UTF-8, with the separator at its end if it has one; "" for names without a prefix
	Delim  byte   // between levels; 0: names have none
}

// Namespaces are those that a NAMESPACE response tells of. A kind that the server does not have is empty.
type Namespaces struct {
	Personal []Namespace // the user's own mailboxes; new ones belong into the first
	Others   []Namespace // other users' mailboxes: behind a prefix comes the name of the user
	Shared   []Namespace // mailboxes that are nobody's own
}

// maxNamespaces is how many a response has of one kind.
const maxNamespaces = 1000

// Namespaces reads a NAMESPACE response behind its keyword. Extensions of it are passed over. utf8 is as for Listing.
func (d *Decoder) Namespaces(utf8 bool) (n Namespaces) {
	for _, kind := range []*[]Namespace{&n.Personal, &n.Others, &n.Shared} {
		d.SP()
		if d.Peek() != '(' {
			if d.Keyword() != "NIL" {
				d.Want("namespaces or NIL")
			}
			continue
		}
		d.Expect('(')
		for more := true; more && d.err == nil; more = d.Accept(' ') || d.Peek() == '(' { // the grammar has no space there
			if len(*kind) == maxNamespaces {
				d.Fail(&LimitError{What: "namespaces", Limit: maxNamespaces})
			}
			*kind = append(*kind, d.namespace(utf8))
		}
		d.Expect(')')
	}
	d.EOL()
	return n
}

func (d *Decoder) namespace(utf8 bool) (n Namespace) {
	d.Expect('(')
	if !d.isString() {
		d.Want("a prefix")
	}
	n.Prefix = d.Mailbox(utf8)
	d.SP()
	switch s, ok := d.Nstring(); {
	case d.err != nil:
	case ok && len(s) == 1:
		n.Delim = s[0]
	case ok && (s != "" || !d.o.Lenient):
		d.Want("a separator of one octet or NIL")
	}
	for d.Accept(' ') {
		_ = d.Value()
	}
	d.Expect(')')
	return n
}

// AppendNamespaces appends what a NAMESPACE response has behind its keyword and a space.
func AppendNamespaces(dst []byte, n Namespaces, utf8 bool) []byte {
	for i, kind := range [][]Namespace{n.Personal, n.Others, n.Shared} {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if len(kind) == 0 {
			dst = append(dst, "NIL"...)
			continue
		}
		dst = append(dst, '(')
		for _, x := range kind {
			prefix := strings.ToValidUTF8(x.Prefix, "\uFFFD")
			if !utf8 {
				prefix = string(AppendUTF7(nil, prefix))
			}
			dst = append(AppendString(append(dst, '('), prefix), ' ')
			if x.Delim == 0 {
				dst = append(dst, "NIL)"...)
			} else {
				dst = append(AppendString(dst, string([]byte{x.Delim})), ')')
			}
		}
		dst = append(dst, ')')
	}
	return dst
}
