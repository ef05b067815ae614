package imapserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
)

// A session is one connection. Its commands run one after the other on one goroutine, in the order in which they came.
type session struct {
	*conn
	s     *Server
	ctx   context.Context // ends with hard
	d     *imap.Decoder
	log   *slog.Logger
	until time.Time // for the login

	tag      string
	uid      bool     // the command has the prefix UID
	over     bool     // after this command the session ends
	answered bool     // the tagged response has been sent
	lowest   imap.UID // worked on, where the command works on part of its messages; else 0
	bad      int      // commands in a row that were BAD
	fail     int      // logins that failed

	user      string
	account   *imap.Account // nil before the login
	more      added         // by Extensions
	rev2      bool          // ENABLE IMAP4rev2
	utf8      bool          // ENABLE IMAP4rev2 or UTF8=ACCEPT: names in UTF-8
	accept    bool          // ENABLE UTF8=ACCEPT (RFC 9755)
	condstore bool          // RFC 7162 §3.1: MODSEQ in every FETCH response with flags
	qresync   bool          // ENABLE QRESYNC: VANISHED instead of EXPUNGE (RFC 7162 §3.2.3)
	uidOnly   bool          // ENABLE UIDONLY (RFC 9586): no sequence numbers, either way
	box       *view         // the selected mailbox or nil
	saved     imap.UIDSet   // $ (RFC 9051 §6.4.4.1)
	notify    *notifying    // by NOTIFY
	scratch   []byte        // message text, within one command
}

// session runs one connection to its end. It waits in here for most of its time: what it needs before that is in other functions, so
// that the stack stays small.
func (s *Server) session(soft, hard context.Context, nc net.Conn) {
	c := s.newSession(soft, hard, nc)
	defer context.AfterFunc(soft, c.interrupt)()
	defer c.release()
	if !c.greet(nc) {
		return
	}
	for c.flush() == nil && !c.over {
		if err := c.next(); err != nil {
			c.end(err)
			return
		}
		c.command()
	}
	_ = c.bw.Flush()
	c.linger()
}

func (s *Server) newSession(soft, hard context.Context, nc net.Conn) *session {
	log := s.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &session{conn: newConn(soft, nc, s.Timeouts, &s.writers), s: s, ctx: hard, log: log.With("remote", nc.RemoteAddr().String()),
		until: time.Now().Add(def(s.Timeouts.Login, time.Minute))}
	c.d = imap.NewDecoder(c.br, s.options(false, c.ask))
	c.more = s.add(nil)
	return c
}

// greet ends the handshake of implicit TLS, and sends the greeting.
func (c *session) greet(nc net.Conn) bool {
	c.work(c.until)
	if t, ok := nc.(interface{ HandshakeContext(context.Context) error }); ok {
		if err := t.HandshakeContext(c.ctx); err != nil {
			c.log.Debug("TLS handshake", "err", err)
			return false
		}
	}
	c.respond("*", &imap.Status{Type: imap.StatusOK, Code: imap.CodeCapability, Args: c.capabilities(), Text: "IMAP ready"})
	return true
}

// release gives back what the session holds.
func (c *session) release() {
	c.park()
	c.endNotify()
	c.leave()
}

// flush sends what was written, unless a further command is waiting already and this can go with its answer.
func (c *session) flush() error {
	if c.br.Buffered() > 0 && !c.over {
		return nil
	}
	return c.bw.Flush()
}

// next waits for the first line of a command.
func (c *session) next() error {
	if c.soft.Err() != nil {
		return errShutdown
	}
	if c.notify.always() && c.br.Buffered() == 0 {
		c.wait(c.idleUntil())
		err := c.attend(!c.notify.delayed(), true)
		if err != nil && c.soft.Err() != nil {
			return errShutdown
		}
		if err != nil {
			return err
		}
	}
	return c.nextLine()
}

// nextLine reads the first line of a command.
func (c *session) nextLine() error {
	c.wait(c.idleUntil())
	c.park()
	err := c.d.Next()
	c.unpark()
	c.work(c.workUntil(0))
	if err != nil && c.soft.Err() != nil {
		return errShutdown
	}
	return err
}

func (c *session) idleUntil() time.Time {
	if c.account == nil {
		return c.until
	}
	return time.Now().Add(def(c.s.Timeouts.Idle, 30*time.Minute))
}

