package smtpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
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

// idleEnv makes the process of the tests a client that opens connections to an address and keeps them until its input ends:
// "127.0.0.1:25 10000 tls".
const idleEnv = "SMTPSERVER_TEST_IDLE"

func TestMain(m *testing.M) {
	if how := os.Getenv(idleEnv); how != "" {
		if err := idleClient(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func idleClient(how string) error {
	var addr, security string
	var n int
	if _, err := fmt.Sscan(how, &addr, &n, &security); err != nil {
		return err
	}
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if security == "tls" {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		r := smtp.NewReplyReader(c)
		for _, cmd := range []string{"", "EHLO client.test\r\n", "MAIL FROM:<a@test.example>\r\n", "RCPT TO:<b@test.example>\r\n", "DATA\r\n", "x\r\n.\r\n"} {
			if _, err := io.WriteString(c, cmd); err != nil {
				return err
			}
			if reply, err := r.Read(); err != nil || reply.Code >= 400 {
				return fmt.Errorf("%q: %v, %w", cmd, reply, err)
			}
		}
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// BenchmarkIdle reports what a connection costs that has sent a message and waits: the memory of the process (VmRSS), with
// the clients in another one.
func BenchmarkIdle(b *testing.B) {
	for _, tt := range []struct {
		security string
		conns    int
	}{{"plain", 10_000}, {"tls", 2000}} {
		b.Run(tt.security, func(b *testing.B) {
			var perConn float64
			for range b.N {
				perConn = idle(b, tt.security, tt.conns)
			}
			b.ReportMetric(perConn, "B/conn")
		})
	}
}

type discard struct{}

func (discard) Mail(context.Context, *smtp.Peer, smtp.Path, smtp.MailParams) (smtp.Transaction, error) {
	return discarding{}, nil
}

type discarding struct{}

func (discarding) Rcpt(context.Context, smtp.Path, smtp.RcptParams) error { return nil }
func (discarding) Close() error                                           { return nil }
func (discarding) Data(_ context.Context, body io.Reader) (smtp.Results, error) {
	_, err := io.Copy(io.Discard, body)
	return smtp.SameResult(1, taken), err
}

func idle(b *testing.B, security string, conns int) float64 {
	s := &smtpserver.Server{Handler: discard{}, Limits: smtpserver.Limits{Conns: -1, PerNetwork: -1}}
	s.TLS, _ = smtptest.TLS(b)
	addr := smtptest.NewServer(b, s, security == "tls")
	before := resident(b)
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", idleEnv, addr, conns, security))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatalf("%q: %v", line, err)
	}
	used := resident(b) - before
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return float64(used) / float64(conns)
}

// resident returns the memory of the process after a collection.
func resident(b *testing.B) int {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	_, text, _ := strings.Cut(string(status), "VmRSS:")
	var kb int
	if _, err := fmt.Sscan(text, &kb); err != nil {
		b.Fatal(err)
	}
	return kb << 10
}
