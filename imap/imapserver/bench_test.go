package imapserver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
	"github.com/mailbricks/mailbricks/imap/imapserver"
	"github.com/mailbricks/mailbricks/imap/imaptest"
)

// benchServer has n messages of 4 KiB in alice's INBOX.
func benchServer(b *testing.B, n int) *imapserver.Server {
	m := &imaptest.Memory{}
	m.AddUser("alice")
	a, err := m.OpenAccount(b.Context(), "alice")
	if err != nil {
		b.Fatal(err)
	}
	text := multipart + strings.Repeat("A line of text that fills the message up.\r\n", 85)
	for i := range n {
		t := fmt.Sprintf("X-Number: %d\r\n%s", i, text)
		if _, err := a.Appender.Append(b.Context(), "INBOX", []imap.AppendMessage{{Size: int64(len(t)), Body: strings.NewReader(t)}}); err != nil {
			b.Fatal(err)
		}
	}
	return &imapserver.Server{Backend: m, AllowPlaintextAuth: true, Limits: imapserver.Limits{ConnsPerNetwork: -1},
		Authenticator: sasl.New(sasl.Plain(func(context.Context, string, string) (string, error) { return "alice", nil }))}
}

// run measures a script on one connection: login, select, and the command over and over.
func benchmark(b *testing.B, messages int, command string) {
	s := benchServer(b, messages)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp", startOn(b, s, ln))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 1<<20)
	do := func(command string) {
		fmt.Fprintf(c, "a %s\r\n", command)
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if bytes.HasPrefix(line, []byte("a ")) {
				if !bytes.HasPrefix(line, []byte("a OK")) {
					b.Fatalf("%s", line)
				}
				return
			}
		}
	}
	r.ReadSlice('\n')
	do("LOGIN alice x")
	do("SELECT INBOX")
	do(command)
	b.ReportAllocs()
	for b.Loop() {
		do(command)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(messages), "ns/message")
}

func BenchmarkFetchFlags(b *testing.B) { benchmark(b, 10000, "FETCH 1:* (UID FLAGS)") }
func BenchmarkFetchEnvelope(b *testing.B) {
	benchmark(b, 10000, "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
}
func BenchmarkFetchBody(b *testing.B) { benchmark(b, 1000, "FETCH 1:* BODY.PEEK[]") }
func BenchmarkFetchHeader(b *testing.B) {
	benchmark(b, 1000, "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT FROM TO)]")
}
func BenchmarkFetchPart(b *testing.B)     { benchmark(b, 1000, "FETCH 1:* BODY.PEEK[2]") }
func BenchmarkSelect(b *testing.B)        { benchmark(b, 10000, "SELECT INBOX") }
func BenchmarkStore(b *testing.B)         { benchmark(b, 1000, "STORE 1:* FLAGS.SILENT ()") }
func BenchmarkNoop(b *testing.B)          { benchmark(b, 1, "NOOP") }
func BenchmarkSearchFlags(b *testing.B)   { benchmark(b, 10000, "SEARCH UNSEEN") }
func BenchmarkSearchSubject(b *testing.B) { benchmark(b, 1000, "SEARCH SUBJECT nosuch") }
func BenchmarkSearchText(b *testing.B)    { benchmark(b, 1000, "SEARCH TEXT nosuch") }

// BenchmarkSession is a whole session: login, select, fetch one, logout.
func BenchmarkSession(b *testing.B) {
	s := benchServer(b, 100)
	script := []byte("a LOGIN alice x\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\nd LOGOUT\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if err := s.ServeConn(b.Context(), &replay{in: bytes.NewReader(script)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend is one message of 4 KiB with a literal that is not waited for.
func BenchmarkAppend(b *testing.B) {
	s := benchServer(b, 0)
	text := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 64)
	var in bytes.Buffer
	in.WriteString("a LOGIN alice x\r\n")
	n := 0
	for b.Loop() {
		n++
		fmt.Fprintf(&in, "b APPEND INBOX {%d+}\r\n%s\r\n", len(text), text)
		if in.Len() > 1<<20 {
			c := &replay{in: bytes.NewReader(in.Bytes())}
			if err := s.ServeConn(b.Context(), c); err != nil {
				b.Fatal(err)
			}
			in.Reset()
			in.WriteString("a LOGIN alice x\r\n")
		}
	}
	b.SetBytes(int64(len(text)))
}
