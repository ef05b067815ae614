package pop3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/internal/line"
)

// session is one connection of a Server. It runs on one goroutine; interrupt alone comes from outside.
type session struct {
	srv        *Server
	soft, hard context.Context
	raw        net.Conn // what deadlines are set on
	conn       net.Conn // raw, or TLS on top of it
	tls        *tls.ConnectionState
	r          *line.Reader
	w          *bufio.Writer

	deadlines sync.Mutex // a read deadline set after soft has ended would undo interrupt
	login     time.Time  // the end of the AUTHORIZATION state at the latest
	replies   time.Time  // when the client was first given what it is being given now; zero: nothing
	written   int64      // octets since

	name     string // of USER
	utf8     bool
	drop     *maildrop // nil: AUTHORIZATION state
	bad      int       // bad commands left
	failures int       // failed authentications left
	over     bool      // nothing more is read
}

// aLongTimeAgo is a deadline that ends a read at once.
func aLongTimeAgo() time.Time { return time.Unix(1, 0) }

// interrupt ends the read that the session waits in, and all later ones.
func (s *session) interrupt() {
	s.deadlines.Lock()
	defer s.deadlines.Unlock()
	_ = s.raw.SetReadDeadline(aLongTimeAgo())
}

// readUntil sets the deadline of reading.
func (s *session) readUntil(t time.Time) {
	s.deadlines.Lock()
	defer s.deadlines.Unlock()
	if s.soft.Err() == nil {
		_ = s.raw.SetReadDeadline(t)
	}
}

// deadlineWriter gives the client a time for each writeUnit of replies, however they are cut up.
type deadlineWriter struct{ s *session }

// writeUnit is what Timeouts.Write is for.
const writeUnit = 64 << 10

func (d deadlineWriter) Write(p []byte) (int, error) {
	s := d.s
	if s.replies.IsZero() {
		s.replies, s.written = time.Now(), 0
	}
	unit := orDefault(s.srv.Timeouts.Write, time.Minute)
	_ = s.raw.SetWriteDeadline(s.replies.Add(unit + time.Duration(float64(unit)*float64(s.written)/writeUnit)))
	n, err := s.conn.Write(p)
	s.written += int64(n)
	return n, err
}

// flushReader writes out what has been replied before it waits for more, so that replies to pipelined commands
// travel together.
type flushReader struct{ s *session }

func (f flushReader) Read(p []byte) (int, error) {
	if err := f.s.w.Flush(); err != nil {
		return 0, err
	}
	f.s.replies = time.Time{}
	return f.s.conn.Read(p)
}

func (s *session) run() {
	s.login = time.Now().Add(orDefault(s.srv.Timeouts.Login, 2*time.Minute))
	if c, ok := s.raw.(*tls.Conn); ok && !s.handshake(c) {
		return
	}
	s.r = line.NewReader(flushReader{s}, 512)
	greeting := "POP3 ready"
	if s.srv.Hostname != "" {
		greeting = s.srv.Hostname + " POP3 ready"
	}
	s.ok("%s", greeting)
	for !s.over {
		if l, ok := s.readCommand(); ok {
			s.command(l)
		}
	}
	_ = s.w.Flush()
	if s.tls != nil {
		_ = s.conn.Close() // TLS says that this is the end
	}
}

// handshake makes c the connection.
func (s *session) handshake(c *tls.Conn) bool {
	ctx, cancel := context.WithDeadline(s.hard, s.login)
	defer cancel()
	s.readUntil(s.login)
	_ = s.raw.SetWriteDeadline(s.login)
	if err := c.HandshakeContext(ctx); err != nil {
		s.log(slog.LevelInfo, "TLS handshake failed", "err", err)
		return false
	}
	state := c.ConnectionState()
	s.conn, s.tls = c, &state
	return true
}

// readCommand reads one command line, which is valid until the next read.
func (s *session) readCommand() ([]byte, bool) {
	until := time.Now().Add(orDefault(s.srv.Timeouts.Idle, 10*time.Minute))
	if s.drop == nil && until.After(s.login) {
		until = s.login
	}
	if s.soft.Err() != nil { // even if more commands are here already
		return nil, s.readFailed(s.soft.Err())
	}
	s.readUntil(until)
	l, err := s.r.ReadLine(orDefault(s.srv.Limits.Line, 1024))
	return l, s.readFailed(err)
}