// workUntil is the end of a command that carries a literal of size octets.
func (c *session) workUntil(size int64) time.Time {
	if c.account == nil {
		return c.until
	}
	return time.Now().Add(def(c.s.Timeouts.Command, 5*time.Minute) + time.Duration(size>>14)*time.Second)
}

// ask sends the request for a literal.
func (c *session) ask() error {
	_, _ = c.bw.WriteString("+ go ahead\r\n")
	return c.bw.Flush()
}

// end says good-bye where the reason lets it.
func (c *session) end(err error) {
	bye := imap.Status{Type: imap.StatusBye}
	switch {
	case errors.Is(err, errShutdown):
		bye.Code, bye.Text = imap.CodeUnavailable, "the server is shutting down"
	case isNews(err):
		c.log.Error("news cannot be told", "user", c.user, "err", err)
		bye.Code, bye.Text = imap.CodeUnavailable, "internal error"
	case isTimeout(err):
		bye.Text = "autologout: idle for too long"
	case isLimit(err):
		c.respond("*", &imap.Status{Type: imap.StatusBad, Code: imap.CodeTooBig, Text: err.Error()})
		bye.Text = "too much"
	default:
		if !errors.Is(err, io.EOF) {
			c.log.Debug("connection lost", "err", err)
		}
		_ = c.bw.Flush() // the peer may have closed its side alone
		return
	}
	if !c.over {
		c.respond("*", &bye)
	}
	_ = c.bw.Flush()
	c.linger()
}

// command reads one command and answers it.
func (c *session) command() {
	c.tag, c.uid, c.answered, c.lowest = "*", false, false, 0
	if tag := c.d.Tag(); c.d.Err() == nil {
		c.tag = tag
	}
	c.d.SP()
	name := c.d.Keyword()
	if name == "UID" && c.d.Accept(' ') {
		name, c.uid = c.d.Keyword(), true
	}
	run, need := lookup(name, c.uid)
	numbers := takesNumbers(name)
	if run == nil {
		var x *Command
		if run, need, x = c.more.command(name, c.uid); x != nil {
			numbers = x.Numbers
		}
	}
	st, err := (*imap.Status)(nil), c.d.Err()
	switch {
	case err != nil:
	case run == nil:
		if c.account == nil && strings.Contains(c.d.Line(), "HTTP/") { // a web browser, or a page that misuses one
			c.over = true
			c.respond("*", &imap.Status{Type: imap.StatusBye, Text: "this is IMAP"})
			return
		}
		err = badCommand("unknown command")
	case need == beforeLogin && c.account != nil:
		err = badCommand("already logged in")
	case need >= afterLogin && c.account == nil:
		err = badCommand("log in first")
	case need == selected && c.box == nil:
		err = badCommand("select a mailbox first")
	case c.uidOnly && !c.uid && numbers:
		err = errUIDRequired()
	default:
		st, err = run(c)
		if need == selected {
			err = c.refused(err)
		}
		if e := c.d.Err(); e != nil { // what breaks the grammar goes before what it may mean
			err = e
		}
	}
	if c.scratch = c.scratch[:0]; cap(c.scratch) > 64<<10 {
		c.scratch = nil
	}
	c.finish(name, st, err)
}

// finish sends the tagged response.
func (c *session) finish(name string, st *imap.Status, err error) {
	if c.answered || c.lost(err) {
		return
	}
	c.notified()
	if err != nil {
		st = c.status(name, err)
	} else if st == nil {
		st = &imap.Status{Type: imap.StatusOK, Text: name + " completed"}
	}
	if c.lowest > 0 && (err == nil || st.Code == imap.CodeExpungeIssued) {
		c.cutShort(st)
	}
	c.respond(c.tag, st)
	if st.Type != imap.StatusBad {
		c.bad = 0
		return
	}
	if c.bad++; c.bad >= def(c.s.Limits.BadCommands, 20) {
		c.over = true
		c.respond("*", &imap.Status{Type: imap.StatusBye, Text: "too many bad commands"})
	}
}

// lost reports an error of the connection. The next read ends the session with it.
func (c *session) lost(err error) bool {
	if err == nil || c.d.Err() == nil || !errors.Is(err, c.d.Err()) || isLimit(err) {
		return false
	}
	_, syntax := errors.AsType[*imap.SyntaxError](err)
	_, status := errors.AsType[*imap.Status](err)
	return !syntax && !status
}

