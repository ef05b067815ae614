package imap

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/mailbricks/mailbricks/smtp/message"
)

// DecoderOptions are the limits of a Decoder and what it asks for literals. The zero value is a client's, strict and
// with the defaults.
type DecoderOptions struct {
	// MaxLine is how long a line is, in octets, without literals. 0: 64 KiB. Beyond it the connection is lost.
	MaxLine int
	// MaxLiteral is how long a literal is that is kept in memory, in octets. 0: 64 KiB. Literal.Open has no limit.
	MaxLiteral int64
	// MaxCommand is how much one command or response takes in memory, in octets: its lines and the literals kept.
	// 0: 1 MiB.
	MaxCommand int64
	// MaxDiscard is how many octets of literals Next passes over that nobody has read. 0: 1 MiB. Beyond it the
	// connection is lost, for what follows must not be taken for commands.
	MaxDiscard int64
	// Continue is for servers: it sends the command continuation request, before a synchronising literal is read
	// (RFC 9051 §7.6). nil is a client's: literals come unasked.
	Continue func() error
	// Lenient takes what some servers send against the grammar: lines that end in a bare LF, more than one space,
	// octets above 127 in quoted strings that are not UTF-8, bare CR. It relaxes RFC 9051 §9 and is for clients.
	Lenient bool
}

// A Decoder reads commands or responses token by token. It is for servers and clients alike: it knows lines, atoms,
// strings and literals, and when a literal has to be asked for.
//
// Errors stick: after one, every method returns its zero value until Next. Err tells it once, at the end. A
// *SyntaxError or a *LimitError leaves the connection usable, as long as Next succeeds.
type Decoder struct {
	r     *bufio.Reader
	o     DecoderOptions
	line  []byte // the current line without its end
	pos   int
	buf   []byte // holds line where r cannot
	used  int64  // memory of this command
	err   error
	fatal error    // no Next any more
	open  *Literal // opened, its line end not passed yet
}

// NewDecoder returns a Decoder that reads from r. Between commands nothing is read ahead but by r itself.
func NewDecoder(r *bufio.Reader, o DecoderOptions) *Decoder {
	d := &Decoder{r: r}
	d.SetOptions(o)
	return d
}

// SetOptions changes the options, after a login for example.
func (d *Decoder) SetOptions(o DecoderOptions) {
	if o.MaxLine == 0 {
		o.MaxLine = 64 << 10
	}
	if o.MaxLiteral == 0 {
		o.MaxLiteral = 64 << 10
	}
	if o.MaxCommand == 0 {
		o.MaxCommand = 1 << 20
	}
	if o.MaxDiscard == 0 {
		o.MaxDiscard = 1 << 20
	}
	d.o = o
}

// Next goes to the first line of the next command or response. What is left of the one before is passed over, its
// unread literals too, so that their octets are never taken for commands. The error is final: io.EOF at a clean end,
// or a *LimitError for a line too long or a literal too long to pass over.
func (d *Decoder) Next() error {
	if d.fatal == nil {
		d.discard()
	}
	if d.fatal != nil {
		return d.fatal
	}
	d.err, d.used = nil, 0
	d.readLine()
	return d.fatal
}

// Err returns the first error since Next.
func (d *Decoder) Err() error { return d.err }

// Fail sets the error, if there is none yet.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// Want fails with a *SyntaxError at the current place.
func (d *Decoder) Want(what string) { d.Fail(&SyntaxError{Offset: d.pos, Want: what}) }

func (d *Decoder) lose(err error) {
	if err == io.EOF && d.used > 0 {
		err = io.ErrUnexpectedEOF
	}
	d.fatal = err
	d.Fail(err)
}

// readLine reads one line into d.line.
func (d *Decoder) readLine() {
	d.line, d.pos = nil, 0
	line, err := d.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		d.buf = append(d.buf[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) && len(d.buf) <= d.o.MaxLine {
			line, err = d.r.ReadSlice('\n')
			d.buf = append(d.buf, line...)
		}
		line = d.buf
	} else if cap(d.buf) > 8<<10 {
		d.buf = nil // an idle connection holds no long line
	}
	switch {
	case len(line) > d.o.MaxLine+2 || errors.Is(err, bufio.ErrBufferFull):
		d.lose(&LimitError{What: "line", Limit: int64(d.o.MaxLine)})
		return
	case err != nil:
		if len(line) > 0 && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		d.lose(err)
		return
	}
	if d.used += int64(len(line)); d.used > d.o.MaxCommand {
		d.Fail(&LimitError{What: "command", Limit: d.o.MaxCommand})
	}
	line = line[:len(line)-1]
	crlf := len(line) > 0 && line[len(line)-1] == '\r'
	if crlf {
		line = line[:len(line)-1]
	}
	d.line = line
	switch {
	case d.o.Lenient:
	case !crlf:
		d.Fail(&SyntaxError{Offset: len(line), Want: "CRLF"})
	case bytes.IndexByte(line, 0) >= 0 || bytes.IndexByte(line, '\r') >= 0:
		d.Want("a line without NUL and bare CR")
	}
}

