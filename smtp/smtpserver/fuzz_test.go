package smtpserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// A warden is a Handler that checks how the server treats it, and reads in ways that the message chooses.
type warden struct {
	t     *testing.T
	open  int
	taken [][]byte
}

func (w *warden) Mail(ctx context.Context, peer *smtp.Peer, from smtp.Path, p smtp.MailParams) (smtp.Transaction, error) {
	if peer == nil || peer.Hello == "" || peer.Protocol == "" {
		w.t.Errorf("MAIL from peer %+v", peer)
	}
	if from.NeedsUTF8() && !p.UTF8 {
		w.t.Errorf("MAIL from %s without SMTPUTF8", from)
	}
	if from.Local == "refused" {
		return nil, smtp.NewError(550, smtp.EnhancedCode{5, 7, 1}, "No")
	}
	w.open++
	if w.open != 1 {
		w.t.Errorf("%d transactions open", w.open)
	}
	return &warded{w: w, binary: p.Body == smtp.BodyBinaryMIME}, nil
}

type warded struct {
	w            *warden
	n            int
	binary       bool
	data, closed bool
}

func (x *warded) Rcpt(_ context.Context, to smtp.Path, _ smtp.RcptParams) error {
	if x.data || x.closed {
		x.w.t.Error("RCPT after Data or Close")
	}
	if to.IsNull() || to.Local == "refused" {
		return smtp.NewError(550, smtp.EnhancedCode{5, 1, 1}, "No such user")
	}
	x.n++
	return nil
}

func (x *warded) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	if x.data || x.closed || x.n == 0 {
		x.w.t.Errorf("Data: data %v closed %v recipients %d", x.data, x.closed, x.n)
	}
	x.data = true
	var b bytes.Buffer
	var err error
	if x.n%2 == 0 {
		_, err = b.ReadFrom(body)
	} else {
		_, err = io.Copy(&b, body)
	}
	if err != nil {
		if _, again := body.Read(make([]byte, 1)); again == nil || again == io.EOF {
			x.w.t.Errorf("body goes on after %v", err)
		}
		return nil, err
	}
	if n, again := body.Read(make([]byte, 1)); n != 0 || again != io.EOF {
		x.w.t.Errorf("after io.EOF: %d %v", n, again)
	}
	m := b.Bytes()
	if i := offence(m); i >= 0 && !x.binary {
		x.w.t.Errorf("bare CR, bare LF or NUL at %d of %q", i, m)
	}
	x.w.taken = append(x.w.taken, m)
	return smtp.SameResult(x.n, taken), nil
}

func (x *warded) Close() error {
	if x.closed {
		x.w.t.Error("closed twice")
	}
	x.closed = true
	x.w.open--
	return nil
}

// offence returns the index of the first bare CR, bare LF or NUL, or -1.
func offence(m []byte) int {
	for i, c := range m {
		if c == 0 || c == '\r' && (i+1 == len(m) || m[i+1] != '\n') || c == '\n' && (i == 0 || m[i-1] != '\r') {
			return i
		}
	}
	return -1
}

// converseRaw sends input in pieces and returns what the server says. With quit it waits for the server to close.
func converseRaw(s *smtpserver.Server, input []byte, piece int, quit bool) []byte {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeConn(context.Background(), theirs)
	}()
	_ = ours.SetDeadline(time.Now().Add(10 * time.Second))
	var out []byte
	read := make(chan struct{})
	go func() {
		defer close(read)
		out, _ = io.ReadAll(ours)
	}()
	for part := range slices.Chunk(input, piece) {
		if _, err := ours.Write(part); err != nil {
			break
		}
	}
	if !quit {
		_ = ours.Close()
	}
	<-done
	_ = ours.Close()
	<-read
	return out
}

