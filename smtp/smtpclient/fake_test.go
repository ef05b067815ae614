package smtpclient_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A letter is what a fake server took.
type letter struct {
	mail  string
	rcpts []string
	body  string
}

// A fake is a server that does what it is told, with enough of SMTP and LMTP for a client to notice no difference.
type fake struct {
	t    *testing.T
	ext  []string          // EHLO keywords
	say  map[string]string // reply by command prefix, without CRLF; "" closes the connection
	lmtp bool
	tls  *tls.Config
	wrap func(net.Conn) net.Conn

	mu       sync.Mutex
	letters  []letter
	commands []string // as they came
	conns    int
	open     map[net.Conn]bool
	wg       sync.WaitGroup
}

// start listens on loopback and returns the address.
func (f *fake) start() string {
	f.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.open = make(map[net.Conn]bool)
	f.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns++
			f.open[c] = true
			f.mu.Unlock()
			f.wg.Go(func() { f.serve(c) })
		}
	})
	f.t.Cleanup(func() {
		ln.Close()
		f.hangUp()
		f.wg.Wait()
	})
	return ln.Addr().String()
}

// hangUp closes every connection.
func (f *fake) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.open {
		c.Close()
	}
}

func (f *fake) took() []letter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]letter(nil), f.letters...)
}

func (f *fake) heard() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...)
}

func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns
}

// session is one connection of a fake.
type session struct {
	f    *fake
	c    net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	l    letter
	ok   bool // MAIL accepted
	last bool // BDAT LAST came
	ext  []string
}

func (f *fake) serve(c net.Conn) {
	defer func() {
		c.Close()
		f.mu.Lock()
		delete(f.open, c)
		f.mu.Unlock()
	}()
	if f.wrap != nil {
		c = f.wrap(c)
	}
	s := &session{f: f, c: c, ext: f.ext}
	s.use(c)
	if !s.reply("greeting", "220 fake ESMTP") {
		return
	}
	for {
		if s.r.Buffered() == 0 && s.w.Flush() != nil {
			return
		}
		l, err := s.r.ReadString('\n')
		if err != nil {
			return
		}
		l = strings.TrimSuffix(l, "\r\n")
		f.mu.Lock()
		f.commands = append(f.commands, l)
		f.mu.Unlock()
		if !s.command(l) {
			s.w.Flush()
			return
		}
	}
}

func (s *session) use(c net.Conn) {
	s.c, s.r, s.w = c, bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
}

// reply says what the fake was told for what, or otherwise. It reports whether to go on.
func (s *session) reply(what, otherwise string) bool {
	text := otherwise
	best := -1
	for prefix, said := range s.f.say {
		if strings.HasPrefix(what, prefix) && len(prefix) > best {
			text, best = said, len(prefix)
		}
	}
	if text == "" {
		return false
	}
	fmt.Fprintf(s.w, "%s\r\n", text)
	if what == "greeting" || what == "end" {
		s.w.Flush()
	}
	return !strings.HasPrefix(text, "421")
}

func (s *session) told(what string) (string, bool) {
	for prefix, said := range s.f.say {
		if strings.HasPrefix(what, prefix) {
			return said, true
		}
	}
	return "", false
}

