package smtptest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// stepTime is how long one step of a script may take.
const stepTime = 20 * time.Second

// A Script is one side of a dialogue, played against whoever is tested. Each line is a step, "\n" ends it, empty lines and
// lines that begin with "#" are left out:
//
//	> 220 mx.example.com ESMTP    says the line, with CRLF
//	>> "250-a\r\n250 b\r\n"       says the Go string as it is: wrong line ends, half lines
//	< EHLO *                      reads a line up to CRLF and compares; * and ? match as in path.Match, but * takes "/" too
//	<< "x\r\n.\r\n"               reads as many octets as the Go string has and compares
//	< data                        reads the rest of a message up to CRLF.CRLF, whatever it is
//	< bytes 100000                reads so many octets, whatever they are
//	= tls                         does the handshake of a TLS server, with TLSConfig
//	= wait 50ms                   waits
//	= eof                         reads, and wants the end of the stream
//	= close                       closes the connection
//	= reset                       closes it with a reset, on TCP
//	= hang                        reads and says nothing until the other side closes
//
// "| " in place of the first mark and its space goes on with lines that are said in one write: all lines of a
// group "> a", "| b" leave together.
//
// At the end of the script the connection is closed.
type Script string

// A StepError says which step went wrong.
type StepError struct {
	Line int // from 1
	Step string
	Got  string // what came instead, if anything
	Err  error
}

// Error says what was wanted and what came.
func (e *StepError) Error() string {
	s := fmt.Sprintf("smtptest: script line %d, %q", e.Line, e.Step)
	if e.Got != "" {
		s += fmt.Sprintf(": got %q", e.Got)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Play plays the script on c and closes c. config is for "= tls" and may be nil. The error is a *StepError.
func (s Script) Play(ctx context.Context, c net.Conn, config *tls.Config) error {
	p := &player{c: c, r: bufio.NewReader(c), config: config}
	defer func() { _ = p.c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	lines := strings.Split(string(s), "\n")
	for i := 0; i < len(lines); i++ {
		step := strings.TrimSpace(lines[i])
		if step == "" || step[0] == '#' {
			continue
		}
		at := i
		for i+1 < len(lines) {
			more, ok := strings.CutPrefix(strings.TrimSpace(lines[i+1]), "| ")
			if !ok {
				break
			}
			step += "\n" + more
			i++
		}
		if got, err := p.step(step); err != nil {
			return &StepError{Line: at + 1, Step: step, Got: got, Err: err}
		}
	}
	return nil
}

type player struct {
	c      net.Conn
	r      *bufio.Reader
	config *tls.Config
}

var errOther = errors.New("something else came")

func (p *player) step(step string) (got string, err error) {
	_ = p.c.SetDeadline(time.Now().Add(stepTime))
	mark, arg, _ := strings.Cut(step, " ")
	switch mark {
	case ">":
		_, err = io.WriteString(p.c, strings.ReplaceAll(arg, "\n", "\r\n")+"\r\n")
		return "", err
	case ">>":
		raw, err := strconv.Unquote(arg)
		if err == nil {
			_, err = io.WriteString(p.c, raw)
		}
		return "", err
	case "<":
		return p.expect(arg)
	case "<<":
		raw, err := strconv.Unquote(arg)
		if err != nil {
			return "", err
		}
		b := make([]byte, len(raw))
		n, err := io.ReadFull(p.r, b)
		if err == nil && string(b) != raw {
			err = errOther
		}
		return string(b[:n]), err
	case "=":
		return p.act(arg)
	}
	return "", errors.New("unknown step")
}

func (p *player) expect(pattern string) (got string, err error) {
	if n, ok := strings.CutPrefix(pattern, "bytes "); ok {
		size, err := strconv.ParseInt(n, 10, 64)
		if err == nil {
			_, err = io.CopyN(io.Discard, p.r, size)
		}
		return "", err
	}
	if pattern == "data" {
		for {
			l, err := p.r.ReadString('\n')
			if err != nil || l == ".\r\n" {
				return "", err
			}
		}
	}
	l, err := p.r.ReadString('\n')
	if err != nil {
		return l, err
	}
	l, ok := strings.CutSuffix(l, "\r\n")
	if !ok || !match(pattern, l) {
		return l, errOther
	}
	return "", nil
}

// match is path.Match where "/" is a character like others and brackets are plain.
func match(pattern, s string) bool {
	hide := strings.NewReplacer("/", "\x01", "[", `\[`, "]", `\]`, `\`, `\\`)
	ok, err := path.Match(hide.Replace(pattern), strings.ReplaceAll(s, "/", "\x01"))
	return err == nil && ok
}

func (p *player) act(arg string) (got string, err error) {
	name, arg, _ := strings.Cut(arg, " ")
	switch name {
	case "tls":
		if p.r.Buffered() > 0 {
			b, _ := p.r.Peek(p.r.Buffered())
			return string(b), errOther
		}
		if p.config == nil {
			return "", errors.New("no TLS configuration")
		}
		t := tls.Server(p.c, p.config)
		p.c, p.r = t, bufio.NewReader(t)
		return "", t.Handshake()
	case "wait":
		d, err := time.ParseDuration(arg)
		time.Sleep(d)
		return "", err
	case "eof":
		b, err := p.r.ReadByte()
		if err == nil {
			return string(b), errOther
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			return "", err
		}
		return "", nil
	case "close":
		return "", p.close()
	case "reset":
		if t, ok := p.c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		return "", p.close()
	case "hang":
		_ = p.c.SetDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, p.r)
		return "", nil
	}
	return "", errors.New("unknown step")
}

// close closes the connection, which the end of the test may have done already.
func (p *player) close() error {
	if err := p.c.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// A ScriptServer is a server on loopback that plays one script for each connection.
type ScriptServer struct {
	// Addr is host:port.
	Addr string

	t       testing.TB
	mu      sync.Mutex
	scripts []Script
	played  int
}

// NewScriptServer starts a server that plays the scripts in order, one for each connection; a connection beyond them
// is an error of the test. With implicit, each connection begins with the handshake of TLS. At the end of the test the
// server is closed, and scripts that were not played to their end are errors of the test.
func NewScriptServer(t testing.TB, config *tls.Config, implicit bool, scripts ...Script) *ScriptServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &ScriptServer{Addr: ln.Addr().String(), t: t, scripts: scripts}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if implicit {
				c = tls.Server(c, config)
			}
			running.Go(func() { s.play(ctx, c, config) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		cancel()
		running.Wait()
		if n := s.Played(); n < len(scripts) {
			t.Errorf("smtptest: %d of %d scripts were played", n, len(scripts))
		}
	})
	return s
}

// Played returns the number of scripts begun.
func (s *ScriptServer) Played() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.played
}

func (s *ScriptServer) play(ctx context.Context, c net.Conn, config *tls.Config) {
	s.mu.Lock()
	n := s.played
	s.played++
	s.mu.Unlock()
	if n >= len(s.scripts) {
		s.t.Errorf("smtptest: connection %d, but there are %d scripts", n+1, len(s.scripts))
		_ = c.Close()
		return
	}
	if err := s.scripts[n].Play(ctx, c, config); err != nil {
		s.t.Errorf("connection %d: %v", n+1, err)
	}
}

// Pipe plays the script on one end of a net.Pipe and returns the other, for tests within a synctest bubble. The script
// must have been played to its end when the test ends.
func Pipe(t testing.TB, config *tls.Config, s Script) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- s.Play(ctx, ours, config) }()
	t.Cleanup(func() {
		_ = theirs.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return theirs
}
