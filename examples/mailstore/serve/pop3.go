package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/mailbricks/mailbricks/imap/pop3"
)

// POP3 serves POP3 (RFC 1939) on a listener until ctx ends.
func (s *Server) POP3(ctx context.Context, ln net.Listener) error { return s.pop3.Serve(ctx, ln) }

// POP3S serves POP3 over implicit TLS (RFC 8314). Config.TLS must be set.
func (s *Server) POP3S(ctx context.Context, ln net.Listener) error {
	return s.overTLS(ctx, ln, s.pop3.Serve)
}

func (s *Server) newPOP3() *pop3.Server {
	// Few clients know of UTF8 (RFC 6856), and mail that they cannot get at is lost to their users.
	return &pop3.Server{AlwaysUTF8: true, Backend: s.c.Store, Authenticator: s.auth, TLS: s.c.TLS, AllowPlaintextAuth: s.c.AllowPlaintextAuth,
		Hostname: s.c.Hostname, Limits: pop3.Limits{Conns: -1, ConnsPerNetwork: -1}, Admit: s.admit, Grace: s.c.Grace, Logger: s.c.Logger}
}

// overTLS serves a listener whose connections begin with TLS.
func (s *Server) overTLS(ctx context.Context, ln net.Listener, serve func(context.Context, net.Listener) error) error {
	if s.c.TLS == nil {
		return errors.New("serve: no TLS configuration")
	}
	return serve(ctx, tls.NewListener(ln, s.c.TLS))
}
