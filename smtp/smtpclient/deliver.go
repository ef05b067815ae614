package smtpclient

import (
	"context"
	"io"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
)

// maxGroup is how many octets of commands are sent before their replies are read: more, and both sides could wait for
// each other with full buffers (RFC 2920 §3.1).
const maxGroup = 4 << 10

// What stands in Conn.pending beside the indexes of recipients.
const (
	pendingData = -1 - iota
	pendingMail
	pendingReset
)

// Deliver implements smtp.BatchHandler. Where the server offers PIPELINING, MAIL, all RCPT and DATA go out in one
// write. Nothing is read of body before a recipient has been accepted, and, unless the server takes ASCII alone,
// before the server has asked for the message.
func (c *Conn) Deliver(ctx context.Context, e smtp.Envelope, body io.Reader) (smtp.Results, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.release()
	defer c.watch(ctx)()
	c.until = time.Now().Add(c.c.Timeouts.Envelope)
	b := &batch{results: make(smtp.Results, len(e.Recipients))}
	err := b.envelope(ctx, c, e)
	c.until = time.Time{}
	if err != nil {
		return b.fail(err)
	}
	if b.x.accepted == 0 {
		if b.data.Code == 354 { // RFC 2920 §3.1: no recipient, but the server waits for a message
			if err := c.nothing(ctx); err != nil {
				return b.fail(err)
			}
		}
		return b.results, nil
	}
	var res smtp.Results
	switch {
	case b.data.Code == 0:
		res, err = b.x.data(ctx, body)
	default:
		res, err = b.x.answered(ctx, b.data, body)
	}
	if err != nil {
		return b.fail(err)
	}
	k := 0
	for i := range b.results {
		if b.results[i].Reply.Code == 0 {
			b.results[i] = res[k]
			k++
		}
	}
	return b.results, nil
}

// A batch is an envelope on its way. A result with the zero Reply is that of an accepted recipient, or of one that has
// no answer yet.
type batch struct {
	x       *exchange
	results smtp.Results
	mailErr error
	data    smtp.Reply // to DATA; zero: not sent
}

// fail makes err the answer to all recipients that have none. If that is all of them it is the error itself.
func (b *batch) fail(err error) (smtp.Results, error) {
	open := 0
	for i := range b.results {
		if b.results[i].Reply.Code == 0 {
			open++
		}
	}
	if open == len(b.results) {
		return nil, err
	}
	for i := range b.results {
		if b.results[i].Reply.Code == 0 {
			b.results[i] = smtp.ResultOf(err)
		}
	}
	return b.results, nil
}

// envelope sends MAIL, RCPT and, if it can be pipelined, DATA, and reads the replies.
func (b *batch) envelope(ctx context.Context, c *Conn, e smtp.Envelope) error {
	pipelining := c.ext.Has("PIPELINING")
	if !pipelining {
		if err := c.reset(ctx); err != nil {
			return err
		}
	}
	c.out, c.pending = c.out[:0], c.pending[:0]
	if c.dirty {
		c.out = append(c.out, "RSET\r\n"...)
		c.pending = append(c.pending, pendingReset)
	}
	for _, r := range e.Recipients { // what is said of one transaction holds for all of them (RFC 6531 §3.4)
		e.Params.UTF8 = e.Params.UTF8 || needsUTF8(r.To) && c.ext.Has("SMTPUTF8")
	}
	var err error
	if b.x, err = c.begin(e.From, e.Params); err != nil {
		return err
	}
	c.pending = append(c.pending, pendingMail)
	sent := 0
	for i, r := range e.Recipients {
		if !pipelining || len(c.out) > maxGroup {
			if err := b.drain(ctx, c); err != nil {
				return err
			}
		}
		if err := b.x.rcpt(r.To, r.Params); err != nil {
			b.results[i].Reply = smtp.ReplyOf(err)
			continue
		}
		c.pending = append(c.pending, i)
		sent++
	}
	if sent == 0 && len(c.out) > 0 { // nobody to send to: MAIL need not be said
		c.out, c.pending = c.out[:0], c.pending[:0]
		return nil
	}
	if pipelining && sent > 0 && !b.x.bdat && !b.x.ascii && !b.x.header {
		c.out = append(c.out, "DATA\r\n"...)
		c.pending = append(c.pending, pendingData)
	}
	return b.drain(ctx, c)
}

// drain sends the commands that wait and reads their replies. The error is that of MAIL, or of the connection.
func (b *batch) drain(ctx context.Context, c *Conn) error {
	if len(c.pending) == 0 {
		return nil
	}
	err := c.flush(ctx, "MAIL", c.c.Timeouts.Command)
	if err != nil {
		return err
	}
	for _, p := range c.pending {
		switch {
		case p == pendingReset:
			err = c.resetReply(ctx)
		case p == pendingMail:
			err = b.mailReply(ctx, c)
		case p == pendingData:
			b.data, err = c.reply(ctx, "DATA", c.c.Timeouts.Data)
			if err == nil && b.data.Code < 400 && b.data.Code != 354 {
				err = c.unexpected("DATA", b.data)
			}
		default:
			err = b.rcptReply(ctx, c, p)
		}
		if err != nil {
			return err
		}
	}
	c.pending = c.pending[:0]
	if b.mailErr != nil && b.data.Code == 354 {
		if err := c.nothing(ctx); err != nil {
			return err
		}
	}
	return b.mailErr
}

func (b *batch) mailReply(ctx context.Context, c *Conn) error {
	r, err := c.reply(ctx, "MAIL", c.c.Timeouts.Command)
	switch {
	case err != nil:
		return err
	case r.Code == 421:
		return c.refused("MAIL", r)
	case r.Code >= 400:
		b.mailErr = c.refused("MAIL", r)
	case r.Code >= 300:
		return c.unexpected("MAIL", r)
	}
	c.mails++
	c.dirty = true
	return nil
}

func (b *batch) rcptReply(ctx context.Context, c *Conn, i int) error {
	r, err := c.reply(ctx, "RCPT", c.c.Timeouts.Command)
	switch {
	case err != nil:
		return err
	case r.Code == 421:
		return c.refused("RCPT", r)
	case b.mailErr != nil: // RCPT without MAIL: whatever it says
	case r.Code >= 400:
		b.results[i] = b.x.result(r)
	case r.Code >= 300:
		return c.unexpected("RCPT", r)
	default:
		b.x.accepted++
	}
	return nil
}