// rest returns what is left of the line, the next one if a literal has been read.
func (d *Decoder) rest() []byte {
	if d.open != nil && d.err == nil {
		d.close()
	}
	if d.err != nil {
		return nil
	}
	return d.line[d.pos:]
}

// close passes over the rest of the open literal and goes to the line behind it.
func (d *Decoder) close() {
	l := d.open
	d.open = nil
	if _, err := io.CopyN(io.Discard, d.r, l.left); err != nil {
		d.lose(noEOF(err))
		return
	}
	d.readLine()
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// discard passes over what is left of the command.
func (d *Decoder) discard() {
	left := d.o.MaxDiscard
	for d.fatal == nil {
		if d.open == nil {
			l, ok := literalAt(d.line[min(d.pos, len(d.line)):], true)
			if !ok || d.o.Continue != nil && !l.NonSync {
				break // the peer waits to be asked, and then sends another command instead
			}
			l.left = l.Size
			d.open = &l
		}
		if left -= d.open.left + int64(len(d.line)); left < 0 {
			d.lose(&LimitError{What: "octets to pass over", Limit: d.o.MaxDiscard})
			break
		}
		d.err, d.used = nil, 1
		d.close()
	}
	d.line, d.pos = nil, 0
}

// Peek returns the next octet of the line, 0 at its end or after an error.
func (d *Decoder) Peek() byte {
	if b := d.rest(); len(b) > 0 {
		return b[0]
	}
	return 0
}

// Accept passes c if it is next.
func (d *Decoder) Accept(c byte) bool {
	if d.Peek() != c || c == 0 {
		return false
	}
	d.pos++
	return true
}

// Expect passes c and fails if it is not next.
func (d *Decoder) Expect(c byte) {
	if !d.Accept(c) {
		d.Want("'" + string(rune(c)) + "'")
	}
}

// SP passes one space.
func (d *Decoder) SP() {
	d.Expect(' ')
	for d.o.Lenient && d.Accept(' ') {
	}
}

// AtEOL reports whether the line has ended.
func (d *Decoder) AtEOL() bool { return len(d.rest()) == 0 && d.err == nil }

// EOL fails unless the line has ended.
func (d *Decoder) EOL() {
	for d.o.Lenient && d.Accept(' ') {
	}
	if !d.AtEOL() {
		d.Want("the end of the line")
	}
}

// while returns the octets at the beginning of the rest for which ok holds.
func (d *Decoder) while(want string, ok func(c byte) bool) []byte {
	b := d.rest()
	n := 0
	for n < len(b) && ok(b[n]) {
		n++
	}
	if n == 0 {
		d.Want(want)
	}
	if d.err == nil {
		d.pos += n
	}
	return b[:n]
}

// Atom reads an atom.
func (d *Decoder) Atom() string { return string(d.while("an atom", isAtomChar)) }

// Tag reads a tag: on a client "*" and "+" are none.
func (d *Decoder) Tag() string {
	return string(d.while("a tag", func(c byte) bool { return c != '+' && isAStringChar(c) }))
}

// Keyword reads an atom and returns it in upper case.
func (d *Decoder) Keyword() string {
	return upper(d.while("a keyword", isAtomChar))
}

// AcceptKeyword passes an atom if it is word, which is in upper case, and leaves any other.
func (d *Decoder) AcceptKeyword(word string) bool {
	b := d.rest()
	n := 0
	for n < len(b) && isAtomChar(b[n]) {
		n++
	}
	if n != len(word) || upper(b[:n]) != word {
		return false
	}
	d.pos += n
	return true
}

// Number64 reads a number below 2^63.
func (d *Decoder) Number64() int64 { return d.number("a number", 1<<63-1) }

// Number reads a number below 2^32.
func (d *Decoder) Number() uint32 { return uint32(d.number("a number below 2^32", 1<<32-1)) }

// NzNumber reads a number from 1 to 2^32-1.
func (d *Decoder) NzNumber() uint32 {
	start := d.pos
	n := d.Number()
	if n == 0 && d.err == nil {
		d.pos = start
		d.Want("a number from 1 to 4294967295")
	}
	return n
}

func (d *Decoder) number(want string, limit uint64) int64 {
	b := d.rest()
	v, n := uint64(0), 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		if v = v*10 + uint64(b[n]-'0'); v > limit {
			d.Want(want)
			return 0
		}
		n++
	}
	if n == 0 {
		d.Want(want)
		return 0
	}
	d.pos += n
	return int64(v)
}

