package milter_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/milter"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

func packet(code byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(1+len(data)))) + string(code) + data
}

const agreed = "\x00\x00\x00\x06\x00\x00\x00\xff\x00\x00\x00\x00"

// scripted answers the packets that want an answer, one text after the other; "" hangs, "close" closes.
func scripted(t *testing.T, answers ...string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			play(c, answers)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String()
}

func play(c net.Conn, answers []string) {
	r := bufio.NewReader(c)
	for _, a := range answers {
		for code := byte('D'); code == 'D'; {
			var head [5]byte
			if _, err := io.ReadFull(r, head[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head[:]))-1); err != nil {
				return
			}
			code = head[4]
		}
		switch a {
		case "close":
			return
		case "":
			_, _ = io.Copy(io.Discard, r) // until the other side gives up
			return
		}
		if _, err := io.WriteString(c, a); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

// TestHostile: whatever a milter says, the peer is told 451, or the mail passes where that is wanted, as it was.
func TestHostile(t *testing.T) {
	ok := packet('O', agreed)
	cont := packet('c', "")
	steps := func(n int, more ...string) []string {
		out := []string{ok}
		for range n {
			out = append(out, cont)
		}
		return append(out, more...)
	}
	const toEnd = 4 + 1 + 4 + 1 + 1 // C H M R, T, fields, N, B
	for name, answers := range map[string][]string{
		"closed at once":       {"close"},
		"no options":           {cont},
		"short options":        {packet('O', "\x00\x00\x00\x06")},
		"version 1":            {packet('O', "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")},
		"version 7":            {packet('O', "\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00")},
		"unknown steps":        {packet('O', "\x00\x00\x00\x06\x00\x00\x00\x00\x80\x00\x00\x00")},
		"unknown actions":      {packet('O', "\x00\x00\x00\x06\x00\x01\x00\x00\x00\x00\x00\x00")},
		"empty packet":         steps(0, "\x00\x00\x00\x00"),
		"huge packet":          steps(0, "\xff\xff\xff\xffc"),
		"half a packet":        steps(0, "\x00\x00\x00\x05cab", "close"),
		"hangs":                steps(1, ""),
		"unknown answer":       steps(1, packet('Z', "")),
		"change before end":    steps(2, packet('h', "X\x00y\x00")),
		"reply is no reply":    steps(2, packet('y', "hello\x00")),
		"reply of success":     steps(2, packet('y', "250 2.0.0 Taken\x00")),
		"reply with more":      steps(2, packet('y', "550 5.7.1 No\r\n250 Ok\r\n\x00")),
		"closed at the end":    steps(toEnd, "close"),
		"hangs at the end":     steps(toEnd, packet('p', ""), ""),
		"field without name":   steps(toEnd, packet('h', "\x00y\x00")+cont),
		"field of two":         steps(toEnd, packet('h', "X\x00y\nEvil: z\x00")+cont),
		"field with bare CR":   steps(toEnd, packet('h', "X\x00y\rz\x00")+cont),
		"insert without index": steps(toEnd, packet('i', "\x00")+cont),
		"change without text":  steps(toEnd, packet('e', "")+cont),
		"no address":           steps(toEnd, packet('+', "a b\x00")+cont),
		"address and more":     steps(toEnd, packet('+', "<a@b.example> NOTIFY=NEVER\x00")+cont),
		"parameters":           steps(toEnd, packet('2', "<a@b.example>\x00NOTIFY=MAYBE\x00")+cont),
		"without leave":        append([]string{packet('O', "\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00")}, steps(toEnd, packet('b', "x")+cont)[1:]...),
	} {
		t.Run(name, func(t *testing.T) {
			for _, open := range []bool{false, true} {
				rec := &smtptest.Recorder{}
				f := milter.Filter{Network: "tcp", Address: scripted(t, answers...), Timeout: 200 * time.Millisecond, EndTimeout: 200 * time.Millisecond, Open: open}.Handler(rec)
				res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example"), strings.NewReader(letter))
				reply, got := replyOf(res, err), rec.Messages()
				switch {
				case open && (!strings.HasPrefix(reply, "250 ") || len(got) != 1 || string(got[0].Body) != letter):
					t.Errorf("open: %s, %d taken", reply, len(got))
				case !open && (!strings.HasPrefix(reply, "451 4.7.1") || len(got) != 0 || rec.Open() != 0):
					t.Errorf("%s, %d taken, %d open", reply, len(got), rec.Open())
				}
			}
		})
	}
}

// TestAnswers: each answer at each step.
func TestAnswers(t *testing.T) {
	ok, cont := packet('O', agreed), packet('c', "")
	for code, want := range map[string]struct {
		reply string
		taken int
	}{
		packet('a', ""): {"250 2.0.0", 1}, packet('d', ""): {"250 2.0.0", 0}, packet('r', ""): {"550 5.7.1", 0}, packet('t', ""): {"451 4.7.1", 0},
		packet('4', ""): {"421 4.7.0", 0}, packet('y', "554 5.7.26 a\x00"): {"554 5.7.26 a", 0}, packet('y', "554-5.7.26 a\r\n554 5.7.26 b\x00"): {"554", 0},
		packet('p', "") + packet('p', "") + cont: {"250 2.0.0", 1},
	} {
		for step := range 12 {
			answers := []string{ok}
			for range step {
				answers = append(answers, cont)
			}
			answers = append(answers, code)
			for len(answers) < 13 {
				answers = append(answers, cont)
			}
			rec := &smtptest.Recorder{}
			f := milter.Filter{Network: "tcp", Address: scripted(t, answers...), Timeout: 5 * time.Second}.Handler(rec)
			res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example"), strings.NewReader(letter))
			reply := replyOf(res, err)
			if !strings.HasPrefix(reply, want.reply) || len(rec.Messages()) != want.taken || rec.Open() != 0 {
				t.Errorf("%q at step %d: %s, %d taken", code, step, reply, len(rec.Messages()))
			}
		}
	}
}

// TestSkip: after it no more of the body is sent, and all of it is delivered.
func TestSkip(t *testing.T) {
	ok, cont := packet('O', "\x00\x00\x00\x06\x00\x00\x00\xff\x00\x00\x04\x00"), packet('c', "")
	answers := []string{ok}
	for range 10 {
		answers = append(answers, cont)
	}
	answers = append(answers, packet('s', ""), packet('h', "X-Seen\x00part\x00")+cont)
	rec := &smtptest.Recorder{}
	f := milter.Filter{Network: "tcp", Address: scripted(t, answers...)}.Handler(rec)
	text := letter + strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 20_000)
	if res, err := smtp.Deliver(t.Context(), f, envelope(t, "bob@b.example"), strings.NewReader(text)); err != nil || !res[0].Reply.OK() {
		t.Fatal(res, err)
	}
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	if got := string(rec.Messages()[0].Body); got != head+"\r\nX-Seen: part\r\n\r\n"+body {
		t.Errorf("%.300q", got)
	}
}

