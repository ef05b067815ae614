package smtpserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// A dataFunc is a Handler that takes every recipient and whose Data is the function.
type dataFunc func(ctx context.Context, n int, body io.Reader) (smtp.Results, error)

func (f dataFunc) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return &dataTx{f: f}, nil
}

type dataTx struct {
	f dataFunc
	n int
}

func (t *dataTx) Rcpt(context.Context, smtp.Path, smtp.RcptParams) error { t.n++; return nil }
func (t *dataTx) Data(ctx context.Context, body io.Reader) (smtp.Results, error) {
	return t.f(ctx, t.n, body)
}
func (t *dataTx) Close() error { return nil }

// A logbook is what a Server logs.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var taken = smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Taken")

const twoRcpt = `
	S: 220 *
	C> EHLO c
	C> MAIL FROM:<a@test.example>
	C> RCPT TO:<b@test.example>
	C: RCPT TO:<c@test.example>
	S: 250-*
	S: 250-*
	S: 250-*
	S: 250-*
	S: 250-*
	S: 250-*
	S: 250-*
	S: 250-*
	S: 250 LIMITS *
	S: 250 2.1.0 *
	S: 250 2.1.5 *
	S: 250 2.1.5 *
`

// TestHandlerRules has what the server makes of Handlers, right ones and wrong ones (smtp.Transaction).
func TestHandlerRules(t *testing.T) {
	refusal := smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "No")
	for _, tt := range []struct {
		name string
		f    dataFunc
		data string // the dialogue from DATA on
		log  string // what is logged
	}{
		{"an error before the first Read answers DATA",
			func(context.Context, int, io.Reader) (smtp.Results, error) {
				return nil, fmt.Errorf("wrapped: %w", refusal)
			},
			"C: DATA\nS: 550 5.7.1 No\nC: NOOP\nS: 250 *", ""},
		{"an unknown error does not leak",
			func(_ context.Context, _ int, body io.Reader) (smtp.Results, error) {
				_, _ = io.ReadAll(body)
				return nil, errors.New("open /var/secret: no")
			},
			"C: DATA\nS: 354 *\nC: x\nC: .\nS: 451 4.3.0 Local error in processing\nC: NOOP\nS: 250 *", "/var/secret"},
		{"an error in the middle is told at the end",
			func(_ context.Context, _ int, body io.Reader) (smtp.Results, error) {
				_, _ = body.Read(make([]byte, 1))
				return nil, refusal
			},
			"C: DATA\nS: 354 *\nC: x\nC: MAIL FROM:<x>\nC: .\nS: 550 5.7.1 No\nC: NOOP\nS: 250 *", ""},
		{"success without reading",
			func(_ context.Context, n int, _ io.Reader) (smtp.Results, error) {
				return smtp.SameResult(n, taken), nil
			},
			"C: DATA\nS: 451 4.3.0 *\nC: NOOP\nS: 250 *", "without reading"},
		{"success without reading to the end",
			func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
				_, _ = body.Read(make([]byte, 5))
				return smtp.SameResult(n, taken), nil
			},
			"C: DATA\nS: 354 *\nC: x\nC: .\nS: 451 4.3.0 *\nC: NOOP\nS: 250 *", "to its end"},
		{"success all the same for a message with a bare CR",
			func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
				_, _ = io.ReadAll(body)
				return smtp.SameResult(n, taken), nil
			},
			"C: DATA\nS: 354 *\nC: x\ry\nC: .\nS: 550 5.6.11 *\nC: NOOP\nS: 250 *", "was not right"},
		{"mixed results",
			func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
				_, err := io.Copy(io.Discard, body)
				return smtp.Results{{Reply: taken}, {Reply: refusal.Reply}}, err
			},
			"C: DATA\nS: 354 *\nC: x\nC: .\nS: 451 4.3.0 *", "mixed results"},
		{"too few results",
			func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
				_, err := io.Copy(io.Discard, body)
				return smtp.SameResult(1, taken), err
			},
			"C: DATA\nS: 354 *\nC: x\nC: .\nS: 451 4.3.0 *", "1 results for 2 recipients"},
		{"results without a code",
			func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
				_, err := io.Copy(io.Discard, body)
				return make(smtp.Results, n), err
			},
			"C: DATA\nS: 354 *\nC: x\nC: .\nS: 451 4.3.0 *", "result 0"},
		{"a reply of its own",
			func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
				_, err := io.Copy(io.Discard, body)
				return smtp.SameResult(n, smtp.NewReply(250, smtp.EnhancedCode{2, 6, 0}, "queued as 4f1a\nand more")), err
			},
			"C: DATA\nS: 354 *\nC: x\nC: .\nS: 250-2.6.0 queued as 4f1a\nS: 250 2.6.0 and more", ""},
		{"421 closes",
			func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
				return nil, smtp.NewError(421, smtp.EnhancedCode{4, 3, 2}, "Going down")
			},
			"C: DATA\nS: 421 4.3.2 Going down", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log logbook
			d := talk(t, &smtpserver.Server{Handler: tt.f, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			d.play(twoRcpt)
			d.play(tt.data)
			if tt.log != "" && !strings.Contains(log.String(), tt.log) {
				t.Errorf("not logged: %s", log.String())
			}
		})
	}
}

