package imapserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/smtp/message"
)

// A fetching is one FETCH: what is asked for, and what that needs.
type fetching struct {
	items   []imap.FetchItem
	labels  [][]byte // what stands before the octets in the answer; nil for an item that is a field
	want    imap.Fields
	body    bool        // some item reads the message
	seen    bool        // some item sets \Seen
	flags   bool        // FLAGS is among the items
	modseq  bool        // MODSEQ is
	since   imap.ModSeq // CHANGEDSINCE
	gone    bool        // VANISHED
	changed imap.UIDSet // whose \Seen this command has set
	told    int64       // messages
	reader  reader      // of the message under way
}

// fetch is FETCH and UID FETCH (RFC 9051 §6.4.5), with CHANGEDSINCE (RFC 7162 §3.1.4.1).
func (c *session) fetch() (*imap.Status, error) {
	c.d.SP()
	var set imap.SequenceSet
	uids, setErr := c.saved, error(nil)
	if !c.d.Accept('$') {
		set = c.d.SequenceSet()
		uids, setErr = c.numbers(set)
	}
	c.d.SP()
	f := fetching{items: c.d.FetchItems()}
	if c.d.Accept(' ') {
		c.fetchModifiers(&f)
	}
	if c.d.EOL(); c.d.Err() != nil || setErr != nil {
		return nil, setErr
	}
	if f.gone {
		if err := c.tellGoneSince(set, f.since); err != nil {
			return nil, err
		}
	}
	f.plan(c)
	if f.seen && !c.box.readOnly && c.account.Flagger != nil {
		if err := c.setSeen(&f, uids); err != nil {
			return nil, err
		}
	}
	if err := c.tellMessages(&f, uids); err != nil {
		return nil, err
	}
	if err := c.sync(c.uid); err != nil {
		return nil, err
	}
	if !c.uid && f.since == 0 && f.told < c.box.count(uids) {
		return nil, no(imap.CodeExpungeIssued, "some of the messages have gone")
	}
	return nil, nil
}

// plan finds out what the items need, and gives RFC822 and its like the form of BODY[...].
func (f *fetching) plan(c *session) {
	if c.uid || c.qresync { // RFC 7162 §3.2.4
		f.items = append([]imap.FetchItem{{Att: imap.FetchUID}}, f.items...)
	}
	if f.since > 0 {
		f.want |= imap.FieldModSeq
	}
	seen := map[imap.FetchAtt]bool{}
	f.items = slices.DeleteFunc(f.items, func(it imap.FetchItem) bool {
		plain := it.Att[len(it.Att)-1] != ']'
		twice := plain && seen[it.Att]
		seen[it.Att] = true
		return twice
	})
	f.labels = make([][]byte, len(f.items))
	for i := range f.items {
		it := &f.items[i]
		switch it.Att {
		case imap.FetchFlags:
			f.want |= imap.FieldFlags
			f.flags = true
		case imap.FetchInternalDate:
			f.want |= imap.FieldInternalDate
		case imap.FetchSaveDate:
			f.want |= imap.FieldSaveDate
		case imap.FetchSize:
			f.want |= imap.FieldSize
		case imap.FetchEnvelope:
			f.want |= imap.FieldEnvelope
		case imap.FetchStructure, imap.FetchBodyStructure:
			f.want |= imap.FieldStructure
		case imap.FetchEmailID, imap.FetchThreadID:
			f.want |= imap.FieldIDs
		case imap.FetchModSeq:
			f.want |= imap.FieldModSeq
			f.modseq, c.condstore = true, true
		case imap.FetchRFC822Header:
			it.Peek, it.Section.Specifier = true, imap.SectionHeader
		case imap.FetchRFC822Text:
			it.Section.Specifier = imap.SectionText
		}
		switch it.Att {
		case imap.FetchRFC822, imap.FetchRFC822Header, imap.FetchRFC822Text:
			f.read(i, []byte(it.Att))
		case imap.FetchBody, imap.FetchBinary, imap.FetchBinarySize:
			told := it.Section
			told.Length = 0
			f.read(i, imap.AppendSection([]byte(it.Att[:len(it.Att)-2]), &told))
		}
	}
}

// read notes that item i reads the message.
func (f *fetching) read(i int, label []byte) {
	f.body = true
	f.seen = f.seen || !f.items[i].Peek
	f.labels[i] = label
}

// setSeen sets \Seen before the messages are sent, in one step for all, so that the flags sent with them are right.
func (c *session) setSeen(f *fetching, uids imap.UIDSet) error {
	if err := c.current(); err != nil || len(uids) == 0 {
		return err
	}
	stored, err := c.account.Flagger.StoreFlags(c.ctx, c.box.Name, uids, imap.FlagChange{Op: imap.FlagsAdd, Flags: []imap.Flag{imap.FlagSeen}},
		imap.NoUnchangedSince)
	if errors.Is(err, imap.ErrReadOnly) {
		return nil
	}
	if err != nil {
		return err
	}
	f.changed = stored.Changed
	c.changedFlags(stored)
	if len(f.changed) > 0 {
		f.want |= imap.FieldFlags
		if c.condstore {
			f.want |= imap.FieldModSeq
		}
	}
	return nil
}

