package smtpclient

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/internal/address"
	"github.com/mailbricks/mailbricks/smtp"
)

// An exchange is one transaction on a Conn. The Conn is acquired while it lasts.
type exchange struct {
	c        *Conn
	binary   bool // BINARYMIME: octets go as they are
	bdat     bool // BDAT instead of DATA
	ascii    bool // the server takes no 8-bit message
	utf8     bool // MAIL had SMTPUTF8
	header   bool // the sender says SMTPUTF8, the server does not take it: the header must be ASCII
	dsn      bool
	by       bool // a DeliverBy was passed on
	late     bool // a DeliverBy was not passed on: ask for the news of it
	rcpts    int  // commands given, for LIMITS
	accepted int
}

// begin checks what can be checked without the server, appends MAIL to the commands that wait, and returns the
// exchange.
func (c *Conn) begin(from smtp.Path, p smtp.MailParams) (*exchange, error) {
	x := &exchange{c: c, dsn: c.ext.Has("DSN")}
	if err := x.body(&p); err != nil {
		return nil, err
	}
	if offered := c.ext.Has("SMTPUTF8"); offered {
		p.UTF8 = p.UTF8 || needsUTF8(from)
		x.utf8 = p.UTF8
	} else if p.UTF8 {
		p.UTF8, x.header = false, true
	}
	from, err := x.path("MAIL", from)
	if err != nil {
		return nil, err
	}
	if err := x.requireTLS(from, &p); err != nil {
		return nil, err
	}
	if limit := c.ext.MaxSize(); limit > 0 && p.Size > limit { // RFC 1870 §6.1
		return nil, c.local("MAIL", 552, smtp.EnhancedCode{5, 3, 4}, "Message too large for "+c.host, nil)
	}
	if !c.ext.Has("SIZE") {
		p.Size = 0
	}
	if !c.authed { // RFC 4954 §5: only to servers that are trusted to use it
		p.Auth = ""
	}
	if !x.dsn { // RFC 3461 §5.2.2
		p.Return, p.EnvelopeID = "", ""
	}
	if err := x.timely(&p); err != nil {
		return nil, err
	}
	p.Other = c.ext.offered(p.Other)
	start := len(c.out)
	c.out = append(c.out, "MAIL FROM:"...)
	if c.out, err = smtp.AppendPath(c.out, from); err == nil {
		c.out, err = smtp.AppendMailParams(c.out, p)
	}
	if err != nil {
		c.out = c.out[:start]
		return nil, &Error{Op: "MAIL", Host: c.host, Err: err}
	}
	c.out = append(c.out, "\r\n"...)
	return x, nil
}

// body chooses between DATA and BDAT and the body type to declare.
func (x *exchange) body(p *smtp.MailParams) error {
	c := x.c
	eight, chunks := c.ext.Has("8BITMIME"), c.ext.Has("CHUNKING")
	x.bdat = chunks && c.c.Chunking
	switch {
	case p.Body == smtp.BodyBinaryMIME:
		if !chunks || !c.ext.Has("BINARYMIME") { // RFC 3030 §3
			return c.local("MAIL", 554, smtp.EnhancedCode{5, 6, 3}, c.host+" takes no binary messages", ErrEightBit)
		}
		x.binary, x.bdat = true, true
	case !eight:
		p.Body, x.ascii = "", true
	case p.Body == "": // what has not been read may be anything (RFC 6152 §3)
		p.Body = smtp.Body8BitMIME
	}
	return nil
}

// requireTLS holds the message to RFC 8689 §4.2.1. A notification goes without where the server does not offer it.
func (x *exchange) requireTLS(from smtp.Path, p *smtp.MailParams) error {
	c := x.c
	switch {
	case !p.RequireTLS:
	case c.tls != nil && c.verified && c.ext.Has("REQUIRETLS"):
	case from.IsNull():
		p.RequireTLS = c.tls != nil && c.ext.Has("REQUIRETLS")
	case c.tls == nil || !c.verified:
		return c.local("MAIL", 550, smtp.EnhancedCode{5, 7, 10}, "Encryption needed", ErrNoTLS)
	default:
		return c.local("MAIL", 550, smtp.EnhancedCode{5, 7, 30}, "REQUIRETLS support required", nil)
	}
	return nil
}