// TestLost drops the connection within a message: the Handler must see an error, and Close.
func TestLost(t *testing.T) {
	for _, script := range []string{"C: DATA\nS: 354 *\nC: half a message", "C: BDAT 100 LAST\nC: half a chunk", "C: BDAT 2\nC: \nS: 250 *"} {
		got := make(chan error, 1)
		h := dataFunc(func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
			_, err := io.Copy(io.Discard, body)
			got <- err
			return smtp.SameResult(n, taken), nil // wrong, and must not matter
		})
		d := talk(t, &smtpserver.Server{Handler: h})
		d.play(twoRcpt)
		d.play(script)
		_ = d.c.Close()
		err := <-got
		if e, ok := errors.AsType[*smtp.Error](err); !ok || !e.Temporary() {
			t.Errorf("%q: body ended with %v", script, err)
		}
	}
}

// TestResetInChunks gives up a message between two chunks.
func TestResetInChunks(t *testing.T) {
	for _, cmd := range []string{"RSET", "EHLO other", "QUIT"} {
		rec := &smtptest.Recorder{}
		d := talk(t, &smtpserver.Server{Handler: rec, Without: few})
		d.play("S: 220 *\nC: EHLO c\nS: 250-*\nS: 250-PIPELINING\nS: 250 CHUNKING\nC: MAIL FROM:<a@test.example>\nS: 250 *\nC: RCPT TO:<b@test.example>\nS: 250 *")
		d.play("C: BDAT 3\nC: x\nS: 250 *\nC: NOOP\nS: 250 *\nC: RCPT TO:<c@test.example>\nS: 503 *\nC: " + cmd)
		d.line()
		if n := rec.Open(); n != 0 {
			t.Errorf("%s: %d transactions open", cmd, n)
		}
		if len(rec.Messages()) != 0 || rec.Abandoned() != 1 {
			t.Errorf("%s: %d messages, %d abandoned", cmd, len(rec.Messages()), rec.Abandoned())
		}
	}
}

// TestChunkRefused refuses in the middle of chunks: the rest of the chunk is no command, and further chunks are refused.
func TestChunkRefused(t *testing.T) {
	h := dataFunc(func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
		_, _ = io.ReadFull(body, make([]byte, 1))
		return nil, smtp.NewError(552, smtp.EnhancedCode{5, 2, 2}, "Full")
	})
	d := talk(t, &smtpserver.Server{Handler: h})
	d.play(twoRcpt)
	d.play("C> BDAT 12\nC> NOOP\nC> NOOP\nC> BDAT 6 LAST\nC> NOOP\nC: VRFY x\nS: 552 5.2.2 Full\nS: 503 5.5.1 *\nS: 252 *")
}

func TestLMTP(t *testing.T) {
	full := smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "Mailbox full")
	rec := &smtptest.Recorder{OnData: func(m *smtptest.Message) (smtp.Results, error) {
		if strings.Contains(string(m.Body), "virus") {
			return nil, smtp.NewError(554, smtp.EnhancedCode{5, 7, 1}, "Virus")
		}
		return smtp.Results{{Reply: taken}, {Reply: full}, {}}, nil
	}}
	s := &smtpserver.Server{Handler: rec, Mode: smtpserver.LMTP, Without: few}
	d := talk(t, s)
	const rcpts = `
		C> MAIL FROM:<a@test.example>
		C> RCPT TO:<b@test.example>
		C> RCPT TO:<b@test.example>
		C: RCPT TO:<c@test.example>
		S: 250 2.1.0 *
		S: 250 *
		S: 250 *
		S: 250 *
	`
	d.play("S: 220 localhost LMTP\nC: EHLO c\nS: 500 5.5.1 *\nC: HELO c\nS: 500 5.5.1 *\nC: LHLO c\nS: 250-*\nS: 250-PIPELINING\nS: 250 CHUNKING")
	d.play("C: MAIL FROM:<>\nS: 250 *\nC: DATA\nS: 503 5.5.1 *\nC: RSET\nS: 250 *")
	const three = "S: 250 2.0.0 Taken\nS: 452 4.2.2 Mailbox full\nS: 451 4.3.0 *\n"
	d.play(rcpts + "C: DATA\nS: 354 *\nC: x\nC: .\n" + three)
	d.play(rcpts + "C> BDAT 3\nC: x\nS: 250 2.0.0 3 octets received\nC: BDAT 0 LAST\n" + three)
	d.play(rcpts + "C: DATA\nS: 354 *\nC: virus\nC: .\nS: 554 5.7.1 Virus\nS: 554 5.7.1 Virus\nS: 554 5.7.1 Virus\nC: QUIT\nS: 221 *")
	if p := rec.Messages()[0].Peer.Protocol; p != "LMTP" {
		t.Errorf("protocol %s", p)
	}
}

