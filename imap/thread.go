package imap

import (
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// A ThreadAlgorithm is how THREAD builds threads (RFC 5256 §3).
type ThreadAlgorithm string

// Algorithms of THREAD.
const (
	ThreadOrderedSubject ThreadAlgorithm = "ORDEREDSUBJECT" // by BaseSubject
	ThreadReferences     ThreadAlgorithm = "REFERENCES"     // by Message-ID, References and In-Reply-To, then by subject
)

// A Thread is a message and those that answer it.
type Thread struct {
	Number   UID // a UID or a sequence number; 0: a message that is not there, whose answers belong together all the same
	Children []Thread
}

// maxThreadNesting is how deep a THREAD response branches, for a client.
const maxThreadNesting = 10_000

// maxReferences is how many references of a message count: the last ones, which are the nearest.
const maxReferences = 1000

// ThreadAlgorithm reads the name of an algorithm.
func (d *Decoder) ThreadAlgorithm() ThreadAlgorithm {
	a := ThreadAlgorithm(d.Keyword())
	if a != ThreadOrderedSubject && a != ThreadReferences {
		d.Want("ORDEREDSUBJECT or REFERENCES")
	}
	return a
}

// AppendThreads appends threads as a THREAD response has them.
func AppendThreads(dst []byte, threads []Thread) []byte {
	for i := range threads {
		dst = append(dst, '(')
		dst = appendThread(dst, &threads[i])
		dst = append(dst, ')')
	}
	return dst
}

// appendThread appends thread-members or thread-nested: each only child follows its parent.
func appendThread(dst []byte, t *Thread) []byte {
	for {
		if t.Number != 0 {
			dst = strconv.AppendUint(dst, uint64(t.Number), 10)
		}
		if len(t.Children) == 0 {
			return dst
		}
		if t.Number != 0 {
			dst = append(dst, ' ')
		}
		if len(t.Children) > 1 {
			return AppendThreads(dst, t.Children)
		}
		t = &t.Children[0]
	}
}

// Threads reads a THREAD response behind its keyword.
func (d *Decoder) Threads() []Thread {
	var out []Thread
	if d.AtEOL() {
		return nil
	}
	d.SP()
	for d.Peek() == '(' {
		out = append(out, d.thread(0))
	}
	d.EOL()
	return out
}

func (d *Decoder) thread(depth int) Thread {
	if depth > maxThreadNesting {
		d.Fail(&LimitError{What: "nesting", Limit: maxThreadNesting})
	}
	var chain []UID
	for d.Expect('('); d.err == nil && d.Peek() != '('; d.SP() {
		chain = append(chain, UID(d.NzNumber()))
		if d.Peek() == ')' {
			break
		}
	}
	var children []Thread
	for d.Peek() == '(' {
		children = append(children, d.thread(depth+1))
	}
	d.Expect(')')
	if len(chain) == 0 {
		return Thread{Children: children}
	}
	for i := len(chain) - 1; i > 0; i-- {
		children = []Thread{{chain[i], children}}
	}
	return Thread{chain[0], children}
}

// A ThreadMessage is what threads are made from. NewThreadMessage makes one.
type ThreadMessage struct {
	Number     UID
	Sent       time.Time // the Date field, or the internal date where there is none
	Subject    string    // BaseSubject as i;unicode-casemap compares it (RFC 5051)
	Reply      bool      // the subject has more than that, as of an answer or a forwarded message
	ID         string    // normalised Message-ID, "" without a valid one
	References []string  // normalised
}

// NewThreadMessage returns what THREAD looks at. m has its FieldEnvelope and FieldInternalDate; references is its References
// field, which ThreadOrderedSubject does without.
func NewThreadMessage(number UID, m *Message, references string) ThreadMessage {
	e := m.Envelope
	if e == nil {
		e = &Envelope{}
	}
	t := ThreadMessage{Number: number, Sent: m.InternalDate}
	if sent, err := mail.ParseDate(e.Date); err == nil {
		t.Sent = sent
	}
	base, reply, unicode := baseSubject(e.Subject)
	if unicode {
		base = casemapString(base)
	}
	t.Subject, t.Reply = base, reply
	if ids := messageIDs(e.MessageID, 1, false); len(ids) > 0 {
		t.ID = ids[0]
	}
	if t.References = messageIDs(references, maxReferences, true); len(t.References) == 0 {
		t.References = messageIDs(e.InReplyTo, 1, false)
	}
	return t
}

// messageIDs returns the valid Message IDs in a field, limit of them from the beginning or from the end. Quoting makes no
// difference between them (RFC 5256 §3, THREAD).
func messageIDs(s string, limit int, fromEnd bool) []string {
	var ids []string
	for {
		_, rest, ok := strings.Cut(s, "<")
		if !ok {
			break
		}
		id, after, ok := strings.Cut(rest, ">")
		if !ok {
			break
		}
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = id[i+1:]
		}
		s = after
		if id = normalID(id); id == "" {
			continue
		}
		if ids = append(ids, id); len(ids) == limit && !fromEnd {
			break
		}
	}
	return ids[max(0, len(ids)-limit):]
}

// normalID returns a Message ID without white space and quoting, "" for none.
func normalID(id string) string {
	at := strings.LastIndexByte(id, '@')
	if at <= 0 || at == len(id)-1 {
		return ""
	}
	if !strings.ContainsAny(id, " \t\r\n\"\\") {
		return id
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(id); i++ {
		switch c := id[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted && i+1 < len(id):
			i++
			b.WriteByte(id[i])
		case !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
