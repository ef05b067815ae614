package pop3

import (
	"context"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/line"
)

// Retr fetches message n. The reply has come when Retr returns; the message comes while it is read.
func (c *Client) Retr(ctx context.Context, n int) (*Body, error) {
	return c.fetch(ctx, n, "RETR "+strconv.Itoa(n))
}

// Top fetches the header of message n and the first lines of its body.
func (c *Client) Top(ctx context.Context, n, lines int) (*Body, error) {
	return c.fetch(ctx, n, "TOP "+strconv.Itoa(n)+" "+strconv.Itoa(lines))
}

func (c *Client) fetch(ctx context.Context, n int, command string) (*Body, error) {
	end, err := c.command(ctx)
	if err != nil {
		return nil, err
	}
	verb, _, _ := strings.Cut(command, " ")
	if _, err := c.roundTrip(command); err != nil {
		end()
		return nil, err
	}
	c.body = c.newBody(ctx, n, verb, end)
	return c.body, nil
}

// retrAhead is how many messages RetrAll asks for at once.
const retrAhead = 8

// maxPassedOver is how many octets of messages are passed over that nobody reads.
const maxPassedOver = 1 << 20

// RetrAll fetches messages one after the other. Where the server has PIPELINING it asks ahead, so that the distance to the
// server costs little. Each Body is valid until the next one; what is not read of it is passed over. With an *Error comes
// a Body with nothing but its Number, and the loop goes on; any other error is the last, with a nil Body.
//
// A loop that is left early passes over what has been asked for ahead. If that is more than 1 MiB the connection is
// closed, and marks set by Dele are lost: leave it early only when done. Within the loop other methods
// fail with ErrBusy.
func (c *Client) RetrAll(ctx context.Context, numbers ...int) iter.Seq2[*Body, error] {
	return func(yield func(*Body, error) bool) {
		end, err := c.command(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		c.busy = true
		defer func() { c.busy = false; end() }()
		ahead := 1
		if c.capa.Has("PIPELINING") {
			ahead = retrAhead
		}
		next := 0 // of numbers, to be asked for
		ask := func(upTo int) {
			for ; next < min(upTo, len(numbers)); next++ {
				l := "RETR " + strconv.Itoa(numbers[next])
				c.send(l, l)
			}
		}
		for i, n := range numbers {
			ask(i + ahead)
			b, err := c.retrNext(ctx, n)
			if c.err != nil {
				yield(nil, c.err)
				return
			}
			left := !yield(b, err)
			b.passOver(c.o.MaxMessage)
			if c.err != nil && !left {
				yield(nil, c.err)
			}
			if left {
				c.passOver(ctx, numbers[i+1:next])
			}
			if left || c.err != nil {
				return
			}
		}
	}
}

// retrNext reads the reply to a RETR that has been sent, and returns the message or an *Error.
func (c *Client) retrNext(ctx context.Context, n int) (*Body, error) {
	until := time.Now().Add(c.o.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	_ = c.conn.SetDeadline(until)
	if ctx.Err() != nil { // asked after the deadline is set: what ends ctx later sets its own
		return nil, c.lose(c.fault("RETR", ctx.Err()))
	}
	if _, err := c.reply("RETR"); err != nil {
		return &Body{Number: n, err: err}, err
	}
	return c.newBody(ctx, n, "RETR", func() {}), nil
}

// passOver reads the replies to RETRs that nobody waits for any more.
func (c *Client) passOver(ctx context.Context, numbers []int) {
	left := int64(maxPassedOver)
	for _, n := range numbers {
		b, _ := c.retrNext(ctx, n)
		if c.err != nil {
			return
		}
		left -= b.passOver(left)
	}
}

// A Body reads one message, as it was before dot-stuffing, with its last CRLF. It is valid until the next method of
// the Client, and bound to the context of the method that returned it.
type Body struct {
	Number int // of the message

	c       *Client
	end     func()
	command string
	dots    *line.DotReader
	left    int64     // of MaxMessage
	until   time.Time // for the next octet; grows with what has come and with the time that the caller takes
	last    time.Time // deadline of the context
	paused  time.Time
	err     error
}

func (c *Client) newBody(ctx context.Context, n int, command string, end func()) *Body {
	b := &Body{Number: n, c: c, end: end, command: command, dots: line.NewDotReader(c.r, line.Pass, 0), left: c.o.MaxMessage, until: time.Now().Add(c.o.Timeout)}
	if d, ok := ctx.Deadline(); ok {
		b.last = d
	}
	return b
}

// Read implements io.Reader. io.EOF says that the message is whole. The other errors are a *LimitError, and those of
// the connection; a connection that ends within the message is io.ErrUnexpectedEOF.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if !b.paused.IsZero() {
		b.until = b.until.Add(time.Since(b.paused))
	}
	until := b.until
	if !b.last.IsZero() && b.last.Before(until) {
		until = b.last
	}
	_ = b.c.conn.SetReadDeadline(until)
	n, err := 0, context.Cause(b.c.ctx) // after the deadline is set: what ends the context later sets its own
	if err == nil {
		n, err = b.dots.Read(p)
	}
	b.until = b.until.Add(time.Duration(n) * time.Second / minRate)
	b.paused = time.Now()
	if b.left -= int64(n); b.left < 0 {
		err = b.c.lose(&LimitError{Place: b.command, What: "message", Limit: b.c.o.MaxMessage})
		n = 0
	} else if err != nil && err != io.EOF {
		err = b.c.lose(b.c.fault(b.command, err))
	}
	if err != nil {
		b.finish(err)
	}
	return n, err
}

func (b *Body) finish(err error) {
	b.err = err
	b.end()
	if b.c.body == b {
		b.c.body = nil
	}
}

// Close passes over the rest of the message, at most 1 MiB of it: beyond that the connection is closed.
func (b *Body) Close() error {
	b.passOver(maxPassedOver)
	return nil
}

// passOver reads the rest of the message, and returns how much that was. If it is more than limit the connection is
// closed.
func (b *Body) passOver(limit int64) (n int64) {
	if b.err == nil {
		n, _ = io.CopyN(io.Discard, b, limit+1)
	}
	if b.err == nil {
		b.finish(b.c.lose(&LimitError{Place: b.command, What: "octets to pass over", Limit: limit}))
	}
	if b.err == io.EOF {
		b.err = errBodyClosed
	}
	return n
}
