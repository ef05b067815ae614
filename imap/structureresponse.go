package imap

import (
	"strings"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// Envelope reads an ENVELOPE (RFC 9051 §7.5.2), what AppendEnvelope writes.
func (d *Decoder) Envelope() *Envelope {
	e := &Envelope{}
	d.Expect('(')
	e.Date = d.text()
	d.SP()
	e.Subject = d.text()
	for _, list := range [...]*[]Address{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc} {
		d.SP()
		*list = d.addresses()
	}
	d.SP()
	e.InReplyTo = d.text()
	d.SP()
	e.MessageID = d.text()
	for d.o.Lenient && d.Accept(' ') {
	}
	d.Expect(')')
	return e
}

// text reads an nstring, NIL as "". A lenient Decoder takes an atom, which some servers send.
func (d *Decoder) text() string {
	if d.isString() {
		return d.IString()
	}
	if d.o.Lenient && !d.atNIL() {
		return string(d.while("a string or NIL", func(c byte) bool { return c > ' ' && c != '(' && c != ')' && c != '"' && c != '{' }))
	}
	s, _ := d.Nstring()
	return s
}

func (d *Decoder) atNIL() bool {
	b := d.rest()
	return len(b) >= 3 && foldEqual(b[:3], "nil") && (len(b) == 3 || !isAtomChar(b[3]))
}

// maxAddresses is how many addresses one list has at most.
const maxAddresses = 100_000

func (d *Decoder) addresses() []Address {
	if d.Peek() != '(' {
		if d.text() != "" {
			d.Want("addresses or NIL")
		}
		return nil
	}
	d.Expect('(')
	var out []Address
	for d.err == nil {
		for d.o.Lenient && d.Accept(' ') {
		}
		if d.Accept(')') {
			break
		}
		if len(out) == maxAddresses {
			d.Fail(&LimitError{What: "addresses", Limit: maxAddresses})
		}
		var a Address
		d.Expect('(')
		a.Name = d.text()
		d.SP()
		_ = d.text() // the source route
		d.SP()
		a.Mailbox = d.text()
		d.SP()
		a.Host = d.text()
		d.Expect(')')
		out = append(out, a)
	}
	if len(out) == 0 && !d.o.Lenient {
		d.Want("an address")
	}
	return out
}

// BodyStructure reads a BODYSTRUCTURE, or a BODY without extension data (RFC 9051 §7.5.2): what AppendBodyStructure
// writes. It is no deeper than MaxNesting and has no more than message.MaxParts parts, else a *LimitError.
func (d *Decoder) BodyStructure() *BodyStructure {
	p := structureParser{Decoder: d, left: message.MaxParts}
	b := &BodyStructure{}
	p.part(b, 0)
	return b
}

type structureParser struct {
	*Decoder
	left int
}

func (p *structureParser) part(b *BodyStructure, depth int) {
	if p.left--; p.left < 0 {
		p.Fail(&LimitError{What: "parts", Limit: message.MaxParts})
	}
	if depth >= MaxNesting {
		p.Fail(&LimitError{What: "nesting", Limit: MaxNesting})
	}
	p.Expect('(')
	if p.Peek() == '(' {
		p.multipart(b, depth)
	} else {
		p.single(b, depth)
	}
	for p.err == nil && !p.Accept(')') { // extension data that nobody has defined yet
		p.SP()
		if p.o.Lenient && p.Accept(')') {
			break
		}
		_ = p.Value()
	}
}

func (p *structureParser) multipart(b *BodyStructure, depth int) {
	b.Type = "MULTIPART"
	for p.Peek() == '(' && p.err == nil {
		b.Parts = append(b.Parts, BodyStructure{})
		p.part(&b.Parts[len(b.Parts)-1], depth+1)
		if rest := p.rest(); p.o.Lenient && len(rest) > 1 && rest[0] == ' ' && rest[1] == '(' {
			p.SP()
		}
	}
	p.SP()
	b.Subtype = strings.ToUpper(p.text())
	p.tail(b, true)
}

func (p *structureParser) single(b *BodyStructure, depth int) {
	b.Type = strings.ToUpper(p.text())
	p.SP()
	b.Subtype = strings.ToUpper(p.text())
	p.SP()
	b.Params = p.params()
	p.SP()
	b.ID = p.text()
	p.SP()
	b.Description = p.text()
	p.SP()
	if b.Encoding = strings.ToUpper(p.text()); b.Encoding == "" {
		b.Encoding = "7BIT"
	}
	p.SP()
	b.Size = p.octets()
	if b.Type == "MESSAGE" && (b.Subtype == "RFC822" || b.Subtype == "GLOBAL") && p.another('(') {
		b.Envelope = p.Envelope()
		p.SP()
		b.Message = &BodyStructure{}
		p.part(b.Message, depth+1)
		p.SP()
		b.Lines = p.octets()
	} else if b.Type == "TEXT" && p.another(0) {
		b.Lines = p.octets()
	}
	p.tail(b, false)
}

// another passes the space before another field, which begins with c unless c is 0. What has to be there must be there,
// but for a lenient Decoder.
func (p *structureParser) another(c byte) bool {
	b := p.rest()
	if p.o.Lenient && (len(b) < 2 || b[0] != ' ' || c != 0 && b[1] != c) {
		return false
	}
	p.SP()
	return p.err == nil
}

// octets reads a number. A lenient Decoder takes NIL and numbers below 0, which some servers send, for 0.
func (p *structureParser) octets() int64 {
	if p.o.Lenient {
		if p.atNIL() {
			_ = p.text()
			return 0
		}
		if p.Accept('-') {
			_ = p.Number64()
			return 0
		}
	}
	return p.Number64()
}

// params reads body-fld-param.
func (p *structureParser) params() []BodyParam {
	if p.Peek() != '(' {
		if p.text() != "" {
			p.Want("parameters or NIL")
		}
		return nil
	}
	var out []BodyParam
	p.List(func() {
		if len(out) == MaxFlags {
			p.Fail(&LimitError{What: "parameters", Limit: MaxFlags})
		}
		name := p.text()
		p.SP()
		out = append(out, BodyParam{name, p.text()})
	})
	return out
}

// tail reads extension data as far as there is some.
func (p *structureParser) tail(b *BodyStructure, multipart bool) {
	more := func() bool {
		if p.err != nil || p.Peek() != ' ' {
			return false
		}
		p.SP()
		return p.Peek() != ')'
	}
	if !more() {
		return
	}
	if multipart {
		b.Params = p.params()
	} else {
		b.MD5 = p.text()
	}
	if !more() {
		return
	}
	if p.Peek() == '(' {
		p.Expect('(')
		b.Disposition = p.text()
		if p.another(0) {
			b.DispParams = p.params()
		}
		p.Expect(')')
	} else {
		b.Disposition = p.text()
	}
	if !more() {
		return
	}
	if p.Peek() == '(' {
		p.List(func() { b.Language = append(b.Language, p.text()) })
	} else if l := p.text(); l != "" {
		b.Language = []string{l}
	}
	if more() {
		b.Location = p.text()
	}
}
