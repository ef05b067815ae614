package imapclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/imap"
)

// command is one command under way, from begin to end.
type command struct {
	c       *Client
	ctx     context.Context
	name    string
	tag     string
	until   time.Time // without what octets add
	paused  time.Time // the caller has the word since then
	base    int64     // octets received before
	sent    int64     // octets sent since
	count   int       // responses
	discard int64     // received octets that end a command nobody listens to; 0: somebody does
	done    *imap.Status
	limit   imap.MessageLimit // told with Lowest: part of the messages is left
	over    func()
}

// begin makes ready for a command and binds the connection to ctx until end is called.
func (c *Client) begin(ctx context.Context, name string) (*command, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case c.cmd != nil:
		return nil, ErrBusy
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("imapclient: %s: %w", name, context.Cause(ctx))
	}
	c.tags++
	cmd := &command{c: c, ctx: ctx, name: name, tag: "a" + strconv.FormatUint(c.tags, 10), until: time.Now().Add(c.o.Timeouts.Command)}
	if c.in != nil {
		cmd.base = c.in.n
	}
	conn, fired := c.conn, make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(fired)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	cmd.over = func() {
		if !stop() {
			<-fired // so that its deadline does not come over the next command
		}
	}
	c.cmd = cmd
	return cmd, nil
}

// end may be called more than once.
func (cmd *command) end() {
	if cmd.c.cmd == cmd {
		cmd.over()
		cmd.c.cmd = nil
	}
}

// arm sets the deadline for what comes next.
func (cmd *command) arm() error {
	c := cmd.c
	octets := cmd.sent
	if c.in != nil {
		octets += c.in.n - cmd.base
	}
	until := cmd.until.Add(time.Duration(octets) * (time.Second / minRate))
	if d, ok := cmd.ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	_ = c.conn.SetDeadline(until)
	if cmd.ctx.Err() != nil { // asked after the deadline is set: what ends ctx later sets its own
		return cmd.lose(cmd.fault(os.ErrDeadlineExceeded))
	}
	return nil
}

// pause gives the word to the caller: the time that takes does not count.
func (cmd *command) pause(f func() bool) bool {
	cmd.paused = time.Now()
	ok := f()
	cmd.resume()
	return ok
}

// resume ends a pause, and reports whether there was one.
func (cmd *command) resume() bool {
	if cmd.paused.IsZero() {
		return false
	}
	cmd.until = cmd.until.Add(time.Since(cmd.paused))
	cmd.paused = time.Time{}
	return true
}

// lose remembers why the connection is lost, closes it, and returns why.
func (cmd *command) lose(err error) error {
	c := cmd.c
	if c.err == nil {
		c.err = err
		_ = c.conn.Close()
	}
	return c.err
}

func (cmd *command) tooMuch(what string, limit int64) error {
	return fmt.Errorf("imapclient: %s: %w", cmd.name, &imap.LimitError{What: what, Limit: limit})
}

func (cmd *command) broken(what string, err error) error {
	return cmd.lose(&ProtocolError{Command: cmd.name, What: what, Err: err})
}

// fault gives an error of the connection its place and its cause: a BYE before it, or the context.
func (cmd *command) fault(err error) error {
	if cmd.c.bye != nil {
		return &Error{cmd.name, cmd.c.bye}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if d, ok := cmd.ctx.Deadline(); cmd.ctx.Err() != nil {
			err = context.Cause(cmd.ctx)
		} else if ok && !time.Now().Before(d) {
			err = context.DeadlineExceeded
		}
	}
	return fmt.Errorf("imapclient: %s: %w", cmd.name, err)
}

// run sends the command with its arguments and waits for its end. args hold literals as package imap appends them.
// data is asked about each untagged response; what it does not want is for everybody.
func (cmd *command) run(args []byte, data func(r response) bool) (*imap.Status, error) {
	if err := cmd.send(args, ""); err != nil {
		return nil, err
	}
	return cmd.wait(data)
}

// send writes the command. shown, if not empty, is what a trace is given for the arguments.
func (cmd *command) send(args []byte, shown string) error {
	b := append([]byte(cmd.tag+" "+cmd.name), args...)
	if shown == "" || cmd.c.o.Trace == nil {
		return cmd.write(append(b, "\r\n"...), shown == "", true)
	}
	cmd.c.o.Trace(true, []byte(cmd.tag+" "+cmd.name+shown+"\r\n"))
	return cmd.write(append(b, "\r\n"...), false, true)
}

// write writes b, waiting where a literal needs it. If the server refuses one the command is over: done is set.
func (cmd *command) write(b []byte, trace, flush bool) error {
	c := cmd.c
	for cmd.done == nil {
		i := bytes.Index(b, []byte("}\r\n"))
		if i < 0 {
			break
		}
		size, ok := literalSize(b[:i])
		if !ok {
			return cmd.lose(ErrArgument) // a line end outside of a literal would begin a command
		}
		wait := !c.nonSync(size, 64<<10)
		head := b[:i+3]
		if !wait {
			head = append(bytes.Clone(b[:i]), "+}\r\n"...)
		}
		if err := cmd.put(head, trace, wait); err != nil {
			return err
		}
		if wait {
			if err := cmd.goAhead(); err != nil || cmd.done != nil {
				return err
			}
		}
		b = b[i+3:]
		if err := cmd.put(b[:size], trace, false); err != nil {
			return err
		}
		b = b[size:]
	}
	return cmd.put(b, trace, flush)
}

