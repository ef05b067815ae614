package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	goimapserver "github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"golang.org/x/sync/errgroup"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// imapServers keep the mail of one user in memory.
var imapServers = map[string]func(net.Listener) error{
	"mailbricks imap": func(ln net.Listener) error {
		m, users := &imaptest.Memory{}, sasl.NewUsers()
		m.AddUser(imapUser)
		if err := users.Set(imapUser, imapPassword); err != nil {
			return err
		}
		s := &imapserver.Server{Backend: m, Authenticator: sasl.New(sasl.Plain(users.Check)), AllowPlaintextAuth: true}
		return s.Serve(context.Background(), ln)
	},
	"go-imap": func(ln net.Listener) error {
		m, u := imapmemserver.New(), imapmemserver.NewUser(imapUser, imapPassword)
		if err := u.Create("INBOX", nil); err != nil {
			return err
		}
		m.AddUser(u)
		s := goimapserver.New(&goimapserver.Options{
			NewSession: func(*goimapserver.Conn) (goimapserver.Session, *goimapserver.GreetingData, error) {
				return m.NewSession(), nil, nil
			},
			Caps:         goimap.CapSet{goimap.CapIMAP4rev1: {}, goimap.CapIMAP4rev2: {}},
			InsecureAuth: true,
		})
		return s.Serve(ln)
	},
}

const (
	imapUser, imapPassword = "bench", "secret"
	imapMessages           = 500
)

// imapLetter is a message of 4 KiB as mail programs write them.
func imapLetter(i int) string {
	return fmt.Sprintf("Return-Path: <ann@bench.test>\r\nReceived: from a.bench.test (a.bench.test [192.0.2.1])\r\n\tby b.bench.test with ESMTPS id %d\r\n\tfor <bob@bench.test>; Thu, 26 Nov 2026 10:00:00 +0000\r\n"+
		"Date: Thu, 26 Nov 2026 10:00:%02d +0000\r\nFrom: Ann Example <ann@bench.test>\r\nTo: \"Bob B.\" <bob@bench.test>, carol@bench.test\r\nCc: Dan <dan@bench.test>\r\n"+
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= number %d\r\nMessage-ID: <%d@bench.test>\r\nIn-Reply-To: <0@bench.test>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s\r\n"+
		"--=_b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>%s</p>\r\n--=_b--\r\n",
		i, i%60, i, i, strings.Repeat("Words of a letter, as =C3=A4lter ones are.\r\n", 35), strings.Repeat("Words of a letter, as =C3=A4lter ones are.\r\n", 35))
}

// An imapJob is something that a client asks for again and again.
type imapJob struct {
	name string
	// open is what is done before: a command, or none.
	open string
	run  func(c *imapConn, n int) error
	// conns is how many connections do it at once, 0 for one.
	conns int
	// wall: wall clock time counts, for what waits for the disk.
	wall bool
}

