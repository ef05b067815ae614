package smtpclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/line"
	"github.com/mailbricks/mailbricks/smtp"
)

// Sizes of the buffers that a body goes through, and of a chunk of BDAT.
const (
	inSize  = 32 << 10
	outSize = 64 << 10
)

// maxChunks is how many chunks of BDAT wait for their replies, where PIPELINING is offered.
const maxChunks = 8

type buffers struct {
	in  []byte
	out *bufio.Writer
}

// pool keeps buffers between bodies.
var pool = sync.Pool{New: func() any {
	return &buffers{in: make([]byte, inSize), out: bufio.NewWriterSize(nil, outSize)}
}}

// data sends the message, with DATA or BDAT, and returns one result for each accepted recipient.
func (x *exchange) data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	c := x.c
	if x.ascii || x.header {
		var err error
		if body, err = x.peek(body); err != nil {
			return nil, err
		}
	}
	if x.bdat {
		return x.chunks(ctx, body)
	}
	c.out = append(c.out[:0], "DATA\r\n"...)
	r, err := c.exec(ctx, "DATA", c.c.Timeouts.Data)
	if err != nil {
		return nil, err
	}
	return x.answered(ctx, r, body)
}

// answered goes on after the reply to DATA.
func (x *exchange) answered(ctx context.Context, r smtp.Reply, body io.Reader) (smtp.Results, error) {
	c := x.c
	switch {
	case r.Code >= 400: // an error: the message has not been read
		return nil, c.refused("DATA", r)
	case r.Code != 354:
		return nil, c.unexpected("DATA", r)
	case c.r.Buffered() > 0:
		return nil, c.early(ctx)
	}
	w := &rateWriter{c: c, ctx: ctx, start: time.Now()}
	b := pool.Get().(*buffers)
	defer pool.Put(b)
	b.out.Reset(w)
	dot := line.NewDotWriter(b.out, c.offences())
	err := x.copy(dot, body, b.in)
	if err == nil && c.tls == nil && c.arm(ctx, c.c.Timeouts.Body) == nil && pending(c.raw) {
		return nil, c.early(ctx)
	}
	if err == nil {
		err = dot.Close()
	}
	if err == nil {
		err = b.out.Flush()
	}
	if err != nil {
		return nil, x.broken(ctx, w, err)
	}
	c.traceBody(w.n)
	return x.final(ctx)
}

// chunks sends the message with BDAT (RFC 3030 §2).
func (x *exchange) chunks(ctx context.Context, body io.Reader) (smtp.Results, error) {
	c := x.c
	w := &chunkWriter{rateWriter: rateWriter{c: c, ctx: ctx, start: time.Now()}}
	b := pool.Get().(*buffers)
	defer pool.Put(b)
	b.out.Reset(w)
	var err error
	if x.binary {
		err = x.copy(b.out, body, b.in)
	} else {
		text := line.NewTextWriter(b.out, c.offences())
		if err = x.copy(text, body, b.in); err == nil {
			err = text.Close()
		}
	}
	if err == nil {
		w.last = true
		if b.out.Buffered() > 0 {
			err = b.out.Flush()
		} else {
			_, err = w.Write(nil)
		}
	}
	for err == nil && w.waiting > 0 {
		err = w.await()
	}
	if err != nil {
		return nil, x.broken(ctx, &w.rateWriter, err)
	}
	c.traceBody(w.n)
	return x.final(ctx)
}

// A chunkWriter makes a chunk of each Write.
type chunkWriter struct {
	rateWriter
	head    []byte
	parts   net.Buffers
	waiting int // chunks without a reply
	last    bool
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	w.head = append(w.head[:0], "BDAT "...)
	w.head = strconv.AppendInt(w.head, int64(len(p)), 10)
	if w.last {
		w.head = append(w.head, " LAST"...)
	}
	if w.c.c.Trace != nil {
		w.c.trace(true, string(w.head))
	}
	w.head = append(w.head, "\r\n"...)
	if w.arm(len(p)) {
		w.parts = append(w.parts[:0], w.head, p)
		_, w.err = w.parts.WriteTo(w.c.conn)
	}
	if w.err != nil {
		return 0, w.err
	}
	if !w.last {
		w.waiting++
		for w.waiting >= maxChunks || w.waiting > 0 && !w.c.ext.Has("PIPELINING") {
			if err := w.await(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// await reads the reply to one chunk that is not the last.
func (w *chunkWriter) await() error {
	r, err := w.c.reply(w.ctx, "BDAT", w.c.c.Timeouts.Body)
	switch {
	case err != nil:
		return err
	case r.Code >= 400:
		w.c.kill() // the chunks after it are refused too, and nobody reads that
		return w.c.refused("BDAT", r)
	case r.Code/100 != 2:
		return w.c.unexpected("BDAT", r)
	}
	w.waiting--
	return nil
}

// copy copies the message to dst and tells the errors of body from others.
func (x *exchange) copy(dst io.Writer, body io.Reader, buf []byte) error {
	if x.ascii || x.header {
		dst = &guard{x: x, w: dst}
	}
	src := &source{r: body}
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &bodyError{err}
		}
	}
}

// A source is a body that must make progress.
type source struct {
	r     io.Reader
	empty int
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 || err != nil {
		s.empty = 0
	} else if s.empty++; s.empty > 100 {
		return 0, io.ErrNoProgress
	}
	return n, err
}

// A bodyError is an error of the body that was to be sent.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }

// broken gives up the connection in the middle of a message, so that the server never takes a part for the whole, and
// says why.
func (x *exchange) broken(ctx context.Context, w *rateWriter, err error) error {
	c := x.c
	if w.err != nil {
		if r, ok := c.lastWords(); ok && ctx.Err() == nil {
			return c.refused("body", r)
		}
		return c.lost(ctx, "body", w.err)
	}
	c.kill()
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*bodyError](err); ok {
		return &Error{Op: "body", Host: c.host, Err: e.err}
	}
	if e, ok := errors.AsType[*line.OffenceError](err); ok {
		return c.local("body", 554, smtp.EnhancedCode{5, 6, 0}, "Message has a bare CR, a bare LF or a NUL", e)
	}
	return c.lost(ctx, "body", err)
}

// early is what a reply before the end of the message means: a refusal, or nonsense.
func (c *Conn) early(ctx context.Context) error {
	r, err := c.reply(ctx, "body", c.c.Timeouts.Quit)
	if err != nil {
		return err
	}
	c.kill()
	if r.Code >= 400 {
		return c.refused("body", r)
	}
	return c.unexpected("body", r)
}

// final reads the reply to the message, with LMTP one for each accepted recipient (RFC 2033 §4.2).
func (x *exchange) final(ctx context.Context) (smtp.Results, error) {
	c := x.c
	n := 1
	if c.c.LMTP {
		n = x.accepted
	}
	var out smtp.Results
	for i := range n {
		r, err := c.reply(ctx, "end of data", c.c.Timeouts.Final)
		if err == nil && r.Code/100 == 3 {
			err = c.unexpected("end of data", r)
		}
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			for ; i < n; i++ {
				out = append(out, smtp.Result{Reply: smtp.ReplyOf(err)})
			}
			return out, nil
		}
		if n == 1 {
			out = x.same(r)
		} else {
			out = append(out, x.result(r))
		}
	}
	c.dirty = false
	if c.r.Buffered() > 0 { // 421 may follow; another reply says that one of them is not ours
		if r, err := c.reply(ctx, "end of data", c.c.Timeouts.Quit); err != nil {
			return nil, err
		} else if r.Code != 421 {
			return nil, c.unexpected("end of data", r)
		}
	}
	return out, nil
}

