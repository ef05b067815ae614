package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// serveEnv makes this program a server instead: it names which.
const serveEnv = "PEERBENCH_SERVE"

// smtpServers are the servers, each of which reads messages and throws them away. They run in processes of their own,
// so that what the client costs does not count.
var smtpServers = map[string]func(net.Listener) error{
	"mailbricks": func(ln net.Listener) error {
		return (&smtpserver.Server{Handler: sink{}, Hostname: "bench.test"}).Serve(context.Background(), ln)
	},
	"go-smtp": func(ln net.Listener) error {
		s := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return gosink{}, nil }))
		s.Domain = "bench.test"
		return s.Serve(ln)
	},
	"bare": bareSMTP,
}

// bareSMTP is the floor: the least that a server in Go does. It knows what is sent to it and looks for no more than the
// ends of lines and of the message.
func bareSMTP(ln net.Listener) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_ = bareSession(c)
		}()
	}
}

func bareSession(c net.Conn) error {
	out := []byte("220 bench.test\r\n")
	buf := make([]byte, 64<<10)
	n, inData := 0, false
	for {
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		m, err := c.Read(buf[n:])
		if err != nil {
			return err
		}
		n += m
		for {
			if inData {
				i := bytes.Index(buf[:n], []byte("\r\n.\r\n"))
				if i < 0 {
					n = copy(buf, buf[max(0, n-4):n])
					break
				}
				n = copy(buf, buf[i+5:n])
				out, inData = append(out, "250 2.0.0 Taken\r\n"...), false
				continue
			}
			i := bytes.IndexByte(buf[:n], '\n')
			if i < 0 {
				break
			}
			switch buf[0] {
			case 'D':
				out, inData = append(out, "354 Go\r\n"...), true
			case 'Q':
				out = append(out, "221 Bye\r\n"...)
			default:
				out = append(out, "250 Ok\r\n"...)
			}
			n = copy(buf, buf[i+1:n])
		}
	}
}

// A sink is a Handler that reads messages and throws them away.
type sink struct{}

func (sink) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return new(sinking), nil
}

type sinking struct{ n int }

func (s *sinking) Rcpt(context.Context, smtp.Path, smtp.RcptParams) error { s.n++; return nil }
func (s *sinking) Close() error                                           { return nil }
func (s *sinking) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, err
	}
	return smtp.SameResult(s.n, smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Taken")), nil
}

type gosink struct{}

func (gosink) Reset()                                 {}
func (gosink) Logout() error                          { return nil }
func (gosink) Mail(string, *gosmtp.MailOptions) error { return nil }
func (gosink) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (gosink) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// serve is the process of a server: it says its address, and then, for each line of its input, what it has used so far.
func serve(name string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	run := smtpServers[name]
	if run == nil {
		run = imapServers[name]
	}
	live := run == nil // what counts of such a server is what it keeps
	if live {
		run = pushServers[name]
	}
	go func() { _ = run(ln) }()
	fmt.Println(ln.Addr())
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadString('\n'); err != nil {
			return nil
		}
		cpu, err := processCPU()
		if err != nil {
			return err
		}
		if live {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if live {
			m.TotalAlloc = m.HeapAlloc + m.StackInuse
		}
		fmt.Println(int64(cpu), m.Mallocs, m.TotalAlloc)
	}
}

// A child is the process of a server.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	addr string
}

func startChild(name string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(exe)}
	c.cmd.Env = append(os.Environ(), serveEnv+"="+name)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := c.out.ReadString('\n')
	c.addr = strings.TrimSpace(addr)
	return c, err
}

