package smtpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/mailbricks/mailbricks/internal/line"
	"github.com/mailbricks/mailbricks/smtp"
)

// Sizes of the read buffer: of a session that waits for a command, and while a message comes in.
const (
	smallBuffer = 3 << 10
	bigBuffer   = 64 << 10
)

// A session is one connection.
type session struct {
	srv *Server
	ctx context.Context // ends with the connection
	w   wire
	r   *line.Reader
	id  string

	remote, local net.Addr
	tls           *tls.ConnectionState
	hello         string // "" before EHLO, HELO or LHLO
	extended      bool   // EHLO or LHLO
	offered       uint64 // indices of Server.extensions
	identity      string
	trusted       bool // XCLIENT

	tx       *transaction
	messages int // begun
	body     body

	told smtp.Reply // the last one of the Handler

	commands, errors, refused int
	closing, talking          bool             // the session ends; the peer may still be sending
	grown                     *[bigBuffer]byte // in use by r
	small                     []byte           // not in use meanwhile
	peers                     [2]*smtp.Peer    // without and with SMTPUTF8; nil: to be made anew
}

// session runs one session. What an idle one costs is its stack above all, so that whoever waits for a command is called
// from few and small frames: used up to an eighth of them, the runtime gives half of a stack back.
func (s *Server) session(soft, hard context.Context, c net.Conn) {
	x := s.newSession(hard, c)
	defer context.AfterFunc(soft, x.w.stop)()
	defer x.end()
	x.open()
	for !x.closing {
		x.rest()
		x.r.Await()
		x.serve()
	}
}

func (s *Server) newSession(ctx context.Context, c net.Conn) *session {
	x := &session{srv: s, ctx: ctx, remote: c.RemoteAddr(), local: c.LocalAddr(), id: s.sessionID()}
	x.trusted = s.trusts(x.remote)
	x.w = wire{c: c, write: s.timeouts.Write}
	x.r = line.NewReader(&x.w, smallBuffer)
	return x
}

// open does what comes before the first command.
func (s *session) open() {
	if t, ok := s.w.c.(*tls.Conn); ok && !s.handshake(t) {
		return
	}
	if s.patient() {
		s.w.say("220 " + s.srv.hostname + " " + s.protocol() + "\r\n")
	}
}

// rest begins the time in which a line must come.
func (s *session) rest() {
	s.shrink()
	s.w.begin(s.srv.timeouts.Command, 0, true)
}

// serve does the next command.
func (s *session) serve() {
	if cmd, ok := s.command(); ok {
		s.do(cmd)
	}
}

// patient waits before the greeting and reports whether the peer does, too.
func (s *session) patient() bool {
	if !s.srv.RefuseEarly || s.srv.GreetDelay <= 0 {
		return true
	}
	s.w.begin(s.srv.GreetDelay, 0, true)
	_, err := s.r.Next(1)
	switch {
	case err == errTimeout:
		s.r.Reset(&s.w)
		return true
	case err != nil:
		s.lost(err)
	default:
		s.early()
	}
	return false
}

// early ends the session with a peer that does not wait.
func (s *session) early() {
	s.log(slog.LevelInfo, "the peer does not wait for replies")
	s.bye("554 5.5.0 Wait for the reply\r\n")
	s.talking = true
}

// protocol is what the greeting names.
func (s *session) protocol() string {
	if s.srv.Mode == LMTP {
		return "LMTP"
	}
	return "ESMTP"
}

// sessionID returns a name that no other session of this host has soon.
func (s *Server) sessionID() string {
	b := strconv.AppendInt(make([]byte, 0, 24), time.Now().UnixMicro(), 36)
	return string(strconv.AppendUint(b, s.sessions.Add(1)%46656+46656, 36))
}

// end ends the session: what is under way is abandoned, what is to be said is said.
func (s *session) end() {
	s.reset()
	_ = s.w.flush()
	s.w.close()
	if s.talking {
		s.w.linger()
	}
	if _, ok := s.w.c.(*tls.Conn); ok {
		_ = s.w.c.Close() // its close_notify
	}
	if s.grown != nil {
		s.srv.buffers.Put(s.grown)
	}
}

// grow gives the session its big buffer.
func (s *session) grow() {
	if s.grown == nil {
		s.grown = s.srv.buffers.Get().(*[bigBuffer]byte)
		s.small = s.r.Swap(s.grown[:])
	}
}

// shrink takes the big buffer away again once what it holds fits the small one.
func (s *session) shrink() {
	if s.grown == nil || s.r.Buffered() > len(s.small) {
		return
	}
	if old := s.r.Swap(s.small); len(old) == bigBuffer {
		s.srv.buffers.Put((*[bigBuffer]byte)(old))
	}
	s.grown, s.small = nil, nil
}

