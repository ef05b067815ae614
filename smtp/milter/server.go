package milter

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/internal/header"
	"github.com/mailbricks/mailbricks/internal/serve"
	"github.com/mailbricks/mailbricks/internal/spool"
	"github.com/mailbricks/mailbricks/smtp"
)

// A Checker checks the mail of an MTA. It is called by several goroutines at once.
//
// Mail is asked at MAIL, as smtp.Handler is; a nil Transaction without an error lets the message pass unseen. An error
// refuses: with the reply of the *smtp.Error that errors.As finds, else with 451 4.3.0.
type Checker interface {
	Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (Transaction, error)
}

// A Transaction is one message being checked. Its methods are called by one goroutine, in the order Rcpt (any number),
// Check (at most once), Close (exactly once). A recipient whom the MTA refuses afterwards may have been asked for.
type Transaction interface {
	Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error
	Check(ctx context.Context, m *Message) (Changes, error)
	Close() error
}

// A Message is what Check sees. It is there until Check returns.
type Message struct {
	// ID is the MTA's name for the message, "" if it has told none.
	ID string
	// Header is the header section with CRLF line ends and its empty line. The Received field that the MTA will put on
	// top is not there.
	Header []byte
	// Body is the rest.
	Body *io.SectionReader
}

// A Server offers a Checker to an MTA: smtpd_milters = inet:127.0.0.1:8891. Its fields must not be changed once it serves.
type Server struct {
	Checker Checker
	// MaxMessage is the most octets of a message, 0: 100 MiB; 552 5.3.4 beyond it. Memory is how many of them stay in
	// memory, 0: 256 KiB; the rest goes to a file in Dir, "" is the system's folder for such files.
	MaxMessage int64
	Memory     int
	Dir        string
	// Timeout is the wait for a packet, 0: 15 minutes: the MTA's client may take its time.
	Timeout time.Duration
	// MaxConns is how many connections there are at a time, 0: 1000, negative: no limit.
	MaxConns int
	// Logger is told of connections that end in an error; nil is silent.
	Logger *slog.Logger

	once sync.Once
	loop serve.Loop
}

func (s *Server) prepare() {
	s.loop = serve.Loop{MaxConns: s.MaxConns, MaxPerNetwork: -1, Logger: s.Logger, Session: func(soft, hard context.Context, nc net.Conn) {
		c := &serving{s: s, nc: nc, r: bufio.NewReader(nc)}
		defer context.AfterFunc(soft, c.stop)()
		defer c.abort()
		if err := c.run(hard); err != nil && !errors.Is(err, io.EOF) && soft.Err() == nil && s.Logger != nil {
			s.Logger.Warn("milter: connection ended", "remote", nc.RemoteAddr().String(), "err", err)
		}
	}}
}

// Serve serves connections until ctx ends, and closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.once.Do(s.prepare)
	return s.loop.Serve(ctx, ln)
}

// ServeConn serves one connection on the goroutine of the caller.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	s.once.Do(s.prepare)
	return s.loop.ServeConn(ctx, nc)
}

// serving is one connection.
type serving struct {
	s   *Server
	nc  net.Conn
	r   *bufio.Reader
	o   options
	in  []byte
	out []byte

	macros map[byte]map[string]string // of each step
	peer   smtp.Peer
	tx     Transaction
	header []byte
	body   *spool.Buffer
	tooBig bool

	mu      sync.Mutex
	waiting bool // for a message to begin
	stopped bool
}