func (s *session) command(l string) bool {
	verb, arg, _ := strings.Cut(l, " ")
	switch verb {
	case "EHLO", "LHLO":
		if _, ok := s.told(l); ok || s.f.lmtp != (verb == "LHLO") {
			return s.reply(l, "500 5.5.1 Unknown")
		}
		var text strings.Builder
		text.WriteString("250-fake")
		for _, e := range s.ext {
			text.WriteString("\r\n250-" + e)
		}
		i := strings.LastIndex(text.String(), "250-")
		s.reply(l, text.String()[:i]+"250 "+text.String()[i+4:])
	case "MAIL":
		s.l, s.ok, s.last = letter{mail: arg}, false, false
		if said, ok := s.told(l); ok && !strings.HasPrefix(said, "2") {
			return s.reply(l, "")
		}
		s.ok = true
		return s.reply(l, "250 2.1.0 Sender ok")
	case "RCPT":
		if !s.ok {
			return s.reply("nothing", "503 5.5.1 MAIL first")
		}
		if said, ok := s.told(l); ok && !strings.HasPrefix(said, "2") {
			return s.reply(l, "")
		}
		s.l.rcpts = append(s.l.rcpts, arg)
		return s.reply(l, "250 2.1.5 Recipient ok")
	case "DATA":
		if said, ok := s.told(l); ok && !strings.HasPrefix(said, "354") {
			return s.reply(l, "")
		} else if !ok && len(s.l.rcpts) == 0 {
			return s.reply("nothing", "503 5.5.1 No valid recipients")
		}
		if !s.reply(l, "354 Go on") || s.w.Flush() != nil {
			return false
		}
		return s.data()
	case "BDAT":
		return s.bdat(arg)
	case "STARTTLS":
		if !s.reply(l, "220 2.0.0 Go ahead") || s.w.Flush() != nil {
			return false
		}
		if said, ok := s.told(l); ok && !strings.HasPrefix(said, "220") {
			return true
		}
		t := tls.Server(s.c, s.f.tls)
		if t.Handshake() != nil {
			return false
		}
		s.use(t)
		s.ext = nil
		for _, e := range s.f.ext {
			if e != "STARTTLS" {
				s.ext = append(s.ext, e)
			}
		}
	case "AUTH":
		return s.auth(arg)
	case "RSET":
		s.l, s.ok = letter{}, false
		return s.reply(l, "250 2.0.0 Reset")
	case "QUIT":
		s.reply(l, "221 2.0.0 Bye")
		return false
	default:
		return s.reply(l, "250 2.0.0 OK")
	}
	return true
}

func (s *session) data() bool {
	var b strings.Builder
	for {
		l, err := s.r.ReadString('\n')
		if err != nil {
			return false
		}
		if l == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(l, "."))
	}
	s.l.body = b.String()
	return s.end()
}

// end takes the message and says so.
func (s *session) end() bool {
	n := 1
	if s.f.lmtp {
		n = len(s.l.rcpts)
	}
	said, told := s.told("end")
	if !told || strings.HasPrefix(said, "2") {
		s.f.mu.Lock()
		s.f.letters = append(s.f.letters, s.l)
		s.f.mu.Unlock()
	}
	l := s.l
	s.l, s.ok = letter{}, false
	for i := range n {
		what := "end"
		if s.f.lmtp {
			what += " " + l.rcpts[i]
		}
		if !s.reply(what, "250 2.0.0 Taken") {
			return false
		}
	}
	return true
}

func (s *session) bdat(arg string) bool {
	size, last, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		return false
	}
	chunk := make([]byte, n)
	if _, err := io.ReadFull(s.r, chunk); err != nil {
		return false
	}
	s.l.body += string(chunk)
	switch said, ok := s.told("BDAT"); {
	case ok && !strings.HasPrefix(said, "2"):
		return s.reply("BDAT", "")
	case last == "LAST":
		return s.end()
	}
	return s.reply("BDAT", fmt.Sprintf("250 2.0.0 %d octets", n))
}

// auth takes alice with "secret" by PLAIN or LOGIN.
func (s *session) auth(arg string) bool {
	mech, initial, has := strings.Cut(arg, " ")
	ask := func(challenge string) string {
		fmt.Fprintf(s.w, "334 %s\r\n", challenge)
		s.w.Flush()
		l, _ := s.r.ReadString('\n')
		b, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(l))
		return string(b)
	}
	good := false
	switch mech {
	case "PLAIN":
		b, _ := base64.StdEncoding.DecodeString(initial)
		got := string(b)
		if !has {
			got = ask("")
		}
		good = strings.HasPrefix(got, "\x00alice\x00secret")
	case "LOGIN":
		good = ask("VXNlcm5hbWU6") == "alice" && ask("UGFzc3dvcmQ6") == "secret"
	}
	if !good {
		return s.reply("AUTH", "535 5.7.8 Credentials invalid")
	}
	return s.reply("AUTH", "235 2.7.0 Welcome")
}
