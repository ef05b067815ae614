package imapclient

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// plain is how tests connect without TLS.
var plain = Options{TLS: TLSNone, AllowPlaintextAuth: true, Timeouts: Timeouts{Command: 20 * time.Second}}

// script is a server with its part of a dialogue: "C: " lines that it wants, "S: " lines that it says, "S> " what it says
// without a line end, with \r, \n and \0 for octets. Then it waits for the client to close, or closes at once after
// "S: (close)". With "S: (handshake)" it goes on under TLS, and "S: (wait 5s)" waits.
func script(t testing.TB, dialogue string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	if strings.Contains(dialogue, "(handshake)") {
		ours, theirs = tcpPipe(t) // for both sides of a handshake may write at once
	}
	s := &scripted{conn: theirs, r: bufio.NewReader(theirs)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = s.conn.Close() }()
		for l := range strings.Lines(dialogue) {
			if l = strings.TrimLeft(strings.TrimRight(l, "\n"), "\t "); l != "" && !s.line(t, l) {
				return
			}
		}
		_, _ = io.Copy(io.Discard, s.r)
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		<-done
		s.writers.Wait()
	})
	return ours
}

type scripted struct {
	conn    net.Conn
	r       *bufio.Reader
	writers sync.WaitGroup
	last    chan struct{} // closed when what was said last has been taken
}

// line plays a line of a script, and is false at the end.
func (s *scripted) line(t testing.TB, l string) bool {
	text := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00").Replace(l[min(len(l), 3):])
	wait, _ := strings.CutPrefix(strings.TrimSuffix(l, ")"), "S: (wait ")
	switch d, err := time.ParseDuration(wait); {
	case err == nil:
		s.flush()
		<-time.After(d)
	case l == "S: (close)":
		s.flush()
		return false
	case l == "S: (handshake)":
		s.flush()
		s.conn = tls.Server(s.conn, serverTLS(t))
		s.r = bufio.NewReader(s.conn)
	case strings.HasPrefix(l, "C:"):
		got, err := s.r.ReadString('\n')
		if strings.TrimSuffix(got, "\r\n") != text {
			t.Errorf("the client sent %q (%v), want %q", got, err, text)
			return false
		}
	case strings.HasPrefix(l, "S>"):
		s.say(text)
	default:
		s.say(text + "\r\n")
	}
	return true
}

// say writes as a connection with buffers does: without waiting for the client to read.
func (s *scripted) say(text string) {
	before, taken := s.last, make(chan struct{})
	s.last = taken
	conn := s.conn
	s.writers.Go(func() {
		defer close(taken)
		if before != nil {
			<-before
		}
		_, _ = io.WriteString(conn, text)
	})
}

// flush waits until everything has been read.
func (s *scripted) flush() {
	if s.last != nil {
		<-s.last
	}
}

// connect plays the beginning of a session with capabilities, and then the dialogue.
func connect(t testing.TB, o Options, capabilities, dialogue string) *Client {
	t.Helper()
	c, err := New(t.Context(), script(t, "S: * OK [CAPABILITY IMAP4rev1 "+capabilities+"] ready\n"+dialogue), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tcpPipe is net.Pipe with buffers.
func tcpPipe(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if ours, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}
