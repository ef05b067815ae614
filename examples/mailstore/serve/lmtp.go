package serve

import (
	"context"
	"net"

	"github.com/mailbricks/mailbricks/smtp/smtpserver"
)

// LMTP serves delivery (RFC 2033) on a listener until ctx ends. It asks nobody who they are: only relays may reach it.
func (s *Server) LMTP(ctx context.Context, ln net.Listener) error {
	return s.lmtp.Serve(ctx, ln)
}

func (s *Server) newLMTP() *smtpserver.Server {
	return &smtpserver.Server{Handler: s.c.Store, Hostname: s.c.Hostname, Mode: smtpserver.LMTP, TLS: s.c.TLS,
		Without: []string{"DSN"}, // a Store tells nobody of success: the relay does (RFC 3461 §5.2.2)
		// A relay that is trusted may send without end, and its connections count with all others.
		Limits: smtpserver.Limits{MessageSize: s.c.MaxMessage, Commands: -1, Refused: -1, Conns: -1, PerNetwork: -1},
		Admit:  s.admit, Grace: s.c.Grace, Logger: s.c.Logger}
}