// changedFlags remembers a change of flags that the client is told of, or knows of, apart from sync.
func (c *session) changedFlags(s imap.Stored) {
	if len(s.Changed) > 0 {
		c.box.own = append(c.box.own, ownChange{s.ModSeq, s.Changed})
		c.box.stale = true
	}
}

// tellMessages sends FETCH for each message. What another session has expunged meanwhile is left out.
func (c *session) tellMessages(f *fetching, uids imap.UIDSet) error {
	seq := 0
	for m, err := range c.box.Mailbox.Messages(c.ctx, uids, f.want) {
		if err != nil {
			return err
		}
		n := c.box.seq(m.UID, seq)
		if n == 0 || m.ModSeq <= f.since && f.since > 0 {
			continue
		}
		seq = n
		if err := c.tellMessage(f, n, m); err != nil {
			if errors.Is(err, imap.ErrNonexistent) {
				continue
			}
			return err
		}
		f.told++
	}
	return nil
}

// tellMessage sends FETCH for one message. The error of a message that cannot be read comes before its first octet is
// sent; later there is only the end of the connection.
func (c *session) tellMessage(f *fetching, seq int, m *imap.Message) error {
	var r *reader
	if f.body {
		var err error
		if r, err = c.openMessage(f, m.UID); err != nil {
			return err
		}
		defer r.Close()
	}
	more := f.changed.Contains(m.UID)
	if f.flags || more {
		c.announce(m.Flags)
	}
	b := append(c.bw.AvailableBuffer(), "* "...)
	b = append(strconv.AppendInt(b, int64(seq), 10), " FETCH ("...)
	for i := range f.items {
		if i > 0 {
			b = append(b, ' ')
		}
		it := &f.items[i]
		if f.labels[i] == nil {
			b = appendItem(b, it, m)
			continue
		}
		p := &r.pieces[i]
		b = p.appendHead(append(append(b, f.labels[i]...), ' '))
		if p.n == 0 || p.nothing || p.sizeOnly {
			continue
		}
		if _, err := c.bw.Write(b); err != nil {
			return err
		}
		if err := c.copyPiece(r, p); err != nil {
			c.log.Error("message broken off", "user", c.user, "mailbox", c.box.Name, "uid", m.UID, "err", err)
			c.over, c.answered = true, true // in the middle of a literal
			_ = c.nc.Close()
			return err
		}
		b = c.bw.AvailableBuffer()
	}
	if more && !f.flags {
		b = imap.AppendFlags(append(b, " FLAGS "...), m.Flags)
	}
	if more && c.condstore && !f.modseq {
		b = append(b, " MODSEQ ("...)
		b = append(strconv.AppendUint(b, uint64(m.ModSeq), 10), ')')
	}
	_, err := c.bw.Write(append(b, ")\r\n"...))
	return err
}

// appendItem appends an item that is a field of the message.
func appendItem(b []byte, it *imap.FetchItem, m *imap.Message) []byte {
	b = append(append(b, it.Att...), ' ')
	switch it.Att {
	case imap.FetchUID:
		return strconv.AppendUint(b, uint64(m.UID), 10)
	case imap.FetchFlags:
		return imap.AppendFlags(b, m.Flags)
	case imap.FetchInternalDate:
		return imap.AppendDateTime(b, m.InternalDate)
	case imap.FetchSaveDate:
		if m.SaveDate.IsZero() {
			return append(b, "NIL"...)
		}
		return imap.AppendDateTime(b, m.SaveDate)
	case imap.FetchSize:
		return strconv.AppendInt(b, m.Size, 10)
	case imap.FetchEnvelope:
		return imap.AppendEnvelope(b, m.Envelope)
	case imap.FetchStructure:
		return imap.AppendBodyStructure(b, m.Structure, true)
	case imap.FetchBodyStructure:
		return imap.AppendBodyStructure(b, m.Structure, false)
	case imap.FetchModSeq:
		return append(strconv.AppendUint(append(b, '('), uint64(m.ModSeq), 10), ')')
	case imap.FetchEmailID:
		return append(append(append(b, '('), m.EmailID...), ')')
	case imap.FetchThreadID:
		if m.ThreadID == "" {
			return append(b, "NIL"...)
		}
		return append(append(append(b, '('), m.ThreadID...), ')')
	}
	return append(b, "NIL"...)
}

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

// openMessage opens a message and finds the pieces.
func (c *session) openMessage(f *fetching, uid imap.UID) (*reader, error) {
	body, err := c.box.Mailbox.Body(c.ctx, uid)
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