func imapJobs() []imapJob {
	letter := imapLetter(1)
	fetch := func(items string) func(*imapConn, int) error {
		return func(c *imapConn, _ int) error { return c.ask(imapMessages, "FETCH 1:%d %s", imapMessages, items) }
	}
	sign := func(n int) string { return [...]string{"+", "-"}[n%2] }
	return []imapJob{
		{name: "append 4 KiB", run: func(c *imapConn, _ int) error { return c.append("Drop", letter) }},
		{name: "noop", run: func(c *imapConn, _ int) error { return c.ask(0, "NOOP") }},
		{name: "fetch 500 flags", open: "SELECT INBOX", run: fetch("FLAGS")},
		{name: "fetch 500 envelope bodystructure", open: "SELECT INBOX", run: fetch("(ENVELOPE BODYSTRUCTURE)")},
		{name: "fetch 500 header fields", open: "SELECT INBOX", run: fetch("BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]")},
		{name: "fetch 500 bodies", open: "SELECT INBOX", run: fetch("BODY.PEEK[]")},
		{name: "fetch one body", open: "SELECT INBOX", run: func(c *imapConn, n int) error { return c.ask(1, "FETCH %d BODY.PEEK[]", 1+n%imapMessages) }},
		{name: "search text in 500", open: "SELECT INBOX", run: func(c *imapConn, _ int) error { return c.ask(1, "SEARCH TEXT nowhere") }},
		{name: "search subject in 500", open: "SELECT INBOX", run: func(c *imapConn, _ int) error { return c.ask(1, "SEARCH SUBJECT nowhere") }},
		{name: "store one flag", open: "SELECT One", run: func(c *imapConn, n int) error {
			return c.ask(1, "STORE %d %sFLAGS (\\Flagged)", 1+n/2%imapMessages, sign(n))
		}},
		{name: "store 500 flags", open: "SELECT All", run: func(c *imapConn, n int) error {
			return c.ask(imapMessages, "STORE 1:%d %sFLAGS (\\Answered)", imapMessages, sign(n))
		}},
		{name: "copy 500", open: "SELECT INBOX", run: func(c *imapConn, _ int) error {
			return errors.Join(c.ask(0, "CREATE Copy"), c.ask(-1, "COPY 1:%d Copy", imapMessages), c.ask(0, "DELETE Copy"))
		}},
		{name: "expunge", open: "CREATE Bin", run: func(c *imapConn, _ int) error {
			return errors.Join(c.append("Bin", letter), c.ask(-1, "SELECT Bin"), c.ask(1, "STORE 1 +FLAGS (\\Deleted)"), c.ask(-1, "EXPUNGE"))
		}},
	}
}

// imapRows ask servers with all in memory.
func imapRows() ([]row, error) {
	peers := []*imapPeer{
		{title: "mailbricks", open: imapChild("mailbricks imap")},
		{title: version("go-imap", "github.com/emersion/go-imap/v2"), open: imapChild("go-imap")},
	}
	return imapRowsOf("imap server ", imapJobs(), peers), nil
}

func imapRowsOf(prefix string, jobs []imapJob, peers []*imapPeer) []row {
	var rows []row
	for _, j := range jobs {
		r := row{name: prefix + j.name}
		for _, p := range peers {
			r.impls = append(r.impls, p.impl(j))
		}
		rows = append(rows, r)
	}
	return rows
}

// An imapServer is a running server.
type imapServer struct {
	addr, user, password string
	// used is what it has used so far; mallocs and size only of a child.
	used func() (cpu time.Duration, mallocs, size uint64, err error)
	stop func()
}

// imapChild starts one of imapServers.
func imapChild(name string) func() (*imapServer, error) {
	return func() (*imapServer, error) {
		c, err := startChild(name)
		if err != nil {
			return nil, err
		}
		return &imapServer{addr: c.addr, user: imapUser, password: imapPassword, used: c.used, stop: c.stop}, nil
	}
}

// An imapPeer is a server that all rows share.
type imapPeer struct {
	title   string
	program bool
	open    func() (*imapServer, error)

	once   sync.Once
	server *imapServer
	err    error
}

func (p *imapPeer) start() error {
	p.once.Do(func() {
		if p.server, p.err = p.open(); p.err == nil {
			p.err = p.server.fill()
		}
	})
	return p.err
}

func (p *imapPeer) impl(j imapJob) impl {
	began := time.Now()
	return impl{
		name:    p.title,
		program: p.program,
		start: func() (func() error, error) {
			if err := p.start(); err != nil {
				return nil, err
			}
			return j.start(p.server)
		},
		cpu: func() (time.Duration, error) {
			if j.wall {
				return time.Since(began), nil
			}
			cpu, _, _, err := p.server.used()
			return cpu, err
		},
		memory: func() (mallocs, size uint64, err error) {
			_, mallocs, size, err = p.server.used()
			return mallocs, size, err
		},
		stop: func() {
			if p.server != nil {
				p.server.stop()
				p.server = nil
			}
		},
	}
}