// same is one result for every accepted recipient.
func (x *exchange) same(r smtp.Reply) smtp.Results {
	out := make(smtp.Results, x.accepted)
	for i := range out {
		out[i] = x.result(r)
	}
	return out
}

// nothing ends a message that the server asked for although there is nobody to get it (RFC 2920 §3.1).
func (c *Conn) nothing(ctx context.Context) error {
	c.out = append(c.out[:0], ".\r\n"...)
	_, err := c.exec(ctx, "end of data", c.c.Timeouts.Final)
	return err
}

func (c *Conn) offences() line.Offences {
	if c.c.Normalize {
		return line.Normalize
	}
	return line.Refuse
}

func (c *Conn) traceBody(n int64) {
	if c.c.Trace != nil {
		c.trace(true, "("+strconv.FormatInt(n, 10)+" octets)")
	}
}

// A rateWriter writes the message under a deadline that each octet moves.
type rateWriter struct {
	c     *Conn
	ctx   context.Context
	start time.Time
	n     int64
	err   error
}

// arm moves the deadline for n octets more. It reports whether to go on.
func (w *rateWriter) arm(n int) bool {
	if w.err != nil {
		return false
	}
	t := w.c.c.Timeouts
	w.n += int64(n)
	w.err = w.c.conn.SetDeadline(w.start.Add(t.Body + time.Duration(w.n/int64(t.MinRate))*time.Second))
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	return w.err == nil
}

func (w *rateWriter) Write(p []byte) (n int, err error) {
	if w.arm(len(p)) {
		n, w.err = w.c.conn.Write(p)
	}
	return n, w.err
}

// peek reads the start of a message, to refuse it before DATA where it is not ASCII.
func (x *exchange) peek(body io.Reader) (io.Reader, error) {
	start := make([]byte, outSize)
	src := &source{r: body}
	n := 0
	var err error
	for err == nil && n < len(start) {
		var k int
		k, err = src.Read(start[n:])
		n += k
	}
	if gerr := (&guard{x: x}).check(start[:n]); gerr != nil {
		return nil, gerr
	}
	switch err {
	case nil:
		return io.MultiReader(bytes.NewReader(start), body), nil
	case io.EOF:
		return bytes.NewReader(start[:n]), nil
	}
	return nil, &Error{Op: "body", Host: x.c.host, Err: err}
}

// A guard lets through what the server can take.
type guard struct {
	x       *exchange
	w       io.Writer
	midline bool
	done    bool // the header is over
}

func (g *guard) Write(p []byte) (int, error) {
	if err := g.check(p); err != nil {
		return 0, err
	}
	return g.w.Write(p)
}

func (g *guard) check(p []byte) error {
	if g.x.ascii && !isASCII(p) { // RFC 6152 §3
		return g.x.c.local("body", 554, smtp.EnhancedCode{5, 6, 3}, g.x.c.host+" takes no 8-bit messages", ErrEightBit)
	}
	for g.x.header && !g.done && len(p) > 0 {
		if !g.midline && (p[0] == '\r' || p[0] == '\n') {
			g.done = true
			break
		}
		l := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			l = p[:i+1]
		}
		p = p[len(l):]
		g.midline = l[len(l)-1] != '\n'
		if !isASCII(l) { // RFC 6531 §3.2, §3.4
			return g.x.c.local("body", 550, smtp.EnhancedCode{5, 6, 9}, g.x.c.host+" takes no internationalized header", ErrEightBit)
		}
	}
	return nil
}

func isASCII(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p)&0x8080808080808080 != 0 {
			return false
		}
		p = p[8:]
	}
	for _, b := range p {
		if b >= 0x80 {
			return false
		}
	}
	return true
}
