package smtpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// BenchmarkServer receives messages over one kept connection of loopback, client included. internal/peerbench measures
// the server alone.
func BenchmarkServer(b *testing.B) {
	h := dataFunc(func(_ context.Context, n int, body io.Reader) (smtp.Results, error) {
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, err
		}
		return smtp.SameResult(n, taken), nil
	})
	group := []byte("MAIL FROM:<a@test.example>\r\nRCPT TO:<b@test.example>\r\nDATA\r\n")
	for _, size := range []int{4 << 10, 100 << 10, 2 << 20} {
		text := []byte("Subject: x\r\n\r\n" + strings.Repeat("The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n", size/77))
		for _, way := range []string{"DATA", "BDAT"} {
			b.Run(fmt.Sprintf("%s %d KiB", way, size>>10), func(b *testing.B) {
				c, err := net.Dial("tcp", smtptest.NewServer(b, &smtpserver.Server{Handler: h, Without: few}, false))
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				r := bufio.NewReader(c)
				say := func(p []byte, lines int) {
					if _, err := c.Write(p); err != nil {
						b.Fatal(err)
					}
					for range lines {
						if l, err := r.ReadSlice('\n'); err != nil || l[0] > '3' {
							b.Fatalf("%q %v", l, err)
						}
					}
				}
				say([]byte("EHLO c\r\n"), 4)
				data := bytes.Join([][]byte{text, []byte(".\r\n")}, nil)
				chunk := bytes.Join([][]byte{group[:len(group)-6], fmt.Appendf(nil, "BDAT %d LAST\r\n", len(text)), text}, nil)
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if way == "BDAT" {
						say(chunk, 3)
						continue
					}
					say(group, 3)
					say(data, 1)
				}
			})
		}
	}
}

// BenchmarkIdle reports what a session costs that waits for a command.
func BenchmarkIdle(b *testing.B) {
	const n = 1000
	s := &smtpserver.Server{Handler: &smtptest.Recorder{}, Limits: smtpserver.Limits{Conns: -1, PerNetwork: -1}, Without: few}
	for b.Loop() {
		var conns []net.Conn
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithCancel(b.Context())
		for range n {
			ours, theirs := net.Pipe()
			go func() { _ = s.ServeConn(ctx, theirs) }()
			r := bufio.NewReaderSize(ours, 16)
			for _, cmd := range []string{"", "EHLO c\r\n", "MAIL FROM:<a@test.example>\r\n", "RCPT TO:<b@test.example>\r\n", "DATA\r\n", "x\r\n.\r\n"} {
				if cmd != "" {
					_, _ = io.WriteString(ours, cmd)
				}
				for more := true; more; {
					l, err := r.ReadString('\n')
					if err != nil {
						b.Fatal(err)
					}
					more = l[3] == '-'
				}
			}
			conns = append(conns, ours)
		}
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "heapB/session")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/n, "stackB/session")
		cancel()
		for _, c := range conns {
			_ = c.Close()
		}
	}
}