// TestBody gives the same message to Read with buffers of every small size and to WriteTo.
func TestBody(t *testing.T) {
	const text = "a: b\r\nReceived: x\r\n\r\n..one\r\n..\r\n"
	const want = "a: b\r\nReceived: x\r\n\r\n.one\r\n.\r\n"
	for size := range 40 {
		var got bytes.Buffer
		h := dataFunc(func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
			var err error
			if size == 0 {
				_, err = io.Copy(&got, body)
			} else {
				_, err = io.CopyBuffer(&got, struct{ io.Reader }{body}, make([]byte, size))
			}
			return smtp.SameResult(n, taken), err
		})
		d := talk(t, &smtpserver.Server{Handler: h})
		d.play(twoRcpt + "C: DATA\nS: 354 *")
		d.send(text + ".\r\n")
		d.want("250 2.0.0 Taken")
		if s := below(t, got.Bytes()); s != want {
			t.Errorf("buffer of %d: %q", size, s)
		}
		got.Reset()
		d.send(fmt.Sprintf("MAIL FROM:<a@test.example>\r\nRCPT TO:<b@test.example>\r\nBDAT %d LAST\r\n%s", len(want), want))
		d.play("S: 250 *\nS: 250 *\nS: 250 2.0.0 Taken")
		if s := below(t, got.Bytes()); s != want {
			t.Errorf("chunk, buffer of %d: %q", size, s)
		}
	}
}

// A panicking is a Handler that panics where told.
type panicking struct {
	where  string
	closed *atomic.Int32
}

func (p panicking) at(where string) {
	if p.where == where {
		panic("at " + where)
	}
}

func (p panicking) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	p.at("MAIL")
	return p, nil
}

func (p panicking) Rcpt(context.Context, smtp.Path, smtp.RcptParams) error {
	p.at("RCPT")
	return nil
}

func (p panicking) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	_, _ = io.ReadAll(body)
	p.at("DATA")
	return smtp.SameResult(1, smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Ok")), nil
}

func (p panicking) Close() error {
	p.closed.Add(1)
	return nil
}

// TestPanic: a Handler that panics loses its connection before the reply, and nothing else.
func TestPanic(t *testing.T) {
	script := []string{"C: EHLO x.example", "C: MAIL FROM:<a@x.example>\nS: 250 *", "C: RCPT TO:<b@y.example>\nS: 250 *", "C: DATA\nS: 354 *\nC: x\nC: ."}
	for i, where := range []string{"MAIL", "RCPT", "DATA"} {
		var log strings.Builder
		var closed atomic.Int32
		s := &smtpserver.Server{Handler: panicking{where, &closed}, Hostname: "mx.example.com", Logger: slog.New(slog.NewTextHandler(&log, nil))}
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.ServeConn(t.Context(), theirs)
		}()
		d := newDialogue(t, ours)
		d.want("220 *")
		d.play(script[0])
		for l := ""; !strings.HasPrefix(l, "250 "); {
			l = d.line()
		}
		for _, step := range script[1 : i+1] {
			d.play(step)
		}
		last, _, _ := strings.Cut(script[i+1], "\nS: 250")
		d.play(last)
		d.wantEOF()
		<-done
		if want := int32(min(i, 1)); closed.Load() != want {
			t.Errorf("%s: %d transactions closed, want %d", where, closed.Load(), want)
		}
		if !strings.Contains(log.String(), "at "+where) {
			t.Errorf("%s: logged %q", where, log.String())
		}
		d = talk(t, s)
		d.want("220 *")
	}
}