// timely holds the message to what the server offers of DELIVERBY, FUTURERELEASE and MT-PRIORITY.
func (x *exchange) timely(p *smtp.MailParams) error {
	c := x.c
	switch by := p.DeliverBy; {
	case by.Mode == "":
	case c.ext.Has("DELIVERBY"):
		x.by = true
		least, _ := strconv.Atoi(c.ext["DELIVERBY"])
		if by.Mode == smtp.DeliverReturn && (by.After < time.Second || by.After/time.Second < time.Duration(least)) { // RFC 2852 §4.1.4.1
			return c.local("MAIL", 554, smtp.EnhancedCode{5, 4, 7}, "Too little time left to deliver through "+c.host, nil)
		}
	case c.c.LMTP: // delivery, not relaying (RFC 2852 §4.1.1)
		p.DeliverBy, x.by = smtp.DeliverBy{}, true
	case by.Mode == smtp.DeliverReturn:
		return c.local("MAIL", 554, smtp.EnhancedCode{5, 3, 3}, c.host+" does not offer DELIVERBY", nil)
	default: // RFC 2852 §4.1.4.2
		p.DeliverBy, x.late = smtp.DeliverBy{}, true
	}
	if p.Hold != (smtp.Hold{}) { // RFC 4865 §4.1
		if !c.ext.Has("FUTURERELEASE") {
			return c.local("MAIL", 554, smtp.EnhancedCode{5, 3, 3}, c.host+" does not offer FUTURERELEASE", nil)
		}
		interval, date, _ := strings.Cut(c.ext["FUTURERELEASE"], " ")
		most, _ := strconv.Atoi(interval)
		until, err := time.Parse(time.RFC3339, date)
		if p.Hold.For > time.Duration(most)*time.Second || err == nil && p.Hold.Until.After(until) {
			return c.local("MAIL", 501, smtp.EnhancedCode{5, 5, 4}, c.host+" does not hold messages for so long", nil)
		}
	}
	if !c.ext.Has("MT-PRIORITY") { // RFC 6710 §4.3
		p.Priority, p.Prioritized = 0, false
	}
	return nil
}

// needsUTF8 reports whether p can be written with SMTPUTF8 alone: a domain has A-labels too.
func needsUTF8(p smtp.Path) bool { return smtp.Path{Local: p.Local}.NeedsUTF8() }

// path returns p as it can be written in this transaction. Without SMTPUTF8 a domain is written in A-labels, and a local
// part that is not ASCII cannot be written at all (RFC 6531 §3.2).
func (x *exchange) path(op string, p smtp.Path) (smtp.Path, error) {
	if x.utf8 || !p.NeedsUTF8() {
		return p, nil
	}
	if domain, err := address.ToASCII(p.Domain); err == nil {
		p.Domain = domain
	}
	if p.NeedsUTF8() {
		code := map[string]int{"MAIL": 550, "RCPT": 553}[op] // RFC 6531 §3.5
		return p, x.c.local(op, code, smtp.EnhancedCode{5, 6, 7}, "Internationalized address not permitted by "+x.c.host, nil)
	}
	return p, nil
}

