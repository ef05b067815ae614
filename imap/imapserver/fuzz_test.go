package imapserver_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// A replay is a connection on which everything has been sent already.
type replay struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (r *replay) Read(p []byte) (int, error)       { return r.in.Read(p) }
func (r *replay) Write(p []byte) (int, error)      { return r.out.Write(p) }
func (r *replay) Close() error                     { return nil }
func (r *replay) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (r *replay) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (r *replay) SetDeadline(time.Time) error      { return nil }
func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession runs a session on any bytes. Whatever they are, it ends, answers in well-formed lines, and answers no tag
// more often than there are lines.
func FuzzSession(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var b strings.Builder
		for line := range strings.Lines(string(text)) {
			if s, ok := strings.CutPrefix(line, "C:"); ok {
				b.WriteString(strings.TrimSuffix(strings.TrimPrefix(s, " "), "\n") + "\r\n")
			}
		}
		f.Add([]byte(b.String()))
	}
	f.Add([]byte("a APPEND INBOX {1+}\r\nx (\\Seen) {1+}\r\ny\r\nb SELECT INBOX\r\nc REPLACE 1 INBOX {1+}\r\nz\r\nd THREAD REFERENCES UTF-8 ALL\r\n"))
	f.Add([]byte("a UNAUTHENTICATE\r\nb LOGIN alice secret\r\nc COMPRESS DEFLATE\r\n"))
	f.Add([]byte("a APPEND INBOX {99999999+}\r\nx DELETE INBOX\r\n"))
	f.Add([]byte("a SELECT INBOX\r\nb FETCH 1:* (BODY[1.2.HEADER.FIELDS (a {1+}\r\nb)]<0.5> BINARY[2])\r\nc IDLE\r\nDONE\r\n"))
	a := sasl.New(sasl.Plain(func(context.Context, string, string) (string, error) { return "alice", nil }))
	f.Fuzz(func(t *testing.T, script []byte) {
		s := &imapserver.Server{Backend: memory(t), Authenticator: a, AllowPlaintextAuth: true}
		c := &replay{in: bytes.NewReader(append([]byte("login LOGIN alice x\r\n"), script...))}
		if err := s.ServeConn(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(bytes.NewReader(c.out.Bytes()))
		first, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(first, "* OK [CAPABILITY ") {
			t.Fatalf("greeting %q, %v", first, err)
		}
		rest, _ := io.ReadAll(r)
		tagged := 0
		for line := range bytes.Lines(rest) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				t.Errorf("the output ends in %q", line)
			}
			if !bytes.HasPrefix(line, []byte("* ")) && bytes.Contains(line, []byte(" completed\r\n")) {
				tagged++
			}
		}
		if lines := bytes.Count(script, []byte("\n")) + 2; tagged > lines {
			t.Errorf("%d answers to %d lines", tagged, lines)
		}
	})
}
