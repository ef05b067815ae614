package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mailbricks/mailbricks/examples/mailstore/webmail"
	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/contactserver"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
	"github.com/mailbricks/mailbricks/jmap/push"
)

// JMAPHandler returns JMAP as an http.Handler, to be served together with other pages. Its paths are /.well-known/jmap
// and those below /jmap/. Pushed connections end when done is closed; nil is never.
func (s *Server) JMAPHandler(done <-chan struct{}) http.Handler {
	h, _ := s.jmap(done)
	return h
}

// jmap returns JMAP and its WebSockets.
func (s *Server) jmap(done <-chan struct{}) (*jmapserver.Server, *push.WebSocket) {
	auth := &jmapserver.Auth{AllowPlaintext: s.c.AllowPlaintextAuth, Realm: s.c.Hostname, CredentialKey: s.c.CredentialKey}
	if s.c.Users != nil {
		auth.SASL = s.auth
	}
	if tokens := s.c.Tokens; tokens != nil {
		auth.Token = func(ctx context.Context, token string) (string, error) { return tokens(ctx, "", token) }
	}
	limits := jmap.DefaultLimits()
	limits.MaxSizeUpload = max(limits.MaxSizeUpload, s.c.MaxMessage)
	var backend mail.Backend = s.c.Store
	if s.send != nil {
		backend = s.send
	}
	methods := mailserver.New(backend)
	methods.Logger = s.c.Logger
	mux := new(jmapserver.Mux)
	methods.Register(mux)
	accounts := methods.Accounts
	if s.c.Contacts != nil {
		people := contactserver.New(s.c.Contacts)
		people.Register(mux)
		accounts = func(ctx context.Context, user string) ([]jmapserver.Account, error) {
			out, err := methods.Accounts(ctx, user)
			if err == nil {
				err = people.Offer(ctx, user, out)
			}
			return out, err
		}
	}
	events := &push.EventSource{Watchers: methods.Watchers, Connections: s.c.MaxConnections, Done: done, Logger: s.c.Logger}
	out := &jmapserver.Server{Mux: mux, Authenticate: auth.User, Credential: auth.Credential, Accounts: accounts, OpenBlob: methods.OpenBlob,
		Upload: methods.Upload, EventSource: events.Serve, Limits: &limits, Logger: s.c.Logger}
	if p := s.c.Push; p != nil {
		jmapserver.RegisterPush(mux, p)
		out.VAPIDKey = p.PublicKey()
	}
	sockets := &push.WebSocket{Watchers: methods.Watchers, Answer: out.Answer, Connections: s.c.MaxConnections, Done: done, Logger: s.c.Logger}
	out.WebSocket = sockets.Serve
	return out, sockets
}

// Limits of an HTTP connection: how long a request's header may take, how long a connection may be idle, and the octets
// of a header. Bodies have the deadlines of jmapserver.
const (
	headerTimeout = 15 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// JMAP serves JMAP and the webmail page on a listener, over TLS where Config has it, until ctx ends.
func (s *Server) JMAP(ctx context.Context, ln net.Listener) error {
	done := make(chan struct{})
	handler, sockets := s.jmap(done)
	page, err := webmail.New(handler)
	if err != nil {
		return err
	}
	err = s.HTTP(ctx, ln, page, func() { close(done) })
	sockets.Wait() // each has some seconds at most
	return err
}

// HTTP serves any Handler on a listener as JMAP does. stop, if not nil, is called when ctx has ended, before requests
// under way are waited for.
func (s *Server) HTTP(ctx context.Context, ln net.Listener, h http.Handler, stop func()) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() {
		counted := counting{ln, s, ctx}
		if s.c.TLS == nil {
			failed <- srv.Serve(counted)
			return
		}
		srv.TLSConfig = s.c.TLS.Clone()
		failed <- srv.ServeTLS(counted, "", "")
	}()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	if stop != nil {
		stop()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.c.Grace)
	defer cancel()
	if srv.Shutdown(end) != nil {
		_ = srv.Close() // what did not end in time
	}
	if err == nil {
		<-failed
		return nil
	}
	return err
}

// A counting listener lets in what the Server admits.
type counting struct {
	net.Listener
	s   *Server
	ctx context.Context
}

// Accept returns the next connection that is admitted. Others are told, where they can read it, and closed.
func (l counting) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		release, err := l.s.admit(l.ctx, c)
		if err == nil {
			return &countedConn{c, release}, nil
		}
		l.s.log.Warn("connection refused", "remote", c.RemoteAddr(), "err", err)
		if l.s.c.TLS == nil {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // a fresh connection's buffer has room
			_, _ = c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"))
		}
		_ = c.Close()
	}
}

type countedConn struct {
	net.Conn
	release func()
}

func (c *countedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