func badCommand(text string) error { return &imap.Status{Type: imap.StatusBad, Text: text} }

func no(code imap.Code, text string) error {
	return &imap.Status{Type: imap.StatusNo, Code: code, Text: text}
}

// respond writes a status response.
func (c *session) respond(tag string, st *imap.Status) {
	b := append(c.bw.AvailableBuffer(), tag...)
	b = imap.AppendStatus(append(b, ' '), st)
	_, _ = c.bw.Write(append(b, "\r\n"...))
}

// writef writes one untagged response made of parts.
func (c *session) untagged(parts ...string) {
	b := append(c.bw.AvailableBuffer(), '*')
	for _, p := range parts {
		b = append(append(b, ' '), p...)
	}
	_, _ = c.bw.Write(append(b, "\r\n"...))
}

// status says how an error is answered. What the server does not know is a failure of the backend: it is logged, and
// its text stays here.
func (c *session) status(name string, err error) *imap.Status {
	if st, ok := errors.AsType[*imap.Status](err); ok {
		return st
	}
	if e, ok := errors.AsType[*imap.SyntaxError](err); ok {
		return &imap.Status{Type: imap.StatusBad, Code: imap.CodeClientBug, Text: strings.TrimPrefix(e.Error(), "imap: ")}
	}
	if e, ok := errors.AsType[*imap.LimitError](err); ok {
		code := imap.CodeLimit
		if e.What == "literal" || e.What == "command" {
			code = imap.CodeTooBig
		}
		return &imap.Status{Type: imap.StatusBad, Code: code, Text: strings.TrimPrefix(e.Error(), "imap: ")}
	}
	for _, k := range knownErrors() {
		if errors.Is(err, k.err) {
			return &imap.Status{Type: k.typ, Code: k.code, Text: k.text}
		}
	}
	if !errors.Is(err, context.Canceled) {
		c.log.Error("command failed", "user", c.user, "command", name, "err", err)
	}
	return &imap.Status{Type: imap.StatusNo, Code: imap.CodeUnavailable, Text: "internal error, try again later"}
}

type knownError struct {
	err  error
	typ  imap.StatusType
	code imap.Code
	text string
}

func knownErrors() []knownError {
	return []knownError{
		{imap.ErrNonexistent, imap.StatusNo, imap.CodeNonexistent, "no such mailbox"},
		{imap.ErrExists, imap.StatusNo, imap.CodeAlreadyExists, "the mailbox exists"},
		{imap.ErrInvalidName, imap.StatusNo, imap.CodeCannot, "not a name for a mailbox"},
		{imap.ErrCannot, imap.StatusNo, imap.CodeCannot, "not possible for this mailbox"},
		{imap.ErrTooBig, imap.StatusNo, imap.CodeTooBig, "the message is too big"},
		{imap.ErrOverQuota, imap.StatusNo, imap.CodeOverQuota, "over quota"},
		{imap.ErrUnknownEncoding, imap.StatusNo, imap.CodeUnknownCTE, "unknown content-transfer-encoding"},
		{imap.ErrNoPermission, imap.StatusNo, imap.CodeNoPerm, "no permission"},
		{imap.ErrReadOnly, imap.StatusNo, imap.CodeNoPerm, "the mailbox is read-only"},
		{sasl.ErrCredentials, imap.StatusNo, imap.CodeAuthFailed, "invalid credentials"},
		{sasl.ErrEncryption, imap.StatusNo, imap.CodePrivacy, "TLS is needed first"},
		{sasl.ErrMechanism, imap.StatusNo, imap.CodeCannot, "no such mechanism"},
		{sasl.ErrLocked, imap.StatusNo, imap.CodeLimit, "too many failures, try again later"},
		{sasl.ErrMalformed, imap.StatusBad, "", "malformed response"},
	}
}

// tryCreate is the answer where the destination of a message does not exist (RFC 9051 §7.1, TRYCREATE).
func tryCreate(err error) error {
	if errors.Is(err, imap.ErrNonexistent) {
		return no(imap.CodeTryCreate, "no such mailbox")
	}
	return err
}
