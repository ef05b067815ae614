package pop3

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// BenchmarkRetr has a Server send one message again and again to a client that is not there; ns/op is for one message.
func BenchmarkRetr(b *testing.B) {
	for _, bm := range []struct {
		name, message string
	}{
		{"4KiB", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 57)},
		{"1MiB", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 14_563)},
		{"1MiB of dots", strings.Repeat(".\r\n", 349_525)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.message)))
			b.ReportAllocs()
			in := []byte("USER bob\r\nPASS s p\r\n" + strings.Repeat("RETR 1\r\n", b.N))
			b.ResetTimer()
			_ = newServer(newMemory(bm.message)).ServeConn(context.Background(), &sinkTape{tape{in: bytes.NewReader(in)}})
		})
	}
}

// sinkTape is a tape that keeps nothing.
type sinkTape struct{ tape }

func (*sinkTape) Write(p []byte) (int, error) { return len(p), nil }
