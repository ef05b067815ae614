package imap

import (
	"bytes"
	"strings"
)

// PeekKeyword returns the atom that is next in upper case, "" if there is none, and passes nothing.
func (d *Decoder) PeekKeyword() string {
	b := d.rest()
	n := 0
	for n < len(b) && isAtomChar(b[n]) {
		n++
	}
	return upper(b[:n])
}

// A Listing is one LIST or LSUB response (RFC 9051 §7.3.1).
type Listing struct {
	// Name is as the server has it, decoded by ParseUTF7 unless the session is in UTF-8; INBOX in capitals.
	Name  string
	Delim byte     // between levels; 0: the name has none
	Attrs []string // with their backslashes, as in the response
	// OldName is what the mailbox was called before, "" if that is not told (RFC 9051 §6.3.9.7).
	OldName string
}

// Has reports whether an attribute was told; ASCII case does not matter.
func (l *Listing) Has(attr string) bool {
	for _, a := range l.Attrs {
		if strings.EqualFold(a, attr) {
			return true
		}
	}
	return false
}

// Listing reads a LIST response behind its keyword and a space. utf8 says that names are in UTF-8, as in IMAP4rev2.
func (d *Decoder) Listing(utf8 bool) *Listing {
	l := &Listing{}
	d.List(func() {
		if len(l.Attrs) == MaxFlags {
			d.Fail(&LimitError{What: "attributes", Limit: MaxFlags})
		}
		l.Attrs = append(l.Attrs, string(d.Flag()))
	})
	d.SP()
	switch s, ok := d.Nstring(); {
	case d.err != nil:
	case ok && len(s) == 1:
		l.Delim = s[0]
	case ok && (s != "" || !d.o.Lenient):
		d.Want("a separator of one octet or NIL")
	}
	d.SP()
	l.Name = d.Mailbox(utf8)
	if d.Accept(' ') && d.Peek() == '(' {
		d.List(func() {
			name := d.Astring()
			d.SP()
			if !strings.EqualFold(name, "OLDNAME") || d.Peek() != '(' {
				_ = d.Value()
				return
			}
			d.List(func() { l.OldName = d.Mailbox(utf8) })
		})
	}
	return l
}

// Mailbox reads the name of a mailbox in a response. A name that is not modified UTF-7 is taken as it is by a lenient
// Decoder.
func (d *Decoder) Mailbox(utf8 bool) string {
	start := d.pos
	name := d.Astring()
	if d.err == nil && !utf8 {
		decoded, err := ParseUTF7(name)
		switch {
		case err == nil:
			name = decoded
		case !d.o.Lenient:
			d.Fail(&SyntaxError{Offset: start, Want: "a name in modified UTF-7"})
		}
	}
	if strings.EqualFold(name, "INBOX") {
		name = "INBOX"
	}
	return name
}

// StatusData reads a STATUS response behind its keyword and a space: the Name of the mailbox and the counters that are
// told (RFC 9051 §7.3.4). RECENT and what is unknown is passed over.
func (d *Decoder) StatusData(utf8 bool) *MailboxStatus {
	s, _ := d.StatusUpdate(utf8)
	return s
}

// StatusUpdate is StatusData that also returns which items are told, RECENT and unknown ones among them: the others are zero in
// the MailboxStatus.
func (d *Decoder) StatusUpdate(utf8 bool) (s *MailboxStatus, told []StatusItem) {
	s = &MailboxStatus{}
	s.Name = d.Mailbox(utf8)
	d.SP()
	d.List(func() {
		item := StatusItem(d.Keyword())
		if len(told) == maxStatusItems {
			d.Fail(&LimitError{What: "items of STATUS", Limit: maxStatusItems})
		}
		told = append(told, item)
		d.SP()
		switch item {
		case StatusMessages:
			s.Messages = int(d.Number())
		case StatusUnseen:
			s.Unseen = int(d.Number())
		case StatusDeleted:
			s.Deleted = int(d.Number())
		case StatusUIDNext:
			s.UIDNext = UID(d.Number())
		case StatusUIDValidity:
			s.UIDValidity = d.Number()
		case StatusSize:
			s.Size = d.Number64()
		case StatusDeletedStorage:
			s.DeletedSize = d.Number64()
		case StatusHighestModSeq:
			s.HighestModSeq = ModSeq(d.Number64())
		case StatusMailboxID:
			d.List(func() { s.ID = d.Atom() })
		default:
			_ = d.Value()
		}
	})
	d.EOL()
	return s, told
}

const maxStatusItems = 100

// A SearchData is a SEARCH or ESEARCH response (RFC 9051 §7.3.3, RFC 3501 §7.2.5). Numbers are UIDs or sequence numbers,
// as the command was.
type SearchData struct {
	Tag    string // of ESEARCH, "" if it has none
	UID    bool   // ESEARCH says that these are UIDs
	All    UIDSet // SEARCH, or ALL
	Min    uint32
	Max    uint32
	Count  uint32
	ModSeq ModSeq
	// Partial is the window that PARTIAL tells of, PartialSet what is in it; nil: ESEARCH has none.
	Partial    *PartialRange
	PartialSet UIDSet
	// Relevancy has one number, 1 to 100, for each message, in the order of the response (RFC 6203).
	Relevancy []int
	// Ordered is ALL, or what PARTIAL has, as written: the order is that of SORT (RFC 5267 §3.1).
	Ordered SequenceSet
	Updates []SearchUpdate // ADDTO and REMOVEFROM
	// Mailbox and UIDValidity say where the messages are, "" and 0 where that is not told (RFC 7377 §2.1).
	Mailbox     string
	UIDValidity uint32
}