// handshake does that of TLS.
func (s *session) handshake(t *tls.Conn) bool {
	ctx, cancel := context.WithTimeout(s.ctx, s.srv.timeouts.TLS)
	defer cancel()
	// Also in place of the deadlines of the phase before.
	if err := t.SetDeadline(time.Now().Add(s.srv.timeouts.TLS)); err != nil {
		s.lost(err)
		return false
	}
	if err := t.HandshakeContext(ctx); err != nil {
		s.log(slog.LevelInfo, "TLS handshake failed", "err", err)
		s.closing = true
		return false
	}
	state := t.ConnectionState()
	if err := s.w.become(t); err != nil {
		s.lost(err)
		return false
	}
	s.tls, s.peers = &state, [2]*smtp.Peer{}
	return true
}

func (s *session) log(level slog.Level, msg string, args ...any) {
	if l := s.srv.Logger; l != nil {
		l.Log(s.ctx, level, "smtpserver: "+msg, append([]any{"session", s.id, "remote", s.remote}, args...)...)
	}
}

const lineTooLong = "500 5.5.2 Line too long\r\n"

// lineLimit is that of a line whose verb is not known yet.
func (s *session) lineLimit() int { return max(s.srv.commandLen, maxAuthLine) }

// line reads a line of the peer; tooLong is the reply to a long one. What is wrong with it has been told already where
// ok is false.
func (s *session) line(tooLong string) (l []byte, ok bool) {
	s.rest()
	return s.restOfLine(tooLong)
}

// restOfLine is line, whose time has begun.
func (s *session) restOfLine(tooLong string) (l []byte, ok bool) {
	l, err := s.r.ReadLine(s.lineLimit())
	if err == nil {
		if s.r.Full() { // more commands come than fit
			s.grow()
		}
		return l, true
	}
	switch e := err.(type) {
	case *line.OffenceError:
		s.fault("500 5.5.2 Lines end in CRLF and hold no other CR, LF or NUL\r\n")
	case *line.TooLongError:
		if e.Ended {
			s.fault(tooLong)
		} else {
			s.bye("421 4.7.0 Line without end\r\n")
			s.talking = true
		}
	default:
		s.lost(err)
	}
	return nil, false
}

// lost ends the session after an error of the connection.
func (s *session) lost(err error) {
	switch {
	case err == errTimeout:
		s.bye("421 4.4.2 " + s.srv.hostname + " Too slow, closing\r\n")
	case err == errStopping:
		s.bye("421 4.3.2 " + s.srv.hostname + " Shutting down\r\n")
	case err != io.EOF && !errors.Is(err, net.ErrClosed):
		s.log(slog.LevelDebug, "connection lost", "err", err)
	}
	s.closing = true
}

// command reads a command. What is wrong with it has been told already where ok is false.
func (s *session) command() (cmd smtp.Command, ok bool) {
	l, ok := s.restOfLine(lineTooLong)
	if !ok {
		return smtp.Command{}, false
	}
	if s.commands++; s.commands > s.srv.limits.Commands {
		s.bye("421 4.7.0 Too many commands\r\n")
		s.talking = true
		return smtp.Command{}, false
	}
	cmd, err := smtp.ParseCommand(string(l))
	if err != nil {
		s.faultErr(err)
		return cmd, false
	}
	if len(l)+2 > s.srv.commandLen && cmd.Verb != "AUTH" {
		s.fault(lineTooLong)
		return cmd, false
	}
	return cmd, true
}

// do does a command.
func (s *session) do(cmd smtp.Command) {
	switch cmd.Verb {
	case "EHLO", "HELO", "LHLO":
		s.greet(cmd)
	case "MAIL":
		s.mail(cmd.Args)
	case "RCPT":
		s.rcpt(cmd.Args)
	case "DATA":
		s.data(cmd.Args)
	case "BDAT":
		s.bdat(cmd.Args)
	case "RSET":
		if s.without(cmd) {
			s.reset()
			s.w.say("250 2.0.0 Ok\r\n")
		}
	case "NOOP":
		s.w.say("250 2.0.0 Ok\r\n")
	case "QUIT":
		if s.without(cmd) {
			s.bye("221 2.0.0 " + s.srv.hostname + " Bye\r\n")
			s.talking = s.r.Buffered() > 0
		}
	case "STARTTLS":
		s.startTLS(cmd)
	case "AUTH":
		s.auth(cmd.Args)
	default:
		s.rare(cmd)
	}
}

