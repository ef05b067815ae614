package message

import "bytes"

// Parse maps raw. It never fails and takes time and space linear in len(raw):
//
//   - The header ends at the first empty line, or at a boundary of a multipart around it. A line without a colon is
//     a Field without a name; the body begins nowhere else.
//   - A boundary is looked for at the beginning of lines. What follows it in the line does not matter; of several
//     that fit, the longest counts, and of equal ones the innermost (RFC 2046 §5.1.1).
//   - A multipart whose end boundary is missing ends with what is around it.
//   - A multipart in which no boundary is found, or that names none, is all preamble, "to be ignored" (RFC 2046
//     §5.1.1). It gets one Synthetic part, which is empty: what filters and mail stores take it for.
//   - message/rfc822 is gone into whatever its Content-Transfer-Encoding; RFC 2046 §5.2.1 allows none.
func Parse(raw []byte) *Message {
	m := &Message{Raw: raw, Parts: make([]Part, 0, 4), fields: make([]Field, 0, 24)}
	p := parser{m: m, raw: raw}
	p.entity(-1, 0, false)
	for i := range m.Parts {
		m.Parts[i].m = m
	}
	return m
}

type parser struct {
	m          *Message
	raw        []byte
	pos        int
	boundaries [][]byte // of the multiparts around pos, outermost first
}

// A hit is a boundary line, or the end of the message where level is -1.
type hit struct {
	level int // index in parser.boundaries
	end   bool
	at    int // where the line break before it begins
}

// entity parses header and body from pos and returns the boundary that ended them; pos is behind it then.
func (p *parser) entity(parent, depth int, digest bool) hit {
	self := len(p.m.Parts)
	p.m.Parts = append(p.m.Parts, Part{
		Start: p.pos, Index: self, Parent: parent, Depth: depth, digest: digest, field: len(p.m.fields),
	})
	h, cut := p.header()
	part := &p.m.Parts[self]
	part.nfeld = len(p.m.fields) - part.field
	part.BodyStart = p.pos
	if cut {
		part.BodyStart = max(part.Start, h.at)
	}
	kind, boundary, isDigest := p.kind(part)
	part.Kind = kind
	full := len(p.m.Parts) >= MaxParts
	switch {
	case kind != Leaf && (depth == MaxDepth || full):
		part.Kind, part.opaque, p.m.Truncated = Leaf, true, true
		if !cut {
			h = p.find()
		}
	case cut:
	case kind == Multipart && len(boundary) > 0:
		h = p.multipart(self, depth, boundary, isDigest)
	case kind == Embedded:
		h = p.entity(self, depth+1, false)
	default:
		h = p.find()
	}
	part = &p.m.Parts[self]
	part.End = max(part.BodyStart, h.at)
	if part.Kind != Leaf && len(p.m.Parts) == self+1 {
		start := part.BodyStart
		if part.Kind == Multipart {
			start = part.End
		}
		p.m.Parts = append(p.m.Parts, Part{
			Start: start, BodyStart: start, End: part.End, Synthetic: true,
			Depth: depth + 1, Index: self + 1, Parent: self, field: len(p.m.fields), next: self + 2,
		})
	}
	p.m.Parts[self].next = len(p.m.Parts)
	return h
}

func (p *parser) multipart(self, depth int, boundary []byte, digest bool) hit {
	level := len(p.boundaries)
	p.boundaries = append(p.boundaries, boundary)
	h := p.find() // ends the preamble
	for h.level == level && !h.end {
		if len(p.m.Parts) >= MaxParts {
			p.m.Truncated = true
			p.boundaries = p.boundaries[:0] // nothing is looked for any more
			h = hit{level: -1, at: len(p.raw)}
			p.extend(self)
			p.pos = len(p.raw)
			return h
		}
		h = p.entity(self, depth+1, digest)
	}
	p.boundaries = p.boundaries[:min(level, len(p.boundaries))]
	if h.level == level {
		h = p.find() // ends the epilogue
	}
	return h
}

// extend makes the last child of self, and all last children below it, end with the message.
func (p *parser) extend(self int) {
	for i := len(p.m.Parts) - 1; i > self; i = p.m.Parts[i].Parent {
		p.m.Parts[i].End = len(p.raw)
	}
}

// header collects the fields from pos up to and with the empty line. cut says that a boundary came first.
func (p *parser) header() (h hit, cut bool) {
	open := false // a field that a folded line may continue
	for p.pos < len(p.raw) {
		line := p.raw[p.pos:]
		n := bytes.IndexByte(line, '\n') + 1
		if n == 0 {
			n = len(line)
		}
		line = line[:n]
		if len(trimBreak(line)) == 0 && line[n-1] == '\n' {
			p.pos += n
			return hit{level: -1, at: len(p.raw)}, false
		}
		if h, ok := p.match(p.pos); ok {
			h.at = p.pos // the line break before it ends a field
			p.pos += n
			return h, true
		}
		if open && (line[0] == ' ' || line[0] == '\t') {
			p.m.fields[len(p.m.fields)-1].End += n
		} else {
			colon := bytes.IndexByte(line, ':')
			p.m.fields = append(p.m.fields, Field{Start: p.pos, Colon: p.pos + colon, End: p.pos + n})
			open = true
		}
		p.pos += n
	}
	return hit{level: -1, at: len(p.raw)}, false
}

// find goes to behind the next boundary line. pos is the beginning of a line.
func (p *parser) find() hit {
	start := p.pos
	for len(p.boundaries) > 0 && p.pos < len(p.raw) {
		h, ok := p.match(p.pos)
		if ok {
			if n := bytes.IndexByte(p.raw[p.pos:], '\n'); n >= 0 {
				p.pos += n + 1
			} else {
				p.pos = len(p.raw)
			}
			h.at = max(h.at, start) // that line break ended a header
			return h
		}
		n := bytes.Index(p.raw[p.pos:], []byte("\n--"))
		if n < 0 {
			break
		}
		p.pos += n + 1
	}
	p.pos = len(p.raw)
	return hit{level: -1, at: len(p.raw)}
}

// match reports whether a boundary line begins at the offset at.
func (p *parser) match(at int) (hit, bool) {
	s := p.raw[at:]
	if len(p.boundaries) == 0 || len(s) < 3 || s[0] != '-' || s[1] != '-' {
		return hit{}, false
	}
	s = s[2:]
	best, length := -1, 0
	for i := len(p.boundaries) - 1; i >= 0; i-- {
		if b := p.boundaries[i]; len(b) > length && bytes.HasPrefix(s, b) {
			best, length = i, len(b)
		}
	}
	if best < 0 {
		return hit{}, false
	}
	end := at
	if end > 0 { // the line break before it
		end--
		if end > 0 && p.raw[end-1] == '\r' {
			end--
		}
	}
	return hit{level: best, end: bytes.HasPrefix(s[length:], []byte("--")), at: end}, true
}

// kind reads from the part's Content-Type what it consists of.
func (p *parser) kind(part *Part) (kind Kind, boundary []byte, digest bool) {
	for _, f := range p.m.fields[part.field : part.field+part.nfeld] {
		if !f.Is(p.raw, "Content-Type") {
			continue
		}
		s := scanner{b: f.Value(p.raw)}
		typ, sub := s.mediaType()
		switch {
		case equalFold(typ, "multipart"):
			return Multipart, s.boundary(), equalFold(sub, "digest")
		case equalFold(typ, "message") && (equalFold(sub, "rfc822") || equalFold(sub, "global")):
			return Embedded, nil, false
		}
		return Leaf, nil, false
	}
	if part.digest {
		return Embedded, nil, false
	}
	return Leaf, nil, false
}
