package imap

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// A Specifier says which piece of a part a Section means (RFC 9051 §6.4.5.1, section-msgtext and section-text).
type Specifier string

// Specifiers of a Section.
const (
	SectionAll          Specifier = "" // header and body of a message, body of a part
	SectionHeader       Specifier = "HEADER"
	SectionFields       Specifier = "HEADER.FIELDS"
	SectionFieldsNot    Specifier = "HEADER.FIELDS.NOT"
	SectionText         Specifier = "TEXT"
	SectionMIME         Specifier = "MIME"
	maxSectionDepth               = message.MaxDepth
	maxSectionFieldName           = 1000
)

// A Section names a piece of a message: what stands between the brackets of BODY[...], and the partial range behind
// them.
type Section struct {
	Part      []uint32 // 1.2 is {1, 2}; nil: the message itself
	Specifier Specifier
	Fields    []string // of SectionFields and SectionFieldsNot
	// Partial says that only a range is meant: Length octets from Offset on. A response tells the Offset alone, and
	// its Length is 0.
	Partial        bool
	Offset, Length int64
}

// Section reads a section with its brackets, and the range behind it: [1.2.HEADER.FIELDS (From)]<0.100> in a
// command, [1]<0> in a response.
func (d *Decoder) Section() Section {
	var s Section
	d.Expect('[')
	for c := d.Peek(); '0' <= c && c <= '9'; c = d.Peek() {
		if len(s.Part) == maxSectionDepth {
			d.Fail(&LimitError{What: "nesting", Limit: maxSectionDepth})
		}
		s.Part = append(s.Part, d.NzNumber())
		if d.Peek() == ']' || d.err != nil {
			break
		}
		d.Expect('.')
		if c := d.Peek(); c == ']' || c == 0 {
			d.Want("a number or a section")
		}
	}
	if d.Peek() != ']' {
		s.Specifier = d.specifier(len(s.Part) > 0)
	}
	if s.Specifier == SectionFields || s.Specifier == SectionFieldsNot {
		d.SP()
		d.List(func() { s.Fields = append(s.Fields, d.fieldName()) })
		if len(s.Fields) == 0 {
			d.Want("the name of a header field")
		}
	}
	d.Expect(']')
	d.partial(&s)
	return s
}

func (d *Decoder) specifier(part bool) Specifier {
	switch k := Specifier(d.Keyword()); k {
	case SectionHeader, SectionFields, SectionFieldsNot, SectionText:
		return k
	case SectionMIME:
		if part {
			return k
		}
	}
	d.Want("HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or, behind a part, MIME")
	return ""
}

// fieldName reads a header-fld-name. A field name of RFC 5322 has no colon and no space.
func (d *Decoder) fieldName() string {
	name := d.Astring()
	if d.err != nil {
		return ""
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f || name[i] == ':' {
			d.Want("the name of a header field")
		}
	}
	if name == "" || len(name) > maxSectionFieldName {
		d.Want("the name of a header field")
	}
	return name
}

// partial reads <offset.length>, or <offset>.
func (d *Decoder) partial(s *Section) {
	if !d.Accept('<') {
		return
	}
	s.Partial = true
	s.Offset = d.Number64()
	if d.Accept('.') {
		if s.Length = d.Number64(); s.Length == 0 {
			d.Want("a length above 0")
		}
	}
	d.Expect('>')
}

