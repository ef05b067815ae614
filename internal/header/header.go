// Package header reads and writes header sections byte by byte: fields with their folding, tag=value lists as DKIM,
// ARC and others use them, and the values of Authentication-Results.
package header

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// MaxHeader is the longest header section that Read takes unless told otherwise, in octets.
const MaxHeader = 1 << 20

// ErrTooLong says that a header section is longer than its limit.
var ErrTooLong = errors.New("header section is too long")

// A Field is one field of a header section. Its parts share the section's memory.
type Field struct {
	// Raw is the field as it stands, folding and final line ending included.
	Raw []byte
	// Name is what stands before the colon, white space before the colon taken off (RFC 5322 §4.5.8); empty for lines
	// that are no field.
	Name []byte
	// Value is what stands behind the colon, without the final line ending.
	Value []byte
}

// Is reports whether the field has that name; case does not matter.
func (f Field) Is(name string) bool {
	return len(f.Name) == len(name) && strings.EqualFold(string(f.Name), name)
}

// Fields yields the fields of a header section, up to its empty line if there is one. Lines end with LF or CRLF. A
// line without a colon, or with white space or control characters in the name, is yielded without Name.
func Fields(section []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for len(section) > 0 && !emptyLine(section) {
			n := lineEnd(section)
			for n < len(section) && (section[n] == ' ' || section[n] == '\t') {
				n += lineEnd(section[n:])
			}
			if !yield(parseField(section[:n:n])) {
				return
			}
			section = section[n:]
		}
	}
}

func emptyLine(b []byte) bool { return b[0] == '\n' || b[0] == '\r' && len(b) > 1 && b[1] == '\n' }

// lineEnd returns the length of the first line with its ending.
func lineEnd(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

func parseField(raw []byte) Field {
	f := Field{Raw: raw}
	colon := bytes.IndexByte(raw, ':')
	if colon <= 0 {
		return f
	}
	name := raw[:colon]
	if name[colon-1] <= ' ' {
		name = bytes.TrimRight(name, " \t")
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return f
		}
	}
	f.Name = name
	f.Value = bytes.TrimSuffix(bytes.TrimSuffix(raw[colon+1:], []byte("\n")), []byte("\r"))
	return f
}

// Read reads a header section with its empty line; r then stands at the body. A message may end within its header.
// limit is in octets, 0 for MaxHeader. The error is ErrTooLong or r's.
func Read(r *bufio.Reader, limit int) ([]byte, error) {
	if limit == 0 {
		limit = MaxHeader
	}
	switch _, err := r.Peek(1); { // fills the buffer
	case err == io.EOF:
		return []byte{}, nil
	case err != nil:
		return nil, err
	}
	if section := buffered(r, limit); section != nil {
		return section, nil
	}
	section := make([]byte, 0, min(limit, max(4096, 2*r.Buffered())))
	start := true
	for {
		line, err := r.ReadSlice('\n')
		if len(section)+len(line) > limit {
			return nil, fmt.Errorf("%w: over %d octets", ErrTooLong, limit)
		}
		if len(section)+len(line) > cap(section) { // twice as much: what append adds to a large one is too little
			section = append(make([]byte, 0, max(2*cap(section), len(section)+len(line))), section...)
		}
		section = append(section, line...)
		switch {
		case err == nil:
			if start && emptyLine(line) {
				return section, nil
			}
			start = true
		case errors.Is(err, bufio.ErrBufferFull):
			start = false
		case err == io.EOF:
			return section, nil
		default:
			return nil, err
		}
	}
}

// buffered returns the header section where all of it is in the buffer of r, and takes it from there; nil where it is not.
func buffered(r *bufio.Reader, limit int) []byte {
	b, _ := r.Peek(r.Buffered())
	end := sectionEnd(b)
	if end < 0 || end > limit {
		return nil
	}
	section := bytes.Clone(b[:end])
	_, _ = r.Discard(end) // it is there
	return section
}

// sectionEnd returns where the header section ends in b, with its empty line, -1 if there is none.
func sectionEnd(b []byte) int {
	for at := 0; at < len(b); {
		if emptyLine(b[at:]) {
			return at + lineEnd(b[at:])
		}
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return -1
}

// A Body is what follows a header section.
type Body struct {
	r    *bufio.Reader // nil: all is in rest
	rest []byte
}

// bodyRead is how much of a message Split and WriteTo read at a time.
const bodyRead = 16 << 10

// Split reads the header section of a message, as Read does, up to MaxHeader. A message in a *bytes.Reader or
// *bytes.Buffer is not copied: section is its memory.
func Split(r io.Reader) (section []byte, body *Body, err error) {
	if m, ok := inMemory(r); ok {
		end := sectionEnd(m)
		if end < 0 {
			end = len(m)
		}
		if end > MaxHeader {
			return nil, nil, fmt.Errorf("%w: over %d octets", ErrTooLong, MaxHeader)
		}
		return m[:end:end], &Body{rest: m[end:]}, nil
	}
	size := bodyRead
	if l, ok := r.(interface{ Len() int }); ok { // strings.Reader
		size = min(size, l.Len()+1)
	}
	br := bufio.NewReaderSize(r, size)
	section, err = Read(br, 0)
	return section, &Body{r: br}, err
}

// inMemory takes all of a reader that has it in memory.
func inMemory(r io.Reader) ([]byte, bool) {
	var m memory
	switch r := r.(type) {
	case *bytes.Reader:
		_, _ = r.WriteTo(&m) // in one piece
	case *bytes.Buffer:
		_, _ = r.WriteTo(&m)
	default:
		return nil, false
	}
	return m, true
}

// memory keeps the one piece that is written to it.
type memory []byte

func (m *memory) Write(p []byte) (int, error) {
	*m = p
	return len(p), nil
}

// AtHand reports whether the body can be had without waiting for anybody.
func (b *Body) AtHand() bool { return b.r == nil }

// WriteTo writes the body to w, through the one buffer that was there for the header. The error is w's or the reader's.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	if b.r == nil {
		n, err := w.Write(b.rest)
		return int64(n), err
	}
	for n := int64(0); ; {
		if _, err := b.r.Peek(1); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		p, _ := b.r.Peek(b.r.Buffered()) // it is there
		m, err := w.Write(p)
		n += int64(m)
		if err != nil {
			return n, err
		}
		_, _ = b.r.Discard(m)
	}
}
