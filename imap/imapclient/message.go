package imapclient

import (
	"io"
	"iter"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// A Message is one FETCH response.
type Message struct {
	Seq uint32 // 0 after Enable("UIDONLY")
	imap.Message
	// Preview is the answer to an item of Preview, HasPreview that there is one, perhaps an empty one: without it, the server
	// has not made it yet (RFC 8970 §4.1).
	Preview    string
	HasPreview bool
	// Unknown are items that this package does not know, as they were on the wire.
	Unknown []Unknown

	cmd    *command
	bodies []*Piece
	next   int    // of bodies, for Bodies
	stream *Piece // that parsing has stopped at
	memory int64  // octets of bodies kept
	open   bool   // the response has not ended
	err    error
}

// An Unknown is an item of a FETCH response with a name that is not known here.
type Unknown struct {
	Name, Value string
}

// A Piece is a piece of a message: the answer to one item of the kind BODY[] or BINARY[]. It is an io.Reader.
type Piece struct {
	Item imap.FetchItem // as the server has named it
	Size int64          // octets
	// Absent says that the server has sent NIL: there is no such part.
	Absent bool

	m    *Message
	data []byte        // left of a piece that was kept
	lit  *imap.Literal // of one that was not
	r    io.Reader
	left int64
	err  error
}

// Bodies yields the pieces that were asked for, in the order in which they come. Each has to be read before the next
// one, or is passed over. Pieces longer than Limits.Buffer are read from the connection; fields of the Message that the
// server sends behind such a piece are filled in when the piece has been read.
func (m *Message) Bodies() iter.Seq[*Piece] {
	return func(yield func(*Piece) bool) {
		for {
			for m.next >= len(m.bodies) && m.stream != nil {
				m.resume()
			}
			if m.next >= len(m.bodies) {
				return
			}
			m.next++
			if !yield(m.bodies[m.next-1]) {
				return
			}
		}
	}
}

// Body returns the first piece that has not been taken from Bodies, nil if there is none.
func (m *Message) Body() *Piece {
	for p := range m.Bodies() {
		return p
	}
	return nil
}

// parse reads items until the end, or up to a piece that is to be read from the connection.
func (m *Message) parse(stream bool) {
	d := m.cmd.c.d
	_ = d.Keyword()
	d.SP()
	d.Expect('(')
	m.open = true
	m.items(stream)
}

func (m *Message) items(stream bool) {
	d := m.cmd.c.d
	for m.open {
		att := imap.FetchAtt("FETCH")
		for d.Accept(' ') {
		}
		if d.Accept(')') {
			m.open = false
			return
		}
		if d.Err() == nil {
			it := d.FetchDataItem()
			att = it.Att
			for d.Accept(' ') {
			}
			if err := m.value(it, stream); err != nil && m.err == nil {
				m.err = &ItemError{Seq: m.Seq, Item: att, Err: err}
			}
		}
		if err := d.Err(); err != nil { // the rest of the response is lost
			if m.open = false; m.err == nil {
				m.err = &ItemError{Seq: m.Seq, Item: att, Err: err}
			}
		}
		if m.stream != nil {
			return
		}
	}
}

// value reads the value of one item. After an error what is half read does not count.
func (m *Message) value(it imap.FetchItem, stream bool) error {
	d := m.cmd.c.d
	switch it.Att {
	case imap.FetchBody, imap.FetchBinary, imap.FetchRFC822, imap.FetchRFC822Header, imap.FetchRFC822Text:
		m.piece(it, stream)
		return d.Err()
	}
	before := m.Message
	err := d.Try(func() { m.item(it) })
	if err != nil {
		m.Message = before
	}
	return err
}

// item reads the value of an item that is not a piece.
func (m *Message) item(it imap.FetchItem) {
	d := m.cmd.c.d
	switch it.Att {
	case imap.FetchUID:
		m.UID = imap.UID(d.NzNumber())
	case imap.FetchFlags:
		m.Flags = flags(d)
	case imap.FetchInternalDate:
		m.InternalDate = d.DateTime()
	case imap.FetchSize:
		if d.Accept('-') { // there are servers that do not know
			_ = d.Number64()
		} else {
			m.Size = d.Number64()
		}
	case imap.FetchEnvelope:
		m.Envelope = d.Envelope()
	case imap.FetchStructure, imap.FetchBodyStructure:
		m.Structure = d.BodyStructure()
	case imap.FetchModSeq:
		d.Expect('(')
		m.ModSeq = imap.ModSeq(d.Number64())
		d.Expect(')')
	case imap.FetchEmailID:
		d.List(func() { m.EmailID = d.Atom() })
	case imap.FetchThreadID:
		if !d.AcceptKeyword("NIL") {
			d.List(func() { m.ThreadID = d.Atom() })
		}
	case imap.FetchPreview:
		m.Preview, m.HasPreview = d.Nstring()
	case "SAVEDATE":
		if !d.AcceptKeyword("NIL") {
			m.SaveDate = d.DateTime()
		}
	default:
		if v := d.Value(); d.Err() == nil {
			m.Unknown = append(m.Unknown, Unknown{string(it.Att), v})
		}
	}
}

// flags reads flags, and takes brackets and strings for keywords, which some servers send.
func flags(d *imap.Decoder) []imap.Flag {
	out := []imap.Flag{}
	d.List(func() {
		if len(out) == imap.MaxFlags {
			d.Fail(&imap.LimitError{What: "flags", Limit: imap.MaxFlags})
		}
		if d.Peek() == '\\' {
			out = append(out, d.Flag())
		} else {
			out = append(out, imap.Flag(d.Astring()))
		}
	})
	return out
}

// piece reads a piece into memory, or stops at it.
func (m *Message) piece(it imap.FetchItem, stream bool) {
	d, limits := m.cmd.c.d, &m.cmd.c.o.Limits
	p := &Piece{Item: it, m: m}
	lit := d.Literal()
	switch {
	case lit != nil && !stream: // nobody wants it
		p.Size = lit.Size
		if m.skip(lit); d.Err() == nil {
			return
		}
	case lit != nil && (lit.Size > limits.Buffer || m.memory+lit.Size > 4*limits.Buffer):
		p.Size, p.left, p.lit = lit.Size, lit.Size, lit
		m.stream = p
	case lit != nil:
		p.Size = lit.Size
		m.memory += lit.Size
		r, err := lit.Open()
		if err != nil {
			return
		}
		p.data = make([]byte, lit.Size)
		if _, err := io.ReadFull(r, p.data); err != nil {
			return
		}
	default:
		s, ok := d.Nstring()
		p.Size, p.Absent, p.data = int64(len(s)), !ok, []byte(s)
	}
	if d.Err() == nil {
		m.bodies = append(m.bodies, p)
	}
}

// skip passes over a literal, however slowly it comes.
func (m *Message) skip(lit *imap.Literal) {
	r, err := lit.Open()
	if err != nil {
		return
	}
	p := &Piece{m: m, lit: lit, r: r, left: lit.Size}
	p.drain()
}

// resume goes on behind the piece that parsing has stopped at.
func (m *Message) resume() {
	p := m.stream
	m.stream = nil
	p.drain()
	m.items(true)
}

// finish passes over what nobody has read.
func (m *Message) finish() {
	for m.stream != nil {
		p := m.stream
		m.stream = nil
		p.drain()
		m.items(false)
	}
	m.cmd = nil
	for _, p := range m.bodies {
		p.data = nil
	}
}

// drain reads the rest of a piece.
func (p *Piece) drain() {
	cmd := p.m.cmd
	if p.left > cmd.c.o.Limits.Discard {
		_ = cmd.lose(cmd.tooMuch("octets to pass over", cmd.c.o.Limits.Discard))
		return
	}
	_, _ = io.Copy(io.Discard, struct{ io.Reader }{p})
}

// Read implements io.Reader. A connection that ends within the piece is io.ErrUnexpectedEOF, wrapped. The piece is
// valid until the next iteration of the loop over Fetch.
func (p *Piece) Read(b []byte) (int, error) {
	switch {
	case p.err != nil:
		return 0, p.err
	case p.m.cmd == nil:
		return 0, io.ErrClosedPipe
	case p.lit == nil:
		if len(p.data) == 0 && len(b) > 0 {
			return 0, io.EOF
		}
		n := copy(b, p.data)
		p.data = p.data[n:]
		return n, nil
	case p.left == 0:
		return 0, io.EOF
	}
	return p.receive(b)
}

// receive reads from the connection.
func (p *Piece) receive(b []byte) (int, error) {
	cmd := p.m.cmd
	if cmd.resume() {
		defer func() { cmd.paused = time.Now() }()
	}
	if p.err = cmd.arm(); p.err != nil {
		return 0, p.err
	}
	if p.r == nil {
		if p.r, p.err = p.lit.Open(); p.err != nil {
			return 0, p.err
		}
	}
	n, err := p.r.Read(b)
	p.left -= int64(n)
	if err != nil {
		p.err = cmd.lose(cmd.fault(err))
	}
	return n, p.err
}
