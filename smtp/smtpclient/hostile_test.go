package smtpclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// hostile plays steps against each connection and does not care what becomes of it: "<" reads a line, "<." a message,
// "!" closes, "=tls" goes on in TLS, "1>" says the rest octet by octet, ">" all at once. At the end it reads until the
// other side closes. It returns the address, and what came in the place of messages.
func hostile(t *testing.T, steps ...string) (addr string, got func() string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var message strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			playHostile(c, steps, &message)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String(), func() string { ln.Close(); <-done; return message.String() }
}

func playHostile(c net.Conn, steps []string, message *strings.Builder) {
	defer c.Close()
	r := bufio.NewReader(c)
	for _, s := range steps {
		switch {
		case s == "<":
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		case s == "<.":
			for {
				l, err := r.ReadString('\n')
				message.WriteString(l)
				if err != nil || l == ".\r\n" {
					break
				}
			}
		case s == "!":
			return
		case strings.HasPrefix(s, "1>"):
			for i := range len(s) - 2 {
				if _, err := io.WriteString(c, s[i+2:i+3]); err != nil {
					return
				}
			}
		default:
			if _, err := io.WriteString(c, s[1:]); err != nil {
				return
			}
		}
	}
	_, _ = io.Copy(message, r)
}

// hello are the steps up to MAIL.
func hello(ext string, more ...string) []string {
	return append([]string{">220 mx\r\n", "<", ">250-mx\r\n250-" + strings.ReplaceAll(ext, " ", "\r\n250-") + "\r\n250 X\r\n"}, more...)
}

