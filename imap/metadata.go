package imap

import (
	"context"
	"strconv"
	"strings"
)

// An Annotation is an entry of METADATA with its value (RFC 5464).
type Annotation struct {
	// Entry is its name in lower case, which has no other: "/private/comment" for this user alone, "/shared/comment" for all
	// who may read the mailbox.
	Entry string
	// Value is octets as they are; None says that there is none: the entry is absent, or is to be removed.
	Value string
	None  bool
}

// Annotator keeps the annotations of mailboxes, and those of the whole account under the name "". They follow a mailbox when
// it is renamed and go with it; what renaming leaves of INBOX keeps its own, the new mailbox gets a copy (RFC 5464 §4.1).
type Annotator interface {
	// Annotations returns those of a mailbox, by entry. ErrNonexistent: no such mailbox.
	Annotations(ctx context.Context, mailbox string) ([]Annotation, error)
	// SetAnnotations sets and removes annotations of a mailbox, all or none, durably. ErrNonexistent; ErrReadOnly: one of them
	// is not for the user to change; ErrTooMany: the mailbox would have more than it may, which is MinAnnotations at least.
	// Notice.Entries tells of them in the feeds of those who are shown them: what is private in that of the user alone.
	SetAnnotations(ctx context.Context, mailbox string, set []Annotation) error
}

// Limits of annotations.
const (
	MinAnnotations    = 10   // that a mailbox can have (RFC 5464 §4.1)
	MinAnnotationSize = 1024 // octets that a value can have
	maxEntry          = 1000 // octets of a name
	maxEntries        = 100  // in one command or response
)

// DepthInfinity is MetadataOptions.Depth for everything below an entry.
const DepthInfinity = -1

// MetadataOptions narrow or widen what GETMETADATA asks for (RFC 5464 §4.2.1, §4.2.2).
type MetadataOptions struct {
	// MaxSize is how long the values told are at most, in octets; 0: any.
	MaxSize int64
	// Depth is how far below the entries others are told too: 0 none, 1 those just below, DepthInfinity all.
	Depth int
}

// Covers reports whether GETMETADATA with these options and the entry base is about entry.
func (o MetadataOptions) Covers(base, entry string) bool {
	rest, below := strings.CutPrefix(entry, base)
	switch {
	case !below:
		return false
	case rest == "":
		return true
	case rest[0] != '/':
		return false
	}
	return o.Depth == DepthInfinity || o.Depth == 1 && strings.IndexByte(rest[1:], '/') < 0
}

// ParseEntry returns the name of an annotation in lower case. A name has slashes between its components, /private or /shared
// first, and is ASCII without control characters, "*" and "%" (RFC 5464 §3.2). The error is a *SyntaxError.
func ParseEntry(s string) (string, error) {
	bad := len(s) > maxEntry || strings.HasSuffix(s, "/") || strings.Contains(s, "//")
	for i := range len(s) {
		bad = bad || s[i] < ' ' || s[i] >= 0x7f || s[i] == '*' || s[i] == '%'
	}
	s = strings.ToLower(s)
	if bad || !strings.HasPrefix(s, "/private/") && !strings.HasPrefix(s, "/shared/") {
		return "", &SyntaxError{Want: "the name of an entry"}
	}
	return s, nil
}

func (d *Decoder) entry() string {
	start := d.pos
	s := d.Astring()
	if d.err != nil {
		return ""
	}
	s, err := ParseEntry(s)
	if err != nil {
		d.Fail(&SyntaxError{Offset: start, Want: "the name of an entry"})
	}
	return s
}

// Entries reads one name of an annotation or a list of them.
func (d *Decoder) Entries() (list []string) {
	if d.Peek() != '(' {
		return append(list, d.entry())
	}
	d.List(func() {
		if len(list) == maxEntries {
			d.Fail(&LimitError{What: "entries", Limit: maxEntries})
		}
		list = append(list, d.entry())
	})
	if len(list) == 0 {
		d.Want("the name of an entry")
	}
	return list
}