// SequenceSet reads a sequence-set.
func (d *Decoder) SequenceSet() SequenceSet {
	start := d.pos
	b := d.while("a sequence set", func(c byte) bool { return c == '*' || c == ':' || c == ',' || '0' <= c && c <= '9' })
	if d.err != nil {
		return nil
	}
	s, err := ParseSequenceSet(b)
	if e, ok := errors.AsType[*SyntaxError](err); ok {
		e.Offset += start
	}
	if err != nil {
		d.Fail(err)
	}
	return s
}

// Quoted reads a quoted string.
func (d *Decoder) Quoted() string {
	b := d.rest()
	if len(b) == 0 || b[0] != '"' {
		d.Want("a quoted string")
		return ""
	}
	escaped := false
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			if i+1 == len(b) || !d.o.Lenient && b[i+1] != '"' && b[i+1] != '\\' {
				d.Fail(&SyntaxError{Offset: d.pos + i, Want: `\" or \\`})
				return ""
			}
			escaped = true
			i++
		case '"':
			s := b[1:i]
			if escaped {
				s = unescape(s)
			}
			if !d.o.Lenient && !utf8.Valid(s) {
				d.Want("a quoted string in UTF-8")
				return ""
			}
			d.pos += i + 1
			return string(s)
		}
	}
	d.Fail(&SyntaxError{Offset: len(d.line), Want: `'"'`})
	return ""
}

// isString reports whether a quoted string or a literal is next.
func (d *Decoder) isString() bool {
	c := d.Peek()
	return c == '"' || c == '{' || c == '~'
}

// IString reads a string: quoted or a literal, which is kept in memory.
func (d *Decoder) IString() string {
	if d.Peek() == '"' {
		return d.Quoted()
	}
	return string(d.literalBytes())
}

// Astring reads an atom or a string.
func (d *Decoder) Astring() string {
	if c := d.Peek(); c == '"' || c == '{' {
		return d.IString()
	}
	return string(d.while("an atom or a string", isAStringChar))
}

// Nstring reads a string or NIL, for which it is false.
func (d *Decoder) Nstring() (string, bool) {
	if !d.isString() && d.AcceptKeyword("NIL") {
		return "", false
	}
	s := d.IString()
	return s, d.err == nil
}

// List reads a parenthesised list, calling item for each member, which reads it.
func (d *Decoder) List(item func()) {
	d.Expect('(')
	for d.o.Lenient && d.Accept(' ') {
	}
	if d.err != nil || d.Accept(')') {
		return
	}
	for d.err == nil {
		item()
		if d.Accept(')') {
			return
		}
		d.SP()
		if d.o.Lenient && d.Accept(')') {
			return
		}
	}
}

// Line returns the rest of the line, up to a literal if there is one.
func (d *Decoder) Line() string {
	b := d.rest()
	d.pos += len(b)
	return string(b)
}

// MaxNesting is how deep search keys are nested.
const MaxNesting = 100

// maxValueNesting is how deep lists are nested in a value: the deepest body structure, and what its leaves hold.
const maxValueNesting = message.MaxDepth + 10

// Value reads any value, nested lists and literals too, and returns it as it is on the wire. That is how a client
// passes over what it does not know.
func (d *Decoder) Value() string {
	var out []byte
	depth := 0
	for d.err == nil {
		switch c := d.Peek(); {
		case c == '(':
			if depth++; depth > maxValueNesting {
				d.Fail(&LimitError{What: "nesting", Limit: maxValueNesting})
			}
			d.pos++
			out = append(out, c)
			continue
		case c == ')' && depth > 0:
			depth--
			d.pos++
			out = append(out, c)
		case c == '"':
			out = AppendQuoted(out, d.Quoted())
		case c == '{' || c == '~':
			out = AppendLiteral(out, d.literalBytes())
		default:
			b := d.while("a value", func(c byte) bool { return c > ' ' && c != '(' && c != ')' && c != '"' && c != '{' && c != 0x7f })
			out = append(out, b...)
		}
		if d.err == nil && depth == 0 {
			return string(out)
		}
		for d.Accept(' ') {
			out = append(out, ' ')
		}
	}
	return ""
}

func upper(b []byte) string {
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			out := bytes.Clone(b)
			for j := i; j < len(out); j++ {
				if 'a' <= out[j] && out[j] <= 'z' {
					out[j] -= 'a' - 'A'
				}
			}
			return string(out)
		}
	}
	return string(b)
}