// TestHostileServer: every bad server gets a typed error with the place, and no part of a message passes for a whole.
func TestHostileServer(t *testing.T) {
	_, clientTLS := smtptest.TLS(t)
	badReply := &smtp.ReplyError{}
	const ok, pipe = "8BITMIME", "8BITMIME PIPELINING"
	long := strings.Repeat("x", 10<<20)
	tests := []struct {
		name  string
		steps []string
		op    string
		reply string
		as    any // the error that must be found in the chain: a sentinel, or a pointer to a type
	}{
		{"endless greeting", []string{">" + strings.Repeat("220-more\r\n", 100_000)}, "greeting", "451 4.5.0", badReply},
		{"greeting of 10 MB", []string{">220 " + long}, "greeting", "451 4.5.0", badReply},
		{"greeting is HTTP", []string{">HTTP/1.1 400 Bad Request\r\n\r\n"}, "greeting", "451 4.5.0", badReply},
		{"greeting is garbage", []string{">\x16\x03\x01\x00\xff\xfe\r\n"}, "greeting", "451 4.5.0", badReply},
		{"greeting with bare LF", []string{">220 mx\n"}, "greeting", "451 4.5.0", badReply},
		{"greeting with NUL", []string{">220 m\x00x\r\n"}, "greeting", "451 4.5.0", badReply},
		{"greeting 250", []string{">250 mx\r\n"}, "greeting", "451 4.5.0", badReply},
		{"greeting 354", []string{">354 mx\r\n"}, "greeting", "451 4.5.0", badReply},
		{"greeting 999", []string{">999 mx\r\n"}, "greeting", "451 4.5.0", badReply},
		{"code changes", []string{">220-mx\r\n250 mx\r\n"}, "greeting", "451 4.5.0", badReply},
		{"two greetings", []string{">220 mx\r\n220 mx\r\n"}, "EHLO", "451 4.5.0", badReply},
		{"greeting and EHLO reply", []string{">220 mx\r\n250-mx\r\n250 PIPELINING\r\n"}, "EHLO", "451 4.5.0", badReply},
		{"greeting and 421", []string{">220 mx\r\n421 4.3.2 busy\r\n"}, "EHLO", "421 4.3.2", nil},
		{"closes at greeting", []string{"!"}, "greeting", "451 4.4.2", io.EOF},
		{"closes within greeting", []string{">220-mx\r\n", "!"}, "greeting", "451 4.4.2", io.ErrUnexpectedEOF},
		{"EHLO 354", []string{">220 mx\r\n", "<", ">354 mx\r\n"}, "EHLO", "451 4.5.0", badReply},
		{"EHLO of 300 lines", []string{">220 mx\r\n", "<", ">" + strings.Repeat("250-X\r\n", 300) + "250 Y\r\n"}, "EHLO", "451 4.5.0", badReply},
		{"EHLO refused, HELO too", []string{">220 mx\r\n", "<", ">502 what\r\n", "<", ">550 5.7.1 go away\r\n"}, "EHLO", "550 5.7.1", nil},
		{"STARTTLS with text behind it", hello("STARTTLS", "<", ">220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n"), "STARTTLS", "451 4.5.0", smtpclient.ErrInjected},
		{"STARTTLS 250", hello("STARTTLS", "<", ">250 ok\r\n"), "STARTTLS", "451 4.5.0", badReply},
		{"MAIL 354", hello(ok, "<", ">354 ok\r\n"), "MAIL", "451 4.5.0", badReply},
		{"closes at MAIL", hello(ok, "<", "!"), "MAIL", "451 4.4.2", nil},
		{"RCPT 354", hello(ok, "<", ">250 ok\r\n", "<", ">354 ok\r\n"), "RCPT", "451 4.5.0", badReply},
		{"closes at RCPT", hello(ok, "<", ">250 ok\r\n", "<", "!"), "RCPT", "451 4.4.2", nil},
		{"DATA 250", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">250 ok\r\n"), "DATA", "451 4.5.0", badReply},
		{"closes at DATA", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", "!"), "DATA", "451 4.4.2", nil},
		{"replies to nothing", hello(pipe, "<", ">250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n250 and again\r\n"), "body", "451 4.5.0", badReply},
		{"taken before its end", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n250 taken\r\n"), "body", "451 4.5.0", badReply},
		{"refused before its end", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n552 5.3.4 too much\r\n"), "body", "552 5.3.4", nil},
		{"421 before its end", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n421 4.3.2 busy\r\n"), "body", "421 4.3.2", nil},
		{"closes after the message", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n", "<.", "!"), "end of data", "451 4.4.2", io.EOF},
		{"354 to the message", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n", "<.", ">354 more\r\n"), "end of data", "451 4.5.0", badReply},
		{"taken and refused", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n", "<.", ">250 ok\r\n550 no\r\n"), "end of data", "451 4.5.0", badReply},
		{"reply of 10 MB to the message", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n", "<.", ">250-"+long+"\r\n"), "end of data", "451 4.5.0", badReply},
		{"octet by octet", []string{"1>220-mx\r\n220 mx\r\n", "<", "1>250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n", "<", "<", "<", "1>250 ok\r\n250 ok\r\n451 4.3.0 not now\r\n"}, "DATA", "451 4.3.0", nil},
		{"all right, then 421", hello(ok, "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n", "<.", ">250 2.0.0 ok\r\n421 bye\r\n"), "", "250 2.0.0", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, got := hostile(t, tt.steps...)
			res, err := sendOnce(t, addr, smtpclient.Config{TLSConfig: clientTLS, Timeouts: smtpclient.Timeouts{Quit: 50 * time.Millisecond}})
			e, typed := errors.AsType[*smtpclient.Error](err)
			switch {
			case err != nil && (!typed || e.Op != tt.op || short(smtp.ReplyOf(err)) != tt.reply):
				t.Errorf("%v, %s; want %s, %s", err, smtp.ReplyOf(err), tt.op, tt.reply)
			case err == nil && (tt.op != "" || short(res[0].Reply) != tt.reply):
				t.Errorf("%v, want %s, %s", res, tt.op, tt.reply)
			}
			switch as := tt.as.(type) {
			case nil:
			case *smtp.ReplyError:
				if !errors.As(err, &as) {
					t.Errorf("no *smtp.ReplyError in %v", err)
				}
			case error:
				if !errors.Is(err, as) {
					t.Errorf("no %v in %v", as, err)
				}
			}
			if msg := got(); tt.op == "body" && strings.Contains(msg, "\r\n.\r\n") {
				t.Errorf("message ended: %q", msg)
			}
		})
	}
}

func short(r smtp.Reply) string { return strings.TrimSpace(fmt.Sprint(r.Code, " ", r.Enhanced)) }

// sendOnce dials, sends one message and closes.
func sendOnce(t *testing.T, addr string, c smtpclient.Config) (smtp.Results, error) {
	t.Helper()
	conn, err := smtpclient.Dial(t.Context(), addr, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test"), strings.NewReader(text))
}

// TestNoRecipientButGo: a server asks for a message that it has refused to everybody (RFC 2920 §3.1).
func TestNoRecipientButGo(t *testing.T) {
	for name, steps := range map[string][]string{
		"all RCPT refused": hello("PIPELINING 8BITMIME", "<", "<", "<", ">250 ok\r\n550 5.1.1 no\r\n354 go\r\n", "<.", ">554 5.5.1 nobody\r\n"),
		"MAIL refused":     hello("PIPELINING 8BITMIME", "<", "<", "<", ">550 5.1.1 no\r\n503 no\r\n354 go\r\n", "<.", ">554 5.5.1 nobody\r\n"),
	} {
		addr, got := hostile(t, steps...)
		conn := dial(t, addr, smtpclient.Config{Timeouts: smtpclient.Timeouts{Quit: 50 * time.Millisecond}})
		res, err := conn.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test"), errorReader{t})
		if err != nil {
			res = smtp.SameResult(1, smtp.ReplyOf(err))
		}
		if short(res[0].Reply) != "550 5.1.1" {
			t.Errorf("%s: %v %v", name, res, err)
		}
		conn.Close()
		if msg := got(); !strings.HasPrefix(msg, ".\r\n") || strings.Contains(msg, "Subject") {
			t.Errorf("%s: server got %q", name, msg)
		}
	}
}

// errorReader is a body that nobody may read.
type errorReader struct{ t *testing.T }

func (e errorReader) Read([]byte) (int, error) {
	e.t.Error("body was read")
	return 0, io.EOF
}

// TestBodyFails: a body that cannot be read to its end is never ended for the server.
func TestBodyFails(t *testing.T) {
	broken := errors.New("disk on fire")
	reader := func(before string, err error) io.Reader {
		return io.MultiReader(strings.NewReader(before), readFails{err})
	}
	refused := smtp.NewError(554, smtp.EnhancedCode{5, 7, 0}, "Virus")
	for _, tt := range []struct {
		name  string
		ext   []string
		body  io.Reader
		reply string
		is    error
	}{
		{"at once", []string{"8BITMIME"}, reader("", broken), "451 4.3.0", broken},
		{"midway", []string{"8BITMIME"}, reader(strings.Repeat("line\r\n", 100_000), broken), "451 4.3.0", broken},
		{"ASCII server", nil, reader("line\r\n", broken), "451 4.3.0", broken},
		{"ASCII server, cut short", nil, reader("line\r\n", io.ErrUnexpectedEOF), "451 4.3.0", io.ErrUnexpectedEOF},
		{"ASCII server, midway", nil, reader(strings.Repeat("line\r\n", 100_000), broken), "451 4.3.0", broken},
		{"BDAT", []string{"8BITMIME", "CHUNKING"}, reader("line\r\n", broken), "451 4.3.0", broken},
		{"BDAT midway", []string{"8BITMIME", "CHUNKING"}, reader(strings.Repeat("line\r\n", 100_000), broken), "451 4.3.0", broken},
		{"a refusal", []string{"8BITMIME"}, reader("line\r\n", refused), "554 5.7.0", refused},
		{"bare LF", []string{"8BITMIME"}, strings.NewReader("a\r\nb\nc\r\n"), "554 5.6.0", nil},
		{"bare CR", []string{"8BITMIME", "CHUNKING"}, strings.NewReader("a\r\nb\rc\r\n"), "554 5.6.0", nil},
		{"smuggled dot", []string{"8BITMIME"}, strings.NewReader("a\r\n\n.\r\nMAIL FROM:<>\r\n"), "554 5.6.0", nil},
		{"last CR", []string{"8BITMIME"}, strings.NewReader("a\r\n.\r"), "554 5.6.0", nil},
		{"NUL", []string{"8BITMIME"}, strings.NewReader("a\x00b\r\n"), "554 5.6.0", nil},
		{"8 bits", nil, strings.NewReader("Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"), "554 5.6.3", smtpclient.ErrEightBit},
		{"8 bits far down", nil, strings.NewReader(strings.Repeat("line\r\n", 100_000) + "\xff\r\n"), "554 5.6.3", smtpclient.ErrEightBit},
		{"no progress", []string{"8BITMIME"}, readNothing{}, "451 4.3.0", io.ErrNoProgress},
	} {
		f := &fake{t: t, ext: append([]string{"ENHANCEDSTATUSCODES", "PIPELINING"}, tt.ext...)}
		conn := dial(t, f.start(), smtpclient.Config{Chunking: true})
		res, err := conn.Deliver(t.Context(), envelope(t, "a@x.test", "b@y.test"), tt.body)
		if e, ok := errors.AsType[*smtpclient.Error](err); !ok || e.Op != "body" || short(smtp.ReplyOf(err)) != tt.reply || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v, %v; want %s", tt.name, res, err, tt.reply)
		}
		conn.Close()
		if len(f.took()) != 0 {
			t.Errorf("%s: server took %q", tt.name, f.took())
		}
	}
}

type readFails struct{ err error }

func (r readFails) Read([]byte) (int, error) { return 0, r.err }

type readNothing struct{}

func (readNothing) Read([]byte) (int, error) { return 0, nil }

// TestContext ends the context in the middle of everything.
func TestContext(t *testing.T) {
	for _, steps := range [][]string{
		{},
		{">220 mx\r\n"},
		hello("8BITMIME"),
		hello("8BITMIME", "<", ">250 ok\r\n", "<", ">250 ok\r\n", "<", ">354 go\r\n", "<."),
	} {
		addr, _ := hostile(t, steps...)
		ctx, cancel := context.WithCancel(t.Context())
		cause := make(chan error, 1)
		go func() {
			conn, err := smtpclient.Dial(ctx, addr, smtpclient.Config{Trace: func(e smtpclient.TraceEvent) {
				if e.Sent && e.Line == "("+fmt.Sprint(len("...dot..\r\n"))+" octets)" {
					cancel()
				}
			}})
			if err == nil {
				_, err = conn.Deliver(ctx, envelope(t, "a@x.test", "b@y.test"), strings.NewReader(text))
				conn.Close()
			}
			cause <- err
		}()
		cancel()
		if err := <-cause; !errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d steps: %v", len(steps), err)
		}
	}
}
