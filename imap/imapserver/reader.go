package imapserver

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// copyPiece sends the octets of a piece.
func (c *session) copyPiece(r *reader, p *piece) error {
	if p.text != nil {
		_, err := c.bw.Write(p.text)
		return err
	}
	if p.n <= 2*writeSize { // bufio.Writer fills its own buffer; a bigger one goes around it
		_, err := c.bw.ReadFrom(io.NewSectionReader(r.body, p.start, p.n))
		return err
	}
	buf := r.buffer()
	for at, end := p.start, p.start+p.n; at < end; {
		chunk := buf[:min(int64(len(buf)), end-at)]
		n, err := r.body.ReadAt(chunk, at)
		if n < len(chunk) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if _, err := c.bw.Write(chunk); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// A reader is one message open for FETCH, with the piece that each item names. A piece that is one range of the stored
// octets is sent from there; the message is read into memory only for what needs its structure.
type reader struct {
	c      *session
	body   imap.Body
	pieces []piece // one an item, zero where the item does not read the message
	copied int64   // octets of the pieces that are no ranges of the body
	header int64   // length of the header, -1 if not known
	whole  *message.Message
	head   *message.Message
}

// A piece is the answer to one item.
type piece struct {
	nothing  bool // there is no such part
	binary   bool // BINARY[...]: a literal8 where it holds NUL
	sizeOnly bool // BINARY.SIZE[...]
	start, n int64
	text     []byte // the octets, or nil: n octets of the body from start on
}

// openMessage opens a message of a mailbox and finds the pieces.
func (c *session) openMessage(m imap.Mailbox, f *fetching, uid imap.UID) (*reader, error) {
	body, err := m.Body(c.ctx, uid)
	if err != nil {
		return nil, err
	}
	c.scratch = c.scratch[:0]
	r := &f.reader
	if r.pieces == nil {
		r.pieces = make([]piece, len(f.items))
	}
	clear(r.pieces)
	*r = reader{c: c, body: body, pieces: r.pieces, header: -1}
	for i := range f.items {
		if f.labels[i] == nil {
			continue
		}
		if err := r.find(&f.items[i], &r.pieces[i]); err != nil {
			_ = body.Close()
			return nil, err
		}
	}
	return r, nil
}

// Close closes the body.
func (r *reader) Close() { _ = r.body.Close() }

// find sets the piece that an item names.
func (r *reader) find(it *imap.FetchItem, p *piece) error {
	s := &it.Section
	if it.Att == imap.FetchPreview {
		return r.preview(p)
	}
	if it.Att == imap.FetchBinary || it.Att == imap.FetchBinarySize {
		p.binary, p.sizeOnly = true, it.Att == imap.FetchBinarySize
		return r.decoded(s, p)
	}
	size := r.body.Size()
	switch {
	case len(s.Part) > 0:
		if err := r.parse(); err != nil {
			return err
		}
		text, ok := s.Extract(r.whole)
		return r.set(s, p, text, ok)
	case s.Specifier == imap.SectionAll:
		p.start, p.n = s.Cut(size)
	default:
		if err := r.readHeader(); err != nil {
			return err
		}
		if s.Specifier == imap.SectionText {
			p.start, p.n = s.Cut(size - r.header)
			p.start += r.header
			return nil
		}
		text, ok := s.Extract(r.head)
		return r.set(s, p, text, ok)
	}
	return nil
}

// set makes text, within the range of s, the piece. Many items that pick fields of a large header are a *LimitError.
func (r *reader) set(s *imap.Section, p *piece, text []byte, ok bool) error {
	if p.nothing = !ok; !ok {
		return nil
	}
	if p.binary || s.Specifier == imap.SectionFields || s.Specifier == imap.SectionFieldsNot {
		if r.copied += int64(len(text)); r.copied > 2*r.body.Size()+1<<20 {
			return &imap.LimitError{What: "octets of one message", Limit: 2*r.body.Size() + 1<<20}
		}
	}
	start, n := s.Cut(int64(len(text)))
	p.text, p.n = text[start:start+n], n
	return nil
}

// appendHead appends what comes before the octets.
func (p *piece) appendHead(b []byte) []byte {
	switch {
	case p.sizeOnly:
		return strconv.AppendInt(b, p.n, 10)
	case p.nothing:
		return append(b, "NIL"...)
	case p.n == 0:
		return append(b, `""`...)
	}
	return imap.AppendLiteralHeader(b, p.n, p.binary && bytes.IndexByte(p.text, 0) >= 0, false)
}

// grow returns the scratch buffer with room for n more octets behind what is in it.
func (c *session) grow(n int) []byte {
	if cap(c.scratch)-len(c.scratch) < n {
		c.scratch = append(make([]byte, 0, len(c.scratch)+n), c.scratch...)
	}
	return c.scratch[len(c.scratch) : len(c.scratch)+n]
}

// buffer is for copying.
func (r *reader) buffer() []byte { return r.c.grow(writeSize) }

// parse reads the whole message.
func (r *reader) parse() error {
	if r.whole != nil {
		return nil
	}
	raw := r.c.grow(int(r.body.Size()))
	if err := readFull(r.body, raw, 0); err != nil {
		return err
	}
	r.c.scratch = r.c.scratch[:len(r.c.scratch)+len(raw)]
	r.whole = message.Parse(raw)
	return nil
}

// maxPreviewed is how much of a message is read for its preview, which takes no undue delay for LAZY then (RFC 8970 §4.1).
const maxPreviewed = 256 << 10

// preview sets the piece of PREVIEW.
func (r *reader) preview(p *piece) error {
	size := r.body.Size()
	m := r.whole
	if m == nil && size <= maxPreviewed {
		if err := r.parse(); err != nil {
			return err
		}
		m = r.whole
	} else if m == nil {
		raw := r.c.grow(maxPreviewed)
		if err := readFull(r.body, raw, 0); err != nil {
			return err
		}
		m = message.Parse(raw)
	}
	p.text = []byte(imap.Preview(m))
	p.n = int64(len(p.text))
	return nil
}

// readHeader reads as much of the message as has its header in it.
func (r *reader) readHeader() error {
	if r.header >= 0 {
		return nil
	}
	size := r.body.Size()
	for n := min(size, readSize); ; n = min(size, 4*n) {
		raw := r.c.grow(int(n))
		if err := readFull(r.body, raw, 0); err != nil {
			return err
		}
		end := headerEnd(raw)
		if end < 0 && n < size {
			continue
		}
		if end < 0 {
			end = len(raw)
		}
		r.head = message.Parse(raw[:end])
		r.header = int64(r.head.Root().BodyStart)
		r.c.scratch = r.c.scratch[:len(r.c.scratch)+end]
		return nil
	}
}

// headerEnd returns where the header ends, the empty line included, -1 if that is not in raw.
func headerEnd(raw []byte) int {
	for i := 0; i < len(raw); {
		n := bytes.IndexByte(raw[i:], '\n')
		if n < 0 {
			return -1
		}
		if n == 0 || n == 1 && raw[i] == '\r' {
			return i + n + 1
		}
		i += n + 1
	}
	return -1
}

func readFull(r io.ReaderAt, p []byte, at int64) error {
	if n, err := r.ReadAt(p, at); n < len(p) {
		return fmt.Errorf("imapserver: message: %w", err)
	}
	return nil
}

// decoded sets the piece of BINARY: the part without its content-transfer-encoding (RFC 3516 §4.2).
func (r *reader) decoded(s *imap.Section, p *piece) error {
	if err := r.parse(); err != nil {
		return err
	}
	text, ok, err := s.Decode(r.whole)
	if err != nil {
		return err
	}
	return r.set(s, p, text, ok)
}

// A searchText reads the text of one message where SEARCH needs it.
type searchText struct {
	c    *session
	box  imap.Mailbox
	uid  imap.UID
	r    *reader
	fail error
}

func (t *searchText) open() error {
	if t.r == nil && t.fail == nil {
		t.r, t.fail = t.c.openMessage(t.box, &fetching{}, t.uid)
	}
	return t.fail
}

func (t *searchText) close() {
	if t.r != nil {
		t.r.Close()
	}
}

// Header implements imap.SearchText.
func (t *searchText) Header() (*message.Message, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	if t.r.whole != nil {
		return t.r.whole, nil
	}
	if err := t.r.readHeader(); err != nil {
		return nil, err
	}
	return t.r.head, nil
}

// Message implements imap.SearchText.
func (t *searchText) Message() (*message.Message, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	if err := t.r.parse(); err != nil {
		return nil, err
	}
	return t.r.whole, nil
}
