package message

import (
	"bytes"
	"iter"
)

// What Parse goes into at most. Beyond these, bytes stay in the part that holds them.
const (
	// MaxDepth is how deep parts are nested: the message itself is at depth 0, and a part at depth MaxDepth is a
	// leaf whatever its Content-Type says.
	MaxDepth = 100
	// MaxParts is how many parts a message has. The last one extends to the end of the message.
	MaxParts = 10000
)

// A Message is the map of one message.
type Message struct {
	// Raw is what was parsed. The map refers to it; it must not change.
	Raw []byte
	// Parts are the parts in the order in which they begin. Parts[0] is the message itself and always there.
	Parts []Part
	// Truncated is set where MaxDepth or MaxParts stopped the search for parts.
	Truncated bool

	fields []Field
}

// A Kind says what a part consists of.
type Kind uint8

// Kinds of a Part.
const (
	Leaf      Kind = iota
	Multipart      // one child or more
	Embedded       // message/rfc822 or message/global: one child, the message in it
)

// A Part is the message itself, a part of a multipart, or the message in a message/rfc822.
// Raw[Start:BodyStart] is its header with the empty line that ends it, Raw[BodyStart:End] its body. The line break
// before a boundary belongs to the boundary (RFC 2046 §5.1.1).
type Part struct {
	Start, BodyStart, End int
	Kind                  Kind
	// Synthetic marks the empty text/plain part without a header that stands in a multipart in which no part was
	// found, or for the message in a message/rfc822 whose header a boundary has cut.
	Synthetic bool
	// Depth is 0 for the message itself.
	Depth int
	// Index is the part's place in Message.Parts, Parent that of the part around it, -1 for the message itself.
	Index, Parent int

	m            *Message
	field, nfeld int // fields of the header: m.fields[field:][:nfeld]
	next         int // index of the part that follows this one and all below it
	digest       bool
	opaque       bool // a leaf because of a limit, whatever Content-Type says
}

// Root returns Parts[0].
func (m *Message) Root() *Part { return &m.Parts[0] }

// Header returns the header with the empty line that ends it, as it is in the message.
func (p *Part) Header() []byte { return p.m.Raw[p.Start:p.BodyStart:p.BodyStart] }

// Body returns the body as it is in the message: nothing is decoded.
func (p *Part) Body() []byte { return p.m.Raw[p.BodyStart:p.End:p.End] }

// Bytes returns header and body.
func (p *Part) Bytes() []byte { return p.m.Raw[p.Start:p.End:p.End] }

// Message returns the message that the part belongs to.
func (p *Part) Message() *Message { return p.m }

// Children yields the parts directly below p.
func (p *Part) Children() iter.Seq[*Part] {
	return func(yield func(*Part) bool) {
		for i := p.Index + 1; i < p.next; i = p.m.Parts[i].next {
			if !yield(&p.m.Parts[i]) {
				return
			}
		}
	}
}

// Child returns the nth part directly below p, counted from 1 as IMAP does, or nil.
func (p *Part) Child(n int) *Part {
	for c := range p.Children() {
		if n--; n == 0 {
			return c
		}
	}
	return nil
}

// Fields returns the fields of the header in order.
func (p *Part) Fields() []Field {
	return p.m.fields[p.field : p.field+p.nfeld : p.field+p.nfeld]
}

// Get returns the value of the first field of that name, in any case, without the line break that ends it and still
// folded; false if there is none.
func (p *Part) Get(name string) ([]byte, bool) {
	for v := range p.Values(name) {
		return v, true
	}
	return nil, false
}

// Values yields the value of each field of that name, as Get does.
func (p *Part) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, f := range p.Fields() {
			if f.Is(p.m.Raw, name) && !yield(f.Value(p.m.Raw)) {
				return
			}
		}
	}
}

// ContentType returns the part's media type with its parameters. Without a usable field it is text/plain, in a
// multipart/digest message/rfc822 (RFC 2046 §5.1.5). A part that a limit has made a leaf is
// application/octet-stream.
func (p *Part) ContentType() MediaType {
	switch v, ok := p.Get("Content-Type"); {
	case p.opaque:
		return MediaType{Type: "application", Subtype: "octet-stream"}
	case ok:
		if t := ParseMediaType(v); t.Type != "" {
			return t
		}
		return MediaType{Type: "text", Subtype: "plain"}
	case p.digest:
		return MediaType{Type: "message", Subtype: "rfc822"}
	}
	return MediaType{Type: "text", Subtype: "plain"}
}

// A Field is one header field: Raw[Start:End] with its line breaks. Raw[Colon] is the colon behind its name; a line
// that has no colon and continues nothing is a Field too, without a name and with Colon == Start-1.
type Field struct {
	Start, Colon, End int
}

// Bytes returns the field as it is in the message raw, with its line breaks.
func (f Field) Bytes(raw []byte) []byte { return raw[f.Start:f.End:f.End] }

// Name returns the name as it is in the message raw, "" for a line without a colon.
func (f Field) Name(raw []byte) []byte {
	if f.Colon < f.Start {
		return nil
	}
	return bytes.TrimRight(raw[f.Start:f.Colon], " \t")
}

// Value returns what follows the colon, without the line break that ends the field and still folded.
func (f Field) Value(raw []byte) []byte {
	return trimBreak(raw[f.Colon+1 : f.End : f.End])
}

// Is reports whether the field's name is name, in any case.
func (f Field) Is(raw []byte, name string) bool {
	if f.Colon-f.Start < len(name) {
		return false
	}
	for i, c := range raw[f.Start:][:len(name)] {
		if lower(c) != lower(name[i]) {
			return false
		}
	}
	return len(bytes.TrimLeft(raw[f.Start+len(name):f.Colon], " \t")) == 0
}

// AppendUnfolded appends value without its line breaks and without white space around it.
func AppendUnfolded(dst, value []byte) []byte {
	value = bytes.Trim(value, " \t\r\n")
	for len(value) > 0 {
		i := bytes.IndexByte(value, '\n')
		if i < 0 {
			return append(dst, value...)
		}
		dst = append(dst, trimBreak(value[:i+1])...)
		value = value[i+1:]
	}
	return dst
}

// trimBreak removes one line break from the end of b.
func trimBreak(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
		if n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