// AppendSection appends the section with its brackets, and its range as a command has it, or a response if Length
// is 0.
func AppendSection(dst []byte, s *Section) []byte {
	dst = append(dst, '[')
	for i, n := range s.Part {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendUint(dst, uint64(n), 10)
	}
	if len(s.Part) > 0 && s.Specifier != "" {
		dst = append(dst, '.')
	}
	dst = append(dst, s.Specifier...)
	if s.Specifier == SectionFields || s.Specifier == SectionFieldsNot {
		for i, f := range s.Fields {
			if dst = append(dst, ' '); i == 0 {
				dst = append(dst, '(')
			}
			dst = AppendAString(dst, f)
		}
		dst = append(dst, ')')
	}
	dst = append(dst, ']')
	if s.Partial {
		dst = append(dst, '<')
		dst = strconv.AppendInt(dst, s.Offset, 10)
		if s.Length > 0 {
			dst = append(dst, '.')
			dst = strconv.AppendInt(dst, s.Length, 10)
		}
		dst = append(dst, '>')
	}
	return dst
}

// Cut returns what the range of s leaves of a piece of size octets: n octets from start on.
func (s *Section) Cut(size int64) (start, n int64) {
	if !s.Partial {
		return 0, size
	}
	if s.Offset >= size {
		return 0, 0
	}
	return s.Offset, min(s.Length, size-s.Offset)
}

// Extract returns the piece of the message that s names, as it is there; false if there is no such part. Only header
// fields that are picked out are copied. The range is not applied: see Cut.
func (s *Section) Extract(m *message.Message) ([]byte, bool) {
	p, isMessage := s.find(m)
	if p == nil {
		return nil, false
	}
	if !isMessage {
		switch s.Specifier {
		case SectionAll:
			return p.Body(), true
		case SectionMIME:
			return p.Header(), true
		}
		if p.Kind != message.Embedded { // RFC 9051 §6.4.5.1: of message/rfc822 only
			return nil, false
		}
		p = p.Child(1)
	}
	switch s.Specifier {
	case SectionAll:
		return p.Bytes(), true
	case SectionHeader:
		return p.Header(), true
	case SectionText:
		return p.Body(), true
	case SectionFields, SectionFieldsNot:
		return s.pick(p), true
	}
	return nil, false
}

// Decode is Extract for BINARY: the part without its content-transfer-encoding (RFC 3516 §4.2), a message as it is.
// The error is ErrUnknownEncoding.
func (s *Section) Decode(m *message.Message) (text []byte, ok bool, err error) {
	p, isMessage := s.find(m)
	switch {
	case p == nil:
		return nil, false, nil
	case isMessage:
		return p.Bytes(), true, nil
	}
	text, err = DecodeTransfer(p)
	return text, err == nil, err
}

// find follows the part numbers: in a multipart they count its parts, part 1 of a message that is no multipart is
// its body, and a message/rfc822 is gone into (RFC 9051 §6.4.5.1).
func (s *Section) find(m *message.Message) (p *message.Part, isMessage bool) {
	p, isMessage = m.Root(), true
	for _, n := range s.Part {
		if !isMessage && p.Kind == message.Embedded {
			p, isMessage = p.Child(1), true
		}
		switch {
		case p.Kind == message.Multipart:
			if n > message.MaxParts {
				return nil, false
			}
			if p = p.Child(int(n)); p == nil {
				return nil, false
			}
		case !isMessage || n != 1:
			return nil, false
		}
		isMessage = false
	}
	return p, isMessage
}

// pick copies the fields that are named, or those that are not, and the empty line behind them.
func (s *Section) pick(p *message.Part) []byte {
	raw := p.Message().Raw
	names := make(map[string]bool, len(s.Fields))
	longest := 0
	for _, f := range s.Fields {
		names[strings.ToLower(f)] = true
		longest = max(longest, len(f))
	}
	var out, lower []byte
	for _, f := range p.Fields() {
		name := f.Name(raw)
		named := false
		if len(name) <= longest {
			lower = append(lower[:0], name...)
			for i, c := range lower {
				if 'A' <= c && c <= 'Z' {
					lower[i] += 'a' - 'A'
				}
			}
			named = names[string(lower)]
		}
		if named == (s.Specifier == SectionFields) {
			out = append(out, f.Bytes(raw)...)
		}
	}
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, "\r\n"...)
	}
	return append(out, "\r\n"...)
}
