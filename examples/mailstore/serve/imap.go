package serve

import (
	"context"
	"net"

	"github.com/mailbricks/mailbricks/imap/imapserver"
)

// IMAP serves IMAP4rev2 and IMAP4rev1 (RFC 9051, 3501) on a listener until ctx ends.
func (s *Server) IMAP(ctx context.Context, ln net.Listener) error { return s.imap.Serve(ctx, ln) }

// IMAPS serves IMAP over implicit TLS (RFC 8314). Config.TLS must be set.
func (s *Server) IMAPS(ctx context.Context, ln net.Listener) error {
	return s.overTLS(ctx, ln, s.imap.Serve)
}

const (
	// maxMessages is how many messages one command should name, as MESSAGELIMIT tells (RFC 9738).
	maxMessages = 100_000
	// toleratedMessages is how many it may, for clients that do not know of that (RFC 9738 §4.2).
	toleratedMessages = 1_000_000
)

func (s *Server) newIMAP() *imapserver.Server {
	return &imapserver.Server{Backend: s.c.Store, Authenticator: s.auth, TLS: s.c.TLS, AllowPlaintextAuth: s.c.AllowPlaintextAuth,
		JMAP:   s.c.JMAPURL,
		Limits: imapserver.Limits{Conns: -1, ConnsPerNetwork: -1, Message: s.c.MaxMessage, Messages: maxMessages, Tolerated: toleratedMessages}, Admit: s.admit, Grace: s.c.Grace, Logger: s.c.Logger}
}