// start logs in and returns the job as an operation, done by all its connections at once.
func (j imapJob) start(s *imapServer) (func() error, error) {
	conns := make([]*imapConn, max(1, j.conns))
	for i := range conns {
		c, err := s.dial()
		if err != nil {
			return nil, err
		}
		if j.open != "" {
			if err := c.ask(-1, "%s", j.open); err != nil {
				return nil, err
			}
		}
		conns[i] = c
	}
	n := 0
	return func() error {
		n++
		if len(conns) == 1 {
			return j.run(conns[0], n-1)
		}
		var g errgroup.Group
		for _, c := range conns {
			g.Go(func() error { return j.run(c, n-1) })
		}
		return g.Wait()
	}, nil
}

// fill puts the messages that all jobs read into the INBOX, and copies where flags are changed: nobody else is to be told
// of that.
func (s *imapServer) fill() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range imapMessages {
		if err := c.append("INBOX", imapLetter(i)); err != nil {
			return err
		}
	}
	err = errors.Join(c.ask(0, "CREATE One"), c.ask(0, "CREATE All"), c.ask(0, "CREATE Drop"), c.ask(-1, "SELECT INBOX"))
	return errors.Join(err, c.ask(-1, "COPY 1:%d One", imapMessages), c.ask(-1, "COPY 1:%d All", imapMessages))
}

// An imapConn is a client that does as little as it can.
type imapConn struct {
	net.Conn
	r   *bufio.Reader
	w   bytes.Buffer
	tag int
}

func (s *imapServer) dial() (*imapConn, error) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	c := &imapConn{Conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	if _, _, err := c.line(); err != nil {
		return nil, err
	}
	return c, c.ask(-1, "LOGIN %q %q", s.user, s.password)
}

// ask sends a command and reads up to its OK. untagged is how many untagged responses are wanted, -1 for any number.
func (c *imapConn) ask(untagged int, format string, args ...any) error {
	c.begin()
	fmt.Fprintf(&c.w, format+"\r\n", args...)
	return c.finish(untagged)
}

func (c *imapConn) append(mailbox, letter string) error {
	c.begin()
	fmt.Fprintf(&c.w, "APPEND %s {%d}\r\n", mailbox, len(letter))
	if _, err := c.Write(c.w.Bytes()); err != nil {
		return err
	}
	if line, _, err := c.line(); err != nil || line[0] != '+' {
		return fmt.Errorf("APPEND: %q, %w", line, err)
	}
	c.w.Reset()
	c.w.WriteString(letter)
	c.w.WriteString("\r\n")
	return c.finish(-1)
}

func (c *imapConn) begin() {
	c.tag++
	c.w.Reset()
	fmt.Fprintf(&c.w, "a%d ", c.tag)
}

func (c *imapConn) finish(untagged int) error {
	if _, err := c.Write(c.w.Bytes()); err != nil {
		return err
	}
	var tag [24]byte
	end := append(strconv.AppendInt(append(tag[:0], 'a'), int64(c.tag), 10), ' ')
	for n := 0; ; n++ {
		line, literals, err := c.line()
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(line, end) || literals > 0 {
			continue
		}
		if !bytes.HasPrefix(line[len(end):], []byte("OK")) || untagged >= 0 && n != untagged {
			return fmt.Errorf("%.100q: %q behind %d responses", c.w.Bytes(), line, n)
		}
		return nil
	}
}

// line reads a response with its literals and returns its last line.
func (c *imapConn) line() (line []byte, literals int, err error) {
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return line, literals, err
		}
		if !bytes.HasSuffix(line, []byte("}\r\n")) {
			return line, literals, nil
		}
		i := bytes.LastIndexByte(line, '{')
		size, err := strconv.Atoi(string(line[i+1 : len(line)-3]))
		if err != nil {
			return line, literals, err
		}
		if _, err := io.CopyN(io.Discard, c.r, int64(size)); err != nil {
			return line, literals, err
		}
		literals++
	}
}