// SearchData reads a SEARCH response behind its keyword: numbers, and perhaps (MODSEQ n).
func (d *Decoder) SearchData() *SearchData {
	s := &SearchData{}
	var numbers []UID
	for d.err == nil && !d.AtEOL() {
		if d.SP(); d.o.Lenient && d.AtEOL() {
			break
		}
		if d.Accept('(') {
			if d.Keyword() != "MODSEQ" {
				d.Want("MODSEQ")
			}
			d.SP()
			s.ModSeq = ModSeq(d.Number64())
			d.Expect(')')
			continue
		}
		if n := d.NzNumber(); d.err == nil {
			numbers = append(numbers, UID(n))
		}
	}
	s.All = UIDs(numbers...)
	return s
}

// SortData reads a SORT response behind its keyword: numbers in their order, and perhaps (MODSEQ n) (RFC 5256 §4, RFC 7162
// §3.1.6).
func (d *Decoder) SortData() []UID {
	var numbers []UID
	for d.err == nil && !d.AtEOL() {
		if d.SP(); d.o.Lenient && d.AtEOL() {
			break
		}
		if d.Peek() == '(' {
			_ = d.Value()
			continue
		}
		if n := d.NzNumber(); d.err == nil {
			numbers = append(numbers, UID(n))
		}
	}
	return numbers
}

// ESearchData reads an ESEARCH response behind its keyword. utf8 says that names of mailboxes are in UTF-8.
func (d *Decoder) ESearchData(utf8 bool) *SearchData {
	s := &SearchData{}
	for d.err == nil && d.Accept(' ') {
		if d.Accept('(') {
			d.correlators(s, utf8)
			continue
		}
		switch d.Keyword() {
		case "UID":
			s.UID = true
		case "ALL":
			d.SP()
			s.Ordered = d.SequenceSet()
			s.All = s.Ordered.Resolve(0)
		case "PARTIAL": // RFC 9394 §4, ret-data-partial
			d.SP()
			d.Expect('(')
			r := d.PartialRange()
			s.Partial = &r
			d.SP()
			if !d.AcceptKeyword("NIL") {
				s.Ordered = d.SequenceSet()
				s.PartialSet = s.Ordered.Resolve(0)
			}
			d.Expect(')')
		case "RELEVANCY": // RFC 6203 §7
			d.SP()
			d.List(func() {
				n := d.NzNumber()
				if n > 100 {
					d.Want("a relevancy")
				}
				s.Relevancy = append(s.Relevancy, int(n))
			})
		case "ADDTO":
			s.Updates = d.searchUpdates(s.Updates, false)
		case "REMOVEFROM":
			s.Updates = d.searchUpdates(s.Updates, true)
		case "MIN":
			d.SP()
			s.Min = d.Number()
		case "MAX":
			d.SP()
			s.Max = d.Number()
		case "COUNT":
			d.SP()
			s.Count = d.Number()
		case "MODSEQ":
			d.SP()
			s.ModSeq = ModSeq(d.Number64())
		default:
			d.SP()
			_ = d.Value()
		}
	}
	d.EOL()
	return s
}

// ParseAppendUID reads the arguments of APPENDUID (RFC 9051 §7.1): where the messages are, at most limit of them.
func ParseAppendUID(args string, limit int) (*Appended, error) {
	validity, uids, _ := bytes.Cut([]byte(args), []byte{' '})
	v, n := parseSeq(validity)
	if n == 0 || n != len(validity) || v == 0 {
		return nil, &SyntaxError{Want: "a UIDVALIDITY"}
	}
	list, err := ParseUIDs(uids, limit)
	if err != nil {
		return nil, err
	}
	return &Appended{UIDValidity: v, UIDs: list}, nil
}

// ParseCopyUID reads the arguments of COPYUID (RFC 9051 §7.1), at most limit messages.
func ParseCopyUID(args string, limit int) (*Copied, error) {
	fields := strings.Split(args, " ")
	if len(fields) != 3 {
		return nil, &SyntaxError{Want: "a UIDVALIDITY and two uid-sets"}
	}
	v, n := parseSeq([]byte(fields[0]))
	if n == 0 || n != len(fields[0]) || v == 0 {
		return nil, &SyntaxError{Want: "a UIDVALIDITY"}
	}
	from, err := ParseUIDs([]byte(fields[1]), limit)
	if err != nil {
		return nil, err
	}
	to, err := ParseUIDs([]byte(fields[2]), limit)
	if err != nil {
		return nil, err
	}
	if len(from) != len(to) {
		return nil, &SyntaxError{Want: "uid-sets of the same size"}
	}
	return &Copied{UIDValidity: v, From: from, To: to}, nil
}

// FetchDataItem reads the name of an item of a FETCH response: what stands before its value. An unknown name is
// returned as it is, in upper case.
func (d *Decoder) FetchDataItem() FetchItem {
	name := d.fetchAtt()
	if d.Peek() != '[' {
		return FetchItem{Att: FetchAtt(name)}
	}
	it := FetchItem{Att: FetchAtt(name + "[]"), Section: d.Section()}
	switch it.Att {
	case FetchBody, FetchBinary, FetchBinarySize:
	default:
		d.Want("an item of FETCH")
	}
	return it
}

// Try runs f, which reads one value, and returns the error that this leads to. Unless f has read a literal, the Decoder
// then goes on behind the value as if it had been read: that is how a client gets past a value that is against the
// grammar. Else the error stays.
func (d *Decoder) Try(f func()) error {
	if d.rest(); d.err != nil {
		return d.err
	}
	pos, used := d.pos, d.used
	f()
	err := d.err
	if err == nil || d.fatal != nil || d.used != used {
		return err
	}
	d.err, d.pos = nil, pos
	if _ = d.Value(); d.err != nil {
		d.err = err
	}
	return err
}