// MetadataOptions reads the options of GETMETADATA, if they are next. RFC 5464 has them before the mailbox in its grammar and
// behind it in its examples.
func (d *Decoder) MetadataOptions() (o MetadataOptions, ok bool) {
	if b := d.rest(); len(b) < 2 || b[0] != '(' || b[1]|0x20 < 'a' || b[1]|0x20 > 'z' {
		return o, false
	}
	d.List(func() {
		switch d.Keyword() {
		case "MAXSIZE":
			d.SP()
			o.MaxSize = int64(d.Number())
		case "DEPTH":
			d.SP()
			switch d.Keyword() {
			case "0":
				o.Depth = 0
			case "1":
				o.Depth = 1
			case "INFINITY":
				o.Depth = DepthInfinity
			default:
				d.Want("0, 1 or infinity")
			}
		default:
			d.Want("MAXSIZE or DEPTH")
		}
	})
	return o, true
}

// AppendMetadataOptions appends options in parentheses, nothing for none.
func AppendMetadataOptions(dst []byte, o MetadataOptions) []byte {
	if o == (MetadataOptions{}) {
		return dst
	}
	dst = append(dst, '(')
	if o.MaxSize > 0 {
		dst = strconv.AppendInt(append(dst, "MAXSIZE "...), o.MaxSize, 10)
	}
	if o.Depth != 0 {
		if o.MaxSize > 0 {
			dst = append(dst, ' ')
		}
		if dst = append(dst, "DEPTH "...); o.Depth == DepthInfinity {
			dst = append(dst, "infinity"...)
		} else {
			dst = strconv.AppendInt(dst, int64(o.Depth), 10)
		}
	}
	return append(dst, ')')
}

// Annotations reads entries with their values in parentheses. size, if not nil, is asked for each literal before its octets
// are; its error ends the reading.
func (d *Decoder) Annotations(size func(int64) error) (list []Annotation) {
	d.List(func() {
		if len(list) == maxEntries {
			d.Fail(&LimitError{What: "entries", Limit: maxEntries})
		}
		a := Annotation{Entry: d.entry()}
		d.SP()
		if l := d.Literal(); l != nil && size != nil {
			if err := size(l.Size); err != nil {
				d.Fail(err)
				return
			}
		}
		var there bool
		if d.Peek() == '~' {
			a.Value, there = string(d.literalBytes()), true
		} else {
			a.Value, there = d.Nstring()
		}
		a.None = !there
		list = append(list, a)
	})
	if len(list) == 0 {
		d.Want("an entry with its value")
	}
	return list
}

// AppendAnnotations appends entries with their values in parentheses, as strings, and as literals where that needs them.
func AppendAnnotations(dst []byte, list []Annotation) []byte {
	for i, a := range list {
		dst = append(AppendAString(appendListed(dst, i), a.Entry), ' ')
		switch {
		case a.None:
			dst = append(dst, "NIL"...)
		case strings.IndexByte(a.Value, 0) >= 0:
			dst = AppendLiteral(dst, []byte(a.Value))
		default:
			dst = AppendString(dst, a.Value)
		}
	}
	return append(dst, ')')
}

// Metadata reads a METADATA response behind its keyword: a mailbox with annotations, or, where somebody has changed them, with
// the names of entries alone (RFC 5464 §4.4).
func (d *Decoder) Metadata(utf8 bool) (mailbox string, list []Annotation, changed []string) {
	d.SP()
	if mailbox = d.Mailbox(utf8); d.err != nil {
		return "", nil, nil
	}
	d.SP()
	if d.Peek() == '(' {
		list = d.Annotations(nil)
	} else {
		for changed = append(changed, d.entry()); d.Accept(' '); changed = append(changed, d.entry()) {
			if len(changed) == maxEntries {
				d.Fail(&LimitError{What: "entries", Limit: maxEntries})
				break
			}
		}
	}
	d.EOL()
	return mailbox, list, changed
}
