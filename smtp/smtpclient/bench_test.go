package smtpclient_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/smtp"
	"github.com/mailbricks/mailbricks/smtp/smtpclient"
)

// swallow is a server that takes everything, as cheaply as that can be done.
func swallow(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go swallowAll(c)
		}
	}()
	return ln.Addr().String()
}

func swallowAll(c net.Conn) {
	defer c.Close()
	r, w := bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
	say := func(s string) {
		w.WriteString(s)
		if r.Buffered() == 0 {
			w.Flush()
		}
	}
	say("220 mx\r\n")
	for {
		l, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case bytes.HasPrefix(l, []byte("EHLO")):
			say("250-mx\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
		case bytes.HasPrefix(l, []byte("DATA")):
			say("354 go\r\n")
			for {
				l, err := r.ReadSlice('\n')
				if err != nil && err != bufio.ErrBufferFull {
					return
				}
				if string(l) == ".\r\n" {
					break
				}
			}
			say("250 2.0.0 Ok\r\n")
		case bytes.HasPrefix(l, []byte("BDAT")):
			var n int
			fmt.Sscanf(string(l), "BDAT %d", &n)
			if _, err := r.Discard(n); err != nil {
				return
			}
			say("250 2.0.0 Ok\r\n")
		default:
			say("250 2.0.0 Ok\r\n")
		}
	}
}

func BenchmarkDeliver(b *testing.B) {
	addr := swallow(b)
	for _, size := range []int{4 << 10, 100 << 10} {
		for _, way := range []string{"DATA", "BDAT", "one by one"} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, way), func(b *testing.B) {
				conn, err := smtpclient.Dial(b.Context(), addr, smtpclient.Config{Chunking: way == "BDAT"})
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				var h smtp.Handler = conn
				if way == "one by one" {
					h = oneByOne{conn}
				}
				e := envelope(b, "alice@example.org", "bob@example.com")
				message := []byte("Subject: hi\r\n\r\n" + strings.Repeat("The quick brown fox jumps over the lazy dog, and so on until here.\r\n", size/69))
				body := bytes.NewReader(message)
				b.SetBytes(int64(len(message)))
				b.ReportAllocs()
				for b.Loop() {
					body.Reset(message)
					res, err := smtp.Deliver(b.Context(), h, e, body)
					if err != nil || !res[0].Reply.OK() {
						b.Fatal(res, err)
					}
				}
			})
		}
	}
}

// BenchmarkClient adds the pool.
func BenchmarkClient(b *testing.B) {
	client := &smtpclient.Client{Addr: swallow(b)}
	defer client.Close()
	e := envelope(b, "alice@example.org", "bob@example.com")
	message := strings.Repeat("The quick brown fox jumps over the lazy dog, and so on until here.\r\n", 60)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.Deliver(b.Context(), e, io.Reader(strings.NewReader(message))); err != nil {
				b.Fatal(err)
			}
		}
	})
}
