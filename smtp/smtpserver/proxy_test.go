package smtpserver_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"testing"

	"github.com/mailbricks/mailbricks/internal/suites"
	"github.com/mailbricks/mailbricks/smtp/proxyproto"
	"github.com/mailbricks/mailbricks/smtp/smtpserver"
	"github.com/mailbricks/mailbricks/smtp/smtptest"
)

// TestSwaksProxy has swaks speak both versions of the PROXY protocol, the header before the TLS of an implicit port too.
func TestSwaksProxy(t *testing.T) {
	swaks := suites.Program(t, "swaks", "swaks")
	config, _ := smtptest.TLS(t)
	for _, tt := range []struct {
		name     string
		implicit bool
		args     []string
		want     string
	}{
		{"version 1", false, []string{"--proxy-version", "1", "--proxy-family", "TCP4"}, "192.0.2.1:4711"},
		{"version 2", false, []string{"--proxy-version", "2", "--proxy-family", "AF_INET", "--proxy-protocol", "STREAM", "--proxy-command", "PROXY"}, "192.0.2.1:4711"},
		{"version 1 before TLS", true, []string{"--tlsc", "--proxy-version", "1", "--proxy-family", "TCP4"}, "192.0.2.1:4711"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			host, port, _ := net.SplitHostPort(inner.Addr().String())
			var ln net.Listener = &proxyproto.Listener{Listener: inner, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
			if tt.implicit {
				ln = tls.NewListener(ln, config)
			}
			rec := &smtptest.Recorder{}
			s := &smtpserver.Server{Handler: rec, Hostname: "localhost"}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Serve(ctx, ln) }()
			run(t, swaks, append([]string{"--server", host, "--port", port, "--helo", "client.test", "--from", "a@test.example", "--to", "b@test.example",
				"--proxy-source", "192.0.2.1", "--proxy-source-port", "4711", "--proxy-dest", "198.51.100.2", "--proxy-dest-port", "25"}, tt.args...)...)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			got := rec.Messages()
			if len(got) != 1 || got[0].Peer.RemoteAddr.String() != tt.want || got[0].Peer.LocalAddr.String() != "198.51.100.2:25" {
				t.Fatalf("%+v", got)
			}
		})
	}
}