// readFailed deals with the error of reading a line and reports whether there is none.
func (s *session) readFailed(err error) bool {
	if err == nil {
		return true
	}
	if tooLong, ok := errors.AsType[*line.TooLongError](err); ok {
		s.badCommand("line too long")
		s.over = s.over || !tooLong.Ended
		return false
	}
	if _, ok := errors.AsType[*line.OffenceError](err); ok {
		s.badCommand("lines end in CRLF and hold neither CR, LF nor NUL")
		return false
	}
	s.over = true
	switch {
	case s.soft.Err() != nil:
		s.fail("SYS/TEMP", "shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		// RFC 1939 §3: closed without a response.
		s.log(slog.LevelDebug, "connection timed out")
	case !errors.Is(err, io.EOF):
		s.log(slog.LevelDebug, "connection lost", "err", err)
	}
	return false
}

// command runs one command.
func (s *session) command(l []byte) {
	verb, arg, _ := bytes.Cut(l, []byte{' '})
	name := strings.ToUpper(string(verb))
	if isHTTP(name) {
		s.fail("", "this is POP3")
		s.over = true
		return
	}
	hasArg := len(arg) > 0
	run, takesArg := s.find(name)
	switch {
	case run == nil:
		s.badCommand("unknown command, or not in this state")
	case hasArg && takesArg == never, !hasArg && takesArg == always:
		s.badCommand("wrong arguments")
	default:
		run(arg)
	}
}

// arguments says whether a command takes some.
type arguments uint8

const (
	never arguments = iota
	maybe
	always
)

// find returns the command of that name in the current state, nil if there is none.
func (s *session) find(name string) (run func(arg []byte), takes arguments) {
	switch name {
	case "QUIT":
		return s.quit, never
	case "CAPA":
		return s.capa, never
	case "LANG":
		return s.lang, maybe
	}
	if s.drop == nil {
		switch name {
		case "USER":
			return s.user, always
		case "PASS":
			return s.pass, always
		case "AUTH":
			return s.auth, always
		case "STLS":
			return s.stls, never
		case "UTF8":
			return s.enableUTF8, never
		}
		return nil, never
	}
	switch name {
	case "STAT":
		return s.stat, never
	case "LIST":
		return s.list, maybe
	case "UIDL":
		return s.uidl, maybe
	case "RETR":
		return s.retr, always
	case "TOP":
		return s.top, always
	case "DELE":
		return s.dele, always
	case "RSET":
		return s.rset, never
	case "NOOP":
		return s.noop, never
	}
	return nil, never
}

// isHTTP reports whether a command comes from a browser that was talked into writing to this port.
func isHTTP(name string) bool {
	switch name {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "CONNECT", "DELETE":
		return true
	}
	return false
}

// ok writes a positive reply.
func (s *session) ok(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, "+OK "+format+"\r\n", args...)
}

// fail writes a negative reply with a response code (RFC 2449 §8), "" for none.
func (s *session) fail(code, format string, args ...any) {
	if code != "" {
		code = "[" + code + "] "
	}
	_, _ = fmt.Fprintf(s.w, "-ERR "+code+format+"\r\n", args...)
}

// badCommand refuses a command that should not have been sent, and closes after too many.
func (s *session) badCommand(why string) {
	if s.bad--; s.bad > 0 {
		s.fail("", "%s", why)
		return
	}
	s.fail("", "%s; too many bad commands, good-bye", why)
	s.over = true
}

func (s *session) quit([]byte) {
	s.over = true
	if s.drop == nil {
		s.ok("good-bye")
		return
	}
	s.update()
}

// capa lists the capabilities. Those for one state only are the exceptions (RFC 2449 §5).
func (s *session) capa([]byte) {
	s.ok("capabilities follow")
	c := s.saslConn()
	mechanisms := s.srv.Authenticator.Mechanisms(c)
	if len(mechanisms) > 0 {
		_, _ = fmt.Fprintf(s.w, "SASL %s\r\n", strings.Join(mechanisms, " "))
	}
	for _, m := range mechanisms {
		if m == "PLAIN" {
			_, _ = io.WriteString(s.w, "USER\r\n")
		}
	}
	if s.offersSTLS() {
		_, _ = io.WriteString(s.w, "STLS\r\n")
	}
	_, _ = io.WriteString(s.w, "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nUTF8 USER\r\nLANG\r\n")
	if d := s.srv.LoginDelay; d > 0 {
		_, _ = fmt.Fprintf(s.w, "LOGIN-DELAY %d\r\n", (d+time.Second-1)/time.Second)
	}
	expire := "NEVER"
	if s.srv.Expire != 0 {
		expire = strconv.Itoa(max(s.srv.Expire, 0))
	}
	_, _ = fmt.Fprintf(s.w, "EXPIRE %s\r\nIMPLEMENTATION mailbricks\r\n.\r\n", expire)
}

// lang is LANG (RFC 6856 §3). The text of replies is English, which is i-default too (RFC 2277 §4.5).
func (s *session) lang(arg []byte) {
	name := strings.ToLower(string(arg))
	primary, _, _ := strings.Cut(name, "-") // RFC 4647 §3.4: looked up
	switch {
	case name == "":
		s.ok("languages follow")
		_, _ = io.WriteString(s.w, "en English\r\ni-default\r\n.\r\n")
	case name == "*", primary == "en":
		s.ok("en this is English")
	case name == "i-default":
		s.ok("i-default this is English")
	default:
		s.fail("", "this language is not spoken here")
	}
}

func (s *session) saslConn() sasl.Conn {
	return sasl.Conn{Service: "pop", Remote: s.remote(), TLS: s.tls, AllowPlaintext: s.srv.AllowPlaintextAuth}
}

func (s *session) remote() netip.Addr {
	if a, ok := s.raw.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (s *session) log(level slog.Level, msg string, args ...any) {
	if l := s.srv.Logger; l != nil {
		l.Log(s.hard, level, "pop3: "+msg, append(args, "remote", s.raw.RemoteAddr())...)
	}
}