// stop ends the connection where no message is under way.
func (c *serving) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.waiting {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// arm sets the deadline for the next packet; ok is false once the server stops between messages.
func (c *serving) arm() (ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = c.tx == nil
	_ = c.nc.SetDeadline(time.Now().Add(cmp.Or(c.s.Timeout, 15*time.Minute)))
	return !c.waiting || !c.stopped
}

func (c *serving) run(ctx context.Context) error {
	for c.arm() {
		code, data, grown, err := readPacket(c.r, c.in)
		c.in = grown
		if err != nil {
			return err
		}
		if code == cmdQuit {
			return nil
		}
		if err := c.packet(ctx, code, data); err != nil {
			return err
		}
		if len(c.out) > 0 {
			_ = c.nc.SetWriteDeadline(time.Now().Add(time.Minute)) // a check may have taken its time
			_, err := c.nc.Write(c.out)
			c.out = c.out[:0]
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// abort abandons the message under way.
func (c *serving) abort() {
	if c.tx != nil {
		if err := c.tx.Close(); err != nil && c.s.Logger != nil {
			c.s.Logger.Warn("milter: transaction not closed", "err", err)
		}
	}
	if c.body != nil {
		_ = c.body.Close()
	}
	c.tx, c.header, c.body, c.tooBig = nil, nil, nil, false
}

func (c *serving) say(code byte, data ...string) { c.out = appendPacket(c.out, code, data...) }

// fail answers an error.
func (c *serving) fail(err error) {
	r := smtp.ReplyOf(err)
	text := strings.TrimSuffix(string(smtp.AppendReply(nil, r)), "\r\n")
	c.say(ansReply, strs(text))
}

// obey answers what a step gave.
func (c *serving) obey(err error) {
	if err != nil {
		c.fail(err)
		return
	}
	c.say(ansContinue)
}

// packet does one packet.
func (c *serving) packet(ctx context.Context, code byte, data []byte) error {
	if c.o.version == 0 && code != cmdOptions {
		return errProtocol("%q before options", code)
	}
	switch code {
	case cmdOptions:
		return c.options(data)
	case cmdMacro:
		c.define(data)
	case cmdConnect:
		c.abort()
		c.peer = smtp.Peer{}
		c.connect(data)
		c.say(ansContinue)
	case cmdHelo:
		c.peer.Hello = strings.Join(split(data), "")
		c.say(ansContinue)
	case cmdMail:
		c.abort()
		c.mail(ctx, split(data))
	case cmdRcpt:
		c.rcpt(ctx, split(data))
	case cmdData, cmdStrange, cmdEOH:
		c.say(ansContinue)
	case cmdHeader:
		c.field(split(data))
		c.say(ansContinue)
	case cmdBody:
		return c.chunk(data)
	case cmdEnd:
		if len(data) > 0 { // what is left of the body
			if err := c.chunk(data); err != nil {
				return err
			}
			c.out = c.out[:0]
		}
		return c.end(ctx)
	case cmdAbort:
		c.abort()
		c.forget()
	case cmdQuitNew: // the next connection of the MTA's client comes here
		c.abort()
		c.peer, c.macros = smtp.Peer{}, nil
	default:
		return errProtocol("command %q", code)
	}
	return nil
}

func (c *serving) options(data []byte) (err error) {
	if c.o, err = parseOptions(data); err != nil {
		return err
	}
	c.o = options{min(c.o.version, version), c.o.actions & allActions, c.o.steps & (noUnknown | leadingSpace)}
	c.say(cmdOptions, c.o.String())
	return nil
}

// maxMacros bounds what an MTA tells at one step.
const maxMacros = 1000

// define takes the macros of a step, in place of those that it had for the message before.
func (c *serving) define(data []byte) {
	if len(data) == 0 {
		return
	}
	if c.macros == nil {
		c.macros = make(map[byte]map[string]string)
	}
	step, words := make(map[string]string), split(data[1:])
	for i := 0; i+1 < len(words) && len(step) < maxMacros; i += 2 {
		step[strings.Trim(words[i], "{}")] = words[i+1]
	}
	c.macros[data[0]] = step
}

// macro returns what the MTA has told last, "" if nothing.
func (c *serving) macro(name string) string {
	for _, step := range []byte{cmdEnd, cmdEOH, cmdData, cmdRcpt, cmdMail, cmdHelo, cmdConnect} {
		if v, ok := c.macros[step][name]; ok {
			return v
		}
	}
	return ""
}

// forget drops the macros of a message, which are not those of the next one.
func (c *serving) forget() {
	for step := range c.macros {
		if step != cmdConnect && step != cmdHelo {
			delete(c.macros, step)
		}
	}
}

// connect reads who is on the other side of the MTA.
func (c *serving) connect(data []byte) {
	_, where, _ := strings.Cut(string(data), "\x00")
	if len(where) < 4 || where[0] != '4' && where[0] != '6' {
		return
	}
	text := strings.TrimPrefix(strings.TrimSuffix(where[3:], "\x00"), "IPv6:")
	if ip, err := netip.ParseAddr(text); err == nil {
		c.peer.RemoteAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(where[1])<<8|uint16(where[2])))
	}
}

func (c *serving) mail(ctx context.Context, words []string) {
	if len(words) == 0 {
		c.fail(errProtocol("MAIL without address"))
		return
	}
	from := lenientAddress(words[0])
	p, err := smtp.ParseMailParams(params(words[1:]))
	if err != nil {
		p = smtp.MailParams{} // the MTA has taken them
	}
	peer := c.peer
	peer.Identity = c.macro("auth_authen")
	peer.Protocol = "ESMTP"
	c.tx, err = c.s.Checker.Mail(ctx, &peer, from, p)
	switch {
	case err != nil:
		c.tx = nil
		c.forget()
		c.fail(err)
	case c.tx == nil:
		c.say(ansAccept)
	default:
		c.body = spool.New(spool.Options{Memory: c.s.Memory, Max: c.s.MaxMessage, Dir: c.s.Dir})
		c.say(ansContinue)
	}
}

func (c *serving) rcpt(ctx context.Context, words []string) {
	if c.tx == nil || len(words) == 0 {
		c.say(ansContinue)
		return
	}
	p, err := smtp.ParseRcptParams(params(words[1:]))
	if err != nil {
		p = smtp.RcptParams{}
	}
	c.obey(c.tx.Rcpt(ctx, lenientAddress(words[0]), p))
}

func params(words []string) string {
	var b strings.Builder
	for _, w := range words {
		if w != "" {
			b.WriteString(" " + w)
		}
	}
	return b.String()
}

// lenientAddress takes what an MTA has taken already.
func lenientAddress(s string) smtp.Path {
	if p, err := parseAddress(s); err == nil {
		return p
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return smtp.Path{Local: s}
	}
	return smtp.Path{Local: s[:i], Domain: s[i+1:]}
}

// field adds a field of the header.
func (c *serving) field(words []string) {
	if c.tx == nil || len(words) == 0 {
		return
	}
	value := ""
	if len(words) > 1 {
		value = fromWire(words[1])
	}
	if c.o.steps&leadingSpace == 0 {
		value = " " + value
	}
	if len(c.header)+len(words[0])+len(value) > header.MaxHeader {
		c.tooBig = true
		return
	}
	c.header = append(append(append(append(c.header, words[0]...), ':'), value...), "\r\n"...)
}

func (c *serving) chunk(data []byte) error {
	if c.tx != nil && !c.tooBig {
		_, err := c.body.Write(data)
		if _, ok := errors.AsType[*spool.TooLargeError](err); ok {
			c.tooBig = true
		} else if err != nil {
			return err
		}
	}
	c.say(ansContinue)
	return nil
}

// end checks the message.
func (c *serving) end(ctx context.Context) error {
	defer c.forget()
	defer c.abort()
	switch {
	case c.tx == nil:
		c.say(ansContinue)
		return nil
	case c.tooBig:
		c.fail(smtp.NewError(552, smtp.EnhancedCode{5, 3, 4}, "Message too large"))
		return nil
	}
	// The check may take longer than the MTA waits for one packet.
	ch, err := c.tx.Check(ctx, &Message{ID: c.macro("i"), Header: append(c.header, "\r\n"...), Body: c.body.Reader()})
	if err == nil {
		err = c.change(&ch)
	}
	if err != nil {
		c.out = c.out[:0]
		c.fail(err)
		return nil
	}
	c.say(ansContinue)
	return nil
}

// change says what is to be changed. The error is that of a change that cannot be said.
func (c *serving) change(ch *Changes) error {
	need := func(action uint32, what string) error {
		if c.o.actions&action == 0 {
			return errors.New("milter: the MTA gives no leave to change " + what)
		}
		return nil
	}
	for _, h := range ch.Header {
		value := h.Value
		if c.o.steps&leadingSpace == 0 {
			value = strings.TrimPrefix(value, " ")
		}
		if !validField(h.Name, h.Value) {
			return errors.New("milter: " + strconv.Quote(h.Name) + ": not a field")
		}
		code, action, index := byte(ansAddHeader), uint32(actAddHeaders), ""
		switch h.Kind {
		case Insert:
			code, index = ansInsHeader, octets(h.Index)
		case Replace:
			code, action, index = ansChgHeader, actChgHeaders, octets(h.Index)
		}
		if err := need(action, "the header"); err != nil {
			return err
		}
		c.say(code, index, strs(h.Name, toWire(value)))
	}
	if ch.From != nil {
		if err := need(actFrom, "the sender"); err != nil {
			return err
		}
		c.say(ansFrom, strs(ch.From.String()))
	}
	for _, to := range ch.Remove {
		if err := need(actDelRcpt, "the recipients"); err != nil {
			return err
		}
		c.say(ansDelRcpt, strs(to.String()))
	}
	for _, r := range ch.Add {
		p, err := smtp.AppendRcptParams(nil, r.Params)
		if err != nil {
			return err
		}
		if len(p) == 0 {
			err = need(actAddRcpt, "the recipients")
			c.say(ansAddRcpt, strs(r.To.String()))
		} else {
			err = need(actAddRcptParams, "the recipients")
			c.say(ansAddRcptParams, strs(r.To.String(), strings.TrimPrefix(string(p), " ")))
		}
		if err != nil {
			return err
		}
	}
	if ch.Body != nil {
		if err := need(actBody, "the body"); err != nil {
			return err
		}
		for rest := ch.Body; ; {
			n := min(len(rest), bodyChunk)
			c.say(ansBody, string(rest[:n]))
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
	if ch.Quarantine != "" {
		if err := need(actQuarantine, "where the message goes"); err != nil {
			return err
		}
		c.say(ansQuarantine, strs(ch.Quarantine))
	}
	return nil
}