// nonSync reports whether a literal may be sent unasked (RFC 7888). A long one is not, so that it can be refused.
func (c *Client) nonSync(size, limit int64) bool {
	return c.caps.Has("LITERAL+") && size <= limit || (c.caps.Has("LITERAL-") || c.rev2()) && size <= 4096
}

// literalSize returns the number that b ends with, behind a brace.
func literalSize(b []byte) (int64, bool) {
	i := bytes.LastIndexByte(b, '{')
	if i < 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b[i+1:]), 10, 63)
	return n, err == nil && n >= 0
}

func (cmd *command) put(b []byte, trace, flush bool) error {
	if err := cmd.arm(); err != nil {
		return err
	}
	if trace && cmd.c.o.Trace != nil && len(b) > 0 {
		cmd.c.o.Trace(true, b)
	}
	_, err := cmd.c.w.Write(b)
	cmd.sent += int64(len(b))
	if flush && err == nil {
		err = cmd.c.w.Flush()
	}
	if err != nil {
		return cmd.unwritable(err)
	}
	return nil
}

// unwritable looks for the reason that a server gave before it closed.
func (cmd *command) unwritable(err error) error {
	_ = cmd.c.conn.SetReadDeadline(time.Now().Add(time.Second))
	for range 10 {
		if cmd.c.d.Next() != nil {
			break
		}
		r := cmd.parse()
		if r.tag != "" && r.tag != cmd.tag {
			break
		}
		if s := cmd.c.d.Status(); cmd.c.d.Err() == nil && (r.tag != "" || s.Type == imap.StatusBye) {
			return cmd.lose(&Error{cmd.name, &s})
		}
	}
	return cmd.lose(cmd.fault(err))
}

// goAhead waits until the server asks for more, or ends the command.
func (cmd *command) goAhead() error {
	for {
		r, err := cmd.read()
		switch {
		case err != nil:
			return err
		case r.plus:
			return nil
		}
		if err := cmd.handle(r, nil); err != nil || cmd.done != nil {
			return err
		}
	}
}

// wait reads until the command is over. The error is an *Error for NO and BAD.
func (cmd *command) wait(data func(r response) bool) (*imap.Status, error) {
	for cmd.done == nil {
		r, err := cmd.read()
		if err != nil {
			return nil, err
		}
		if r.plus {
			return nil, cmd.broken("a continuation request that nobody waits for", nil)
		}
		if err := cmd.handle(r, data); err != nil {
			return nil, err
		}
	}
	if cmd.done.Type != imap.StatusOK {
		return nil, &Error{cmd.name, cmd.done}
	}
	return cmd.done, nil
}

// A response is the beginning of one.
type response struct {
	tag    string // "" for untagged
	plus   bool   // a continuation request
	number uint32 // before kind
	kind   string // "FETCH", "OK"; not passed yet
}

// isFetch reports FETCH, or UIDFETCH (RFC 9586 §3.3).
func (r response) isFetch() bool { return r.kind == "FETCH" || r.kind == "UIDFETCH" }

// message begins the message of a response that isFetch.
func (cmd *command) message(r response) *Message {
	if r.kind == "UIDFETCH" {
		return &Message{Message: imap.Message{UID: imap.UID(r.number)}, cmd: cmd}
	}
	return &Message{Seq: r.number, cmd: cmd}
}

// read reads the beginning of one response. It fails only for good.
func (cmd *command) read() (response, error) {
	if cmd.count++; cmd.count > cmd.c.o.Limits.Responses {
		return response{}, cmd.lose(cmd.tooMuch("responses", int64(cmd.c.o.Limits.Responses)))
	}
	if cmd.discard > 0 && cmd.c.in.n > cmd.discard {
		return response{}, cmd.lose(cmd.tooMuch("octets to pass over", cmd.c.o.Limits.Discard))
	}
	if err := cmd.arm(); err != nil {
		return response{}, err
	}
	if err := cmd.c.d.Next(); err != nil {
		return response{}, cmd.lose(cmd.fault(err))
	}
	return cmd.parse(), nil
}

func (cmd *command) parse() (r response) {
	d := cmd.c.d
	switch {
	case d.Accept('+'):
		r.plus = true
		return r
	case d.Accept('*'):
		d.SP()
		if c := d.Peek(); '0' <= c && c <= '9' {
			r.number = d.Number()
			d.SP()
		}
	default:
		r.tag = d.Tag()
		d.SP()
	}
	r.kind = d.PeekKeyword()
	return r
}

// handle takes in a response that is no continuation request.
func (cmd *command) handle(r response, data func(r response) bool) error {
	c := cmd.c
	switch {
	case r.tag != "" && r.tag != cmd.tag:
		return cmd.broken(fmt.Sprintf("a response for %.20q, not %q", r.tag, cmd.tag), nil)
	case r.tag != "":
		s := c.d.Status()
		if err := c.d.Err(); err != nil {
			return cmd.broken("the end of a command", err)
		}
		c.codes(&s)
		cmd.limited(&s)
		cmd.done = &s
		return nil
	case c.d.Err() == nil && (data == nil || !data(r)):
		cmd.untagged(r)
	}
	if c.err != nil {
		return c.err
	}
	if err := c.d.Err(); err != nil && !r.isFetch() {
		if c.garbage++; c.garbage > c.o.Limits.Garbage {
			return cmd.broken("too many responses against the grammar", err)
		}
	}
	return nil
}
