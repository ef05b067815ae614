package mailrelay_test

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/examples/mailrelay"
	"github.com/mailbricks/mailbricks/smtp"
)

// BenchmarkMX takes a letter of 10 KiB from a stranger through the checks to the store.
func BenchmarkMX(b *testing.B) {
	r := newRig(b, func(c *mailrelay.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	benchmark(b, r, r.MX(), stranger("192.0.2.1"), "alice@a.example")
}

// BenchmarkSubmission takes a letter of 10 KiB from a user, signs it and keeps it, eight at a time.
func BenchmarkSubmission(b *testing.B) {
	r := newRig(b, func(c *mailrelay.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	benchmark(b, r, r.Submission(), user("carol"), "carol@b.example")
}

func benchmark(b *testing.B, r *rig, h smtp.Handler, peer *smtp.Peer, from string) {
	r.store.set(func() { r.store.got, r.store.forget = nil, true })
	text := letter(from, "bob@b.example") + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 160)
	p, err := smtp.ParseMailbox(from)
	if err != nil {
		b.Fatal(err)
	}
	to := smtp.Path{Local: "bob", Domain: "b.example"}
	b.SetBytes(int64(len(text)))
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := smtp.Deliver(b.Context(), h, smtp.Envelope{Peer: peer, From: p, Recipients: []smtp.Recipient{{To: to}}}, io.Reader(strings.NewReader(text)))
			if err != nil || !res[0].Reply.OK() {
				b.Errorf("%v, %v", res, err)
			}
		}
	})
}
