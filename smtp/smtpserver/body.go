package smtpserver

import (
	"errors"
	"io"
	"time"

	"github.com/mailbricks/mailbricks/internal/line"
	"github.com/mailbricks/mailbricks/smtp"
)

// A body is the message as the Handler reads it: the fields that the server puts on top, then what the peer sends.
type body struct {
	s      *session
	dot    line.DotReader
	chunks *chunks // BDAT; nil: DATA
	top    []byte  // not yet given out, in buf
	buf    []byte
	hops   smtp.HopCounter
	size   int64

	begun   bool        // the Handler has read
	eof     bool        // and has seen the end
	err     error       // what every further Read returns
	refusal *smtp.Error // why the message cannot be taken
	lost    error       // why the connection cannot go on
}

// prepare makes b that of the next DATA.
func (b *body) prepare(s *session) {
	*b = body{s: s, buf: b.buf[:0]}
}

// release lets go of what the message needed, but for what is asked for later.
func (b *body) release() {
	if cap(b.buf) > smallBuffer {
		b.buf = nil
	}
	b.chunks, b.top = nil, nil
}

// begin does what the first Read does: it lets the peer send and puts the fields on top.
func (b *body) begin() {
	s := b.s
	b.begun = true
	s.grow()
	if b.chunks == nil {
		s.w.say("354 Go ahead\r\n")
		off := line.Refuse
		if s.srv.Normalize {
			off = line.Normalize
		}
		b.dot.Reset(s.r, off, s.srv.limits.BodyLine)
		b.data()
	}
	if !s.srv.NoReceived {
		r := smtp.Received{Peer: s.tx.peer, By: s.srv.hostname, ID: s.tx.id, Priority: s.tx.params.Priority, Time: time.Now()}
		if s.tx.accepted == 1 {
			r.For = s.tx.first
		}
		b.buf = smtp.AppendReceived(b.buf, r)
	}
	if s.srv.Mode == Submission {
		b.complete()
	}
	b.top = b.buf
}

// data begins the phase in which octets of the message come.
func (b *body) data() {
	b.s.w.begin(b.s.srv.timeouts.Data, b.s.srv.timeouts.MinRate, false)
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !b.begun {
		b.begin()
	}
	if len(b.top) > 0 {
		n := copy(p, b.top)
		b.top = b.top[n:]
		return n, nil
	}
	return b.more(p)
}

// more gives out what the peer sends.
func (b *body) more(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.seen()
	}
	if b.chunks != nil {
		n, err = b.chunks.Read(p)
	} else {
		n, err = b.dot.Read(p)
	}
	if e := b.check(p[:n]); e != nil {
		n, err = 0, e
	}
	b.end(err)
	if n > 0 {
		return n, nil
	}
	return 0, b.seen()
}

// seen returns the error that the Handler gets, and notes that it did.
func (b *body) seen() error {
	if b.err == io.EOF {
		b.eof = true
	}
	return b.err
}

// WriteTo implements io.WriterTo: the message goes to w from the buffer of the connection.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	if !b.begun {
		b.begin()
	}
	t := &tap{b: b, w: w}
	if len(b.top) > 0 {
		top := b.top
		b.top = b.top[len(top):]
		if n, err := w.Write(top); err != nil {
			return int64(n), err
		}
		t.n = int64(len(top))
	}
	if b.err == nil {
		var err error
		if b.chunks != nil {
			_, err = b.chunks.WriteTo(t)
		} else {
			_, err = b.dot.WriteTo(t)
		}
		if t.failed {
			return t.n, err
		}
		if err == nil {
			err = io.EOF
		}
		b.end(err)
	}
	if err := b.seen(); err != io.EOF {
		return t.n, err
	}
	return t.n, nil
}

// A tap checks what passes through it.
type tap struct {
	b      *body
	w      io.Writer
	n      int64
	failed bool // w has
}

func (t *tap) Write(p []byte) (int, error) {
	if err := t.b.check(p); err != nil {
		return 0, err
	}
	n, err := t.w.Write(p)
	t.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	t.failed = err != nil
	return n, err
}

// check holds the next octets of the message against the limits.
func (b *body) check(p []byte) error {
	l := &b.s.srv.limits
	if b.size += int64(len(p)); b.size > l.MessageSize {
		return tooLarge()
	}
	if b.hops.Done() {
		return nil
	}
	_, _ = b.hops.Write(p)
	if b.hops.Hops() > l.Hops {
		return smtp.NewError(554, smtp.EnhancedCode{5, 4, 6}, "Too many hops, the message goes in circles")
	}
	if b.hops.HeaderSize() > l.HeaderSize {
		return smtp.NewError(552, smtp.EnhancedCode{5, 3, 4}, "Header too large")
	}
	return nil
}

// end notes how the message ended, if err is not nil.
func (b *body) end(err error) {
	switch e := err.(type) {
	case nil:
		return
	case *smtp.Error:
		b.refusal = e
	case *line.OffenceError:
		b.refusal = &smtp.Error{Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 6, 11}, "Bare CR, bare LF or NUL in message"), Err: e}
	case *line.TooLongError:
		b.refusal = &smtp.Error{Reply: smtp.NewReply(554, smtp.EnhancedCode{5, 6, 0}, "Line too long"), Err: e}
	default:
		if err == io.EOF {
			b.err = io.EOF
			return
		}
		b.lost = err
		b.err = &smtp.Error{Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 4, 2}, "Connection lost"), Err: err}
		return
	}
	b.err = b.refusal
}

func isTooLong(err error) bool {
	_, ok := errors.AsType[*line.TooLongError](err)
	return ok
}