// used returns what the process has used so far.
func (c *child) used() (cpu time.Duration, mallocs, size uint64, err error) {
	if _, err = io.WriteString(c.in, "\n"); err == nil {
		_, err = fmt.Fscanln(c.out, &cpu, &mallocs, &size)
	}
	return cpu, mallocs, size, err
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// A load is how a message is sent.
type load struct {
	name      string
	size      int
	pipelined bool // MAIL, RCPT and DATA in one write
	connect   bool // one connection a message
	// sessions is how many clients send at once, burst messages each before all wait for each other; 0 for one alone.
	sessions int
}

// burst is how many messages one of several clients sends in an operation.
const burst = 8

// smtpRows send to servers over loopback.
func smtpRows() ([]row, error) {
	var rows []row
	for _, l := range []load{
		{name: "4 KiB, kept", size: 4 << 10},
		{name: "4 KiB, pipelined", size: 4 << 10, pipelined: true},
		{name: "100 KiB, kept", size: 100 << 10},
		{name: "100 KiB, pipelined", size: 100 << 10, pipelined: true},
		{name: "4 KiB, one connection each", size: 4 << 10, connect: true},
		{name: "80 of 4 KiB, pipelined, 10 at once", size: 4 << 10, pipelined: true, sessions: 10},
		{name: "80 of 100 KiB, pipelined, 10 at once", size: 100 << 10, pipelined: true, sessions: 10},
		{name: "80 of 4 KiB, one connection each, 10 at once", size: 4 << 10, connect: true, sessions: 10},
	} {
		r := row{"smtp server " + l.name, []impl{
			smtpImpl("mailbricks", "mailbricks", l),
			smtpImpl(version("go-smtp", "github.com/emersion/go-smtp"), "go-smtp", l),
		}}
		if im, ok := sinkImpl(l); ok {
			r.impls = append(r.impls, im)
		}
		bare := smtpImpl("a bare loop in Go", "bare", l)
		bare.floor = true
		r.impls = append(r.impls, bare)
		rows = append(rows, r)
	}
	return rows, nil
}

func smtpImpl(title, name string, l load) impl {
	var c *child
	im := impl{name: title}
	im.start = func() (func() error, error) {
		var err error
		if c, err = startChild(name); err != nil {
			return nil, err
		}
		return l.client(c.addr), nil
	}
	im.cpu = func() (time.Duration, error) {
		cpu, _, _, err := c.used()
		return cpu, err
	}
	im.memory = func() (mallocs, size uint64, err error) {
		_, mallocs, size, err = c.used()
		return mallocs, size, err
	}
	im.stop = func() {
		if c != nil {
			c.stop()
		}
	}
	return im
}

// client returns what sends to a server once.
func (l load) client(addr string) func() error {
	letter := append(dkimLetter(l.size, plainLine), ".\r\n"...)
	clients := make([]*loadClient, max(1, l.sessions))
	for i := range clients {
		clients[i] = &loadClient{addr: addr, load: l, letter: letter}
	}
	if l.sessions == 0 {
		return clients[0].send
	}
	return func() error {
		var g errgroup.Group
		for _, c := range clients {
			g.Go(func() error {
				for range burst {
					if err := c.send(); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return g.Wait()
	}
}

// A loadClient sends one message after the other.
type loadClient struct {
	load
	addr   string
	letter []byte
	c      net.Conn
	r      *bufio.Reader
}

var (
	benchMail = []byte("MAIL FROM:<a@bench.test>\r\n")
	benchRcpt = []byte("RCPT TO:<b@bench.test>\r\n")
	benchData = []byte("DATA\r\n")
	benchAll  = bytes.Join([][]byte{benchMail, benchRcpt, benchData}, nil)
)

// send sends one message.
func (l *loadClient) send() error {
	if l.c == nil {
		if err := l.dial(); err != nil {
			return err
		}
	}
	if l.pipelined {
		if err := l.say(benchAll, "250", "250", "354"); err != nil {
			return err
		}
	} else if err := errors.Join(l.say(benchMail, "250"), l.say(benchRcpt, "250"), l.say(benchData, "354")); err != nil {
		return err
	}
	if err := l.say(l.letter, "250"); err != nil || !l.connect {
		return err
	}
	err := l.say([]byte("QUIT\r\n"), "221")
	_ = l.c.Close()
	l.c = nil
	return err
}

func (l *loadClient) dial() (err error) {
	if l.c, err = net.Dial("tcp", l.addr); err != nil {
		return err
	}
	l.r = bufio.NewReader(l.c)
	if err := l.say(nil, "220"); err != nil {
		return err
	}
	return l.say([]byte("EHLO client.test\r\n"), "250")
}

// say sends b and reads replies with these codes.
func (l *loadClient) say(b []byte, codes ...string) error {
	if len(b) > 0 {
		if _, err := l.c.Write(b); err != nil {
			return err
		}
	}
	for _, code := range codes {
		for more := true; more; {
			line, err := l.r.ReadSlice('\n')
			if err != nil {
				return err
			}
			if len(line) < 4 || string(line[:3]) != code {
				return fmt.Errorf("%q, want %s", line, code)
			}
			more = line[3] == '-'
		}
	}
	return nil
}