// rare does a command that comes seldom.
func (s *session) rare(cmd smtp.Command) {
	switch cmd.Verb {
	case "VRFY":
		switch {
		case cmd.Args == "":
			s.fault("501 5.5.4 Syntax: VRFY address\r\n")
		case s.srv.Mode == Submission && s.identity == "":
			s.fault("530 5.7.0 Authentication required\r\n")
		default: // RFC 5321 §7.3
			s.w.say("252 2.5.0 Cannot verify, but send and see\r\n")
		}
		return
	case "HELP":
		s.w.say("214 2.0.0 RFC 5321: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY AUTH STARTTLS QUIT\r\n")
		return
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "TRACE", "PATCH", "PRI":
		// A browser or a proxy that somebody steers: nothing that follows is meant for this server.
		s.log(slog.LevelWarn, "HTTP request", "verb", cmd.Verb)
		s.bye("421 4.7.0 This is not HTTP\r\n")
		s.talking = true
		return
	case "XCLIENT":
		if len(s.srv.XClient) > 0 && !slices.Contains(s.srv.Without, "XCLIENT") {
			s.xclient(cmd.Args)
			return
		}
	case "EXPN", "SEND", "SOML", "SAML", "TURN", "ETRN", "ATRN", "BURL":
		if !s.extra(cmd) {
			s.fault("502 5.5.1 Command not implemented\r\n")
		}
		return
	}
	if !s.extra(cmd) {
		s.fault("500 5.5.2 Command not recognized\r\n")
	}
}

// extra does a command of an Extension, if there is one.
func (s *session) extra(cmd smtp.Command) bool {
	return s.any(func(e *Extension) bool {
		f := e.Verbs[cmd.Verb]
		if f == nil {
			return false
		}
		r, err := f(s.ctx, s.peer(false), cmd.Args)
		if err != nil {
			r = s.replyOf(err)
		}
		s.reply(r)
		return true
	})
}

// without checks that a command has no argument.
func (s *session) without(cmd smtp.Command) bool {
	if cmd.Args != "" {
		s.fault("501 5.5.4 " + cmd.Verb + " has no argument\r\n")
	}
	return cmd.Args == ""
}

// reply says r. 421 ends the session (RFC 5321 §3.8).
func (s *session) reply(r smtp.Reply) {
	if r.Code < 200 || r.Code > 599 {
		s.log(slog.LevelError, "reply of the Handler without a code")
		r = smtp.ReplyOf(errLocal)
	}
	s.told = r
	s.w.out = smtp.AppendReply(s.w.out, r)
	s.w.say("")
	if r.Code == 421 {
		s.closing, s.talking = true, true
	}
}

// errLocal is any error that is not an *smtp.Error.
var errLocal = errors.New("local error")

// replyOf returns the Reply for an error of the Handler, which is logged if it is not one of SMTP.
func (s *session) replyOf(err error) smtp.Reply {
	if e, ok := errors.AsType[*smtp.Error](err); !ok || e.Err != nil {
		s.log(slog.LevelWarn, "refused", "err", err)
	}
	return smtp.ReplyOf(err)
}

// fault refuses a command of the peer that the Handler has not seen.
func (s *session) fault(reply string) {
	if s.errors++; s.errors > s.srv.limits.Errors {
		s.bye("421 4.7.0 Too many errors\r\n")
		s.talking = true
		return
	}
	s.w.say(reply)
}

// faultErr is fault for an *smtp.Error of the grammar.
func (s *session) faultErr(err error) {
	s.fault(string(smtp.AppendReply(nil, smtp.ReplyOf(err))))
}

// bye ends the session with a reply.
func (s *session) bye(reply string) {
	s.w.say(reply)
	s.closing = true
}

// peer returns who is on the other side.
func (s *session) peer(utf8 bool) *smtp.Peer {
	i := 0
	if utf8 {
		i = 1
	}
	if s.peers[i] == nil {
		s.peers[i] = &smtp.Peer{RemoteAddr: s.remote, LocalAddr: s.local, Hello: s.hello, Protocol: s.with(utf8), TLS: s.tls, Identity: s.identity}
	}
	return s.peers[i]
}

// with is the Received field's with value (RFC 3848, RFC 6531 §4.3).
func (s *session) with(utf8 bool) string {
	name := "SMTP"
	if s.srv.Mode == LMTP {
		name = "LMTP"
	} else if !utf8 && s.extended {
		name = "ESMTP"
	}
	if utf8 {
		name = "UTF8" + name
	}
	if !s.extended {
		return name
	}
	if s.tls != nil {
		name += "S"
	}
	if s.identity != "" {
		name += "A"
	}
	return name
}