// TestServerTimes: a Server waits 15 minutes for a packet and no longer, and ends when it is stopped between messages.
func TestServerTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stopped := range []bool{false, true} {
			ours, theirs := net.Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- (&milter.Server{Checker: &check{}}).ServeConn(ctx, theirs) }()
			_, _ = io.WriteString(ours, packet('O', agreed))
			if _, err := io.ReadFull(ours, make([]byte, 17)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			want := 15 * time.Minute
			if stopped {
				want = time.Minute
				time.AfterFunc(want, cancel)
			}
			if n, err := ours.Read(make([]byte, 1)); err != io.EOF || time.Since(start) != want {
				t.Errorf("%d octets, %v after %s", n, err, time.Since(start))
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			_ = ours.Close()
			cancel()
		}
	})
}

// FuzzServer: whatever an MTA sends, a Server answers or closes, and every transaction is closed.
func FuzzServer(f *testing.F) {
	f.Add([]byte(packet('O', agreed) + packet('D', "Ci\x00x\x00") + packet('C', "host\x004\x00\x19192.0.2.1\x00") + packet('H', "helo\x00") + packet('M', "<a@b.example>\x00SIZE=1\x00") +
		packet('R', "<c@d.example>\x00") + packet('T', "") + packet('L', "Subject\x00x\n y\x00") + packet('N', "") + packet('B', "Hello.\r\n") + packet('E', "") + packet('Q', "")))
	f.Add([]byte(packet('O', agreed) + packet('M', "a b\x00") + packet('R', "\x00") + packet('A', "") + packet('E', "x") + packet('K', "") + packet('U', "")))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &check{}
		ours, theirs := net.Pipe()
		go func() {
			_, _ = ours.Write(in)
			_ = ours.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		if err := (&milter.Server{Checker: c, MaxMessage: 1 << 16}).ServeConn(t.Context(), theirs); err != nil {
			t.Fatal(err)
		}
		if c.open != 0 {
			t.Fatalf("%d transactions left open", c.open)
		}
	})
}