// FuzzSession sends any octets: no panic, no hang, the rules of Handlers kept, replies that are replies.
func FuzzSession(f *testing.F) {
	for _, c := range smtptest.Corpus() {
		var b []byte
		for _, s := range c.Steps {
			b = append(b, s.Input...)
		}
		if len(b) < 2000 {
			f.Add(b, uint16(0), uint8(0))
			f.Add(b, uint16(3), uint8(1))
		}
	}
	f.Add([]byte(toData+"BDAT 5\r\na: b\rBDAT 1 LAST\r\n\nDATA\r\n"), uint16(1), uint8(0))
	f.Add([]byte("EHLO c\r\nMAIL FROM:<a@b.example> BODY=BINARYMIME\r\nRCPT TO:<b@test.example>\r\nBDAT 3 LAST\r\n\n\r\x00QUIT\r\n"), uint16(0), uint8(0))
	f.Add([]byte("EHLO c\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<b@test.example>\r\nDATA\r\nx\r\n.\r\n"), uint16(0), uint8(2))
	users := smtptest.CorpusUsers()
	f.Fuzz(func(t *testing.T, input []byte, piece uint16, mode uint8) {
		w := &warden{t: t}
		s := &smtpserver.Server{Handler: w, Mode: smtpserver.Mode(mode % 3), Authenticator: users, AllowPlaintextAuth: true,
			Normalize: mode&4 != 0, NoReceived: true, Extensions: []smtpserver.Extension{smtpserver.BinaryMIME()},
			Limits: smtpserver.Limits{MessageSize: 5000, HeaderSize: 1000, BodyLine: 500, Hops: 3, Recipients: 5}}
		if mode%3 == 1 {
			s.Mode = smtpserver.LMTP
		} else if mode%3 == 2 {
			s.Mode = smtpserver.Submission
		}
		out := converseRaw(s, input, int(piece)+1, false)
		if w.open != 0 {
			t.Errorf("%d transactions open", w.open)
		}
		r := smtp.NewReplyReader(bytes.NewReader(out))
		for {
			if _, err := r.Read(); err == io.EOF || err == io.ErrUnexpectedEOF { // the client went away
				break
			} else if err != nil {
				t.Fatalf("%v in %q", err, out)
			}
		}
	})
}

// naive takes a message off wire: up to CRLF.CRLF, the dots taken off. ok: there was an end.
func naive(wire []byte) (message, rest []byte, ok bool) {
	start := true
	for i := range wire {
		if start && bytes.HasPrefix(wire[i:], []byte(".\r\n")) {
			return message, wire[i+3:], true
		}
		if start && wire[i] == '.' {
			start = false
			continue
		}
		message = append(message, wire[i])
		start = bytes.HasSuffix(wire[:i+1], []byte("\r\n"))
	}
	return nil, nil, false
}

// FuzzData compares the message that arrives with a naive reading of it, for every split of the input.
func FuzzData(f *testing.F) {
	for _, m := range []string{".\r\n", "a\r\n.\r\n", "..\r\n...\r\n.\r\n", "a\n.\n\r\n.\r\n", "a\r\r\n.\r\n", "\r\n\r\n.\r\nNOOP\r\n", "a.\r\n.b\r\n.\r\n", "\x00\r\n.\r\n"} {
		f.Add([]byte(m), uint8(0))
		f.Add([]byte(m), uint8(3))
	}
	f.Fuzz(func(t *testing.T, wire []byte, piece uint8) {
		message, rest, ok := naive(wire)
		if !ok || len(message) > 4000 {
			t.Skip()
		}
		wire = wire[:len(wire)-len(rest)]
		w := &warden{t: t}
		s := &smtpserver.Server{Handler: w, NoReceived: true}
		out := converseRaw(s, fmt.Appendf(nil, "%sDATA\r\n%sQUIT\r\n", toData, wire), int(piece)+1, true)
		replies := bytes.Split(bytes.TrimSuffix(out, []byte("\r\n")), []byte("\r\n"))
		final := replies[len(replies)-2]
		switch {
		case offence(message) >= 0:
			if len(w.taken) != 0 || !bytes.HasPrefix(final, []byte("550 5.6.11 ")) {
				t.Errorf("%q: %d messages, %q", wire, len(w.taken), final)
			}
		case len(w.taken) != 1 || !bytes.Equal(w.taken[0], message) || !bytes.HasPrefix(final, []byte("250 ")):
			t.Errorf("%q: %q, %q, want %q", wire, w.taken, final, message)
		}
		if !bytes.HasPrefix(replies[len(replies)-1], []byte("221 ")) {
			t.Errorf("%q: QUIT was not seen: %q", wire, out)
		}
	})
}