// rcpt appends RCPT to the commands that wait.
func (x *exchange) rcpt(to smtp.Path, p smtp.RcptParams) error {
	c := x.c
	to, err := x.path("RCPT", to)
	if err != nil {
		return err
	}
	if limit := c.ext.Limit("RCPTMAX"); limit > 0 && x.rcpts >= limit { // RFC 9422 §4.2
		return c.local("RCPT", 452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients for "+c.host, nil)
	}
	switch {
	case !x.late:
	case p.Notify == 0:
		p.Notify = smtp.NotifyFailure | smtp.NotifyDelay
	case p.Notify != smtp.NotifyNever:
		p.Notify |= smtp.NotifyDelay
	}
	if !x.dsn {
		p.Notify, p.OriginalType, p.Original = 0, "", ""
	}
	p.Other = c.ext.offered(p.Other)
	start := len(c.out)
	c.out = append(c.out, "RCPT TO:"...)
	if c.out, err = smtp.AppendPath(c.out, to); err == nil {
		c.out, err = smtp.AppendRcptParams(c.out, p)
	}
	if err == nil && to.IsNull() {
		err = smtp.NewError(501, smtp.EnhancedCode{5, 1, 3}, "Recipient is missing")
	}
	if err != nil {
		c.out = c.out[:start]
		return &Error{Op: "RCPT", Host: c.host, Err: err}
	}
	c.out = append(c.out, "\r\n"...)
	x.rcpts++
	return nil
}

// result is what one recipient gets for a reply of the server.
func (x *exchange) result(r smtp.Reply) smtp.Result {
	return smtp.Result{Reply: r, RemoteMTA: x.c.host, DSNPassed: x.dsn && r.OK(), DeliverByPassed: x.by && r.OK()}
}

// Mail implements smtp.Handler: it says MAIL and waits for the reply. The Conn is taken until the Transaction is closed.
func (c *Conn) Mail(ctx context.Context, _ *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	x, err := c.mail(ctx, from, p)
	if err != nil {
		c.release()
		return nil, err
	}
	return &transaction{x: x}, nil
}

func (c *Conn) mail(ctx context.Context, from smtp.Path, p smtp.MailParams) (*exchange, error) {
	defer c.watch(ctx)()
	if err := c.reset(ctx); err != nil {
		return nil, err
	}
	c.out = c.out[:0]
	x, err := c.begin(from, p)
	if err != nil {
		return nil, err
	}
	r, err := c.exec(ctx, "MAIL", c.c.Timeouts.Command)
	if err != nil {
		return nil, err
	}
	switch r.Code / 100 {
	case 2:
	case 3:
		return nil, c.unexpected("MAIL", r)
	default:
		return nil, c.refused("MAIL", r)
	}
	c.mails++
	c.dirty = true
	return x, nil
}

// reset ends what the last transaction left open.
func (c *Conn) reset(ctx context.Context) error {
	if !c.dirty {
		return nil
	}
	c.out = append(c.out[:0], "RSET\r\n"...)
	if err := c.flush(ctx, "RSET", c.c.Timeouts.Command); err != nil {
		return err
	}
	return c.resetReply(ctx)
}

// resetReply reads the reply to RSET, which cannot be refused.
func (c *Conn) resetReply(ctx context.Context) error {
	r, err := c.reply(ctx, "RSET", c.c.Timeouts.Command)
	switch {
	case err != nil:
		return err
	case r.Code == 421:
		return c.refused("RSET", r)
	case r.Code/100 != 2:
		return c.unexpected("RSET", r)
	}
	c.dirty = false
	return nil
}

// A transaction is an exchange as an smtp.Transaction, one command at a time.
type transaction struct {
	x      *exchange
	closed bool
}

func (t *transaction) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	c := t.x.c
	if c.dead.Load() {
		return lostError("RCPT", c.host, ErrClosed)
	}
	if err := t.x.rcpt(to, p); err != nil {
		return err
	}
	defer c.watch(ctx)()
	r, err := c.exec(ctx, "RCPT", c.c.Timeouts.Command)
	if err != nil {
		return err
	}
	switch r.Code / 100 {
	case 2:
		t.x.accepted++
		return nil
	case 3:
		return c.unexpected("RCPT", r)
	}
	return c.refused("RCPT", r)
}

// Data says DATA before it reads of body, unless the server takes ASCII alone.
func (t *transaction) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	c := t.x.c
	if c.dead.Load() {
		return nil, lostError("DATA", c.host, ErrClosed)
	}
	if t.x.accepted == 0 {
		return nil, c.local("DATA", 554, smtp.EnhancedCode{5, 5, 1}, "No valid recipients", nil)
	}
	defer c.watch(ctx)()
	return t.x.data(ctx, body)
}

// Close ends the transaction; one that is not over is reset before the next.
func (t *transaction) Close() error {
	if !t.closed {
		t.closed = true
		t.x.c.release()
	}
	return nil
}
