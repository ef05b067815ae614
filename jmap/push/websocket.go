package push

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/mailbricks/mailbricks/jmap"
)

// Defaults of a WebSocket.
const (
	DefaultMaxMessage = 10_000_000
	pingEvery         = 5 * time.Minute
	pongWithin        = time.Minute
)

// A WebSocket serves requests and pushed changes over one connection (RFC 8887). Its fields are set before the first
// request.
type WebSocket struct {
	// Watchers returns the change feeds of a user's accounts; required.
	Watchers func(ctx context.Context, user string) (map[jmap.ID]jmap.Watcher, error)
	// Answer answers a Request; required. A *jmap.RequestError is told as it is. See jmapserver.Server.Answer.
	Answer func(ctx context.Context, user string, request []byte) (*jmap.Response, error)
	// MaxMessage bounds a message of the client's in octets; 0 is DefaultMaxMessage. It should be no less than the
	// maxSizeRequest that clients are told, or they are cut off instead of being told.
	MaxMessage int64
	// Origins are the origins whose pages may connect besides the server's own, as for jmapserver.Server.
	Origins []string
	// Connections bounds the connections of one user; 0 is DefaultConnections.
	Connections int
	// Done ends all connections when it is closed, so that a server can stop; nil is never.
	Done <-chan struct{}
	// Logger is told of failures of the stores; nil is silent.
	Logger *slog.Logger

	count   counter
	serving sync.WaitGroup
}

// Wait returns when all connections have ended, as they do once Done is closed.
func (ws *WebSocket) Wait() { ws.serving.Wait() }

// A message is what a client sends, as far as its kind needs it.
type message struct {
	Type      string                `json:"@type"`
	ID        *string               `json:"id"`
	DataTypes jmap.NullList[string] `json:"dataTypes"`
	PushState string                `json:"pushState"`
}

// A demand asks for pushes from now on, or for none.
type demand struct {
	*message               // nil: none
	done     chan struct{} // closed once changes are watched: whatever happens from then on is pushed
}

// A pushed is a StateChange over a WebSocket (RFC 8887 §4.3.5.1).
type pushed struct {
	jmap.StateChange
	PushState string `json:"pushState"`
}

// A socket is one connection.
type socket struct {
	ws   *WebSocket
	conn *websocket.Conn
	user string

	enable chan demand
}

// Serve takes over one connection of an authenticated user, and returns: the connection, which lasts until the client goes, is
// not to keep what handling a request takes. It is the field WebSocket of a jmapserver.Server.
func (ws *WebSocket) Serve(w http.ResponseWriter, r *http.Request, user string) {
	if !ws.count.enter(user, ws.Connections) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many connections", http.StatusTooManyRequests)
		return
	}
	conn, err := websocket.Accept(slim{w}, r, &websocket.AcceptOptions{Subprotocols: []string{"jmap"}, OriginPatterns: ws.Origins})
	if err != nil {
		ws.count.leave(user)
		return // it is answered
	}
	limit := ws.MaxMessage
	if limit == 0 {
		limit = DefaultMaxMessage
	}
	conn.SetReadLimit(limit)
	ctx := context.WithoutCancel(r.Context()) // a hijacked request's context ends at once
	s := &socket{ws: ws, conn: conn, user: user, enable: make(chan demand)}
	ws.serving.Go(func() {
		defer ws.count.leave(user)
		defer conn.CloseNow()
		s.run(ctx)
	})
}

// A slim is a ResponseWriter whose connection, once it is taken over, has small buffers: it mostly waits.
type slim struct{ http.ResponseWriter }

// slimBuffer is the length of each of the two, in octets. What is longer goes around them.
const slimBuffer = 1 << 10

// Hijack implements http.Hijacker.
func (w slim) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	ahead, _ := rw.Reader.Peek(rw.Reader.Buffered()) // it is there
	br := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(ahead)), conn), max(slimBuffer, len(ahead)))
	if _, err := br.Peek(len(ahead)); err != nil { // who takes it over asks what is buffered
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, bufio.NewReadWriter(br, bufio.NewWriterSize(conn, slimBuffer)), nil
}

// run serves the connection until it ends.
func (s *socket) run(ctx context.Context) {
	if s.conn.Subprotocol() != "jmap" {
		_ = s.conn.Close(websocket.StatusPolicyViolation, "the subprotocol is jmap") // RFC 8887 §4.1
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := guard(func() error { return s.push(ctx) }); err != nil && ctx.Err() == nil {
			s.ws.logger().LogAttrs(ctx, slog.LevelError, "web socket failed", slog.String("user", s.user), slog.Any("error", err))
			_ = s.conn.Close(websocket.StatusInternalError, "cannot push now")
		}
		cancel()
	})
	s.keepAlive(ctx, &wg, cancel)
	s.read(ctx)
	cancel()
	wg.Wait()
}

// read serves what the client sends, one after the other, until it goes.
func (s *socket) read(ctx context.Context) {
	for {
		kind, b, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		if kind != websocket.MessageText {
			_ = s.conn.Close(websocket.StatusUnsupportedData, "text only") // RFC 8887 §4.3.1
			return
		}
		served := make(chan error, 1)
		go func() { served <- s.serve(ctx, b) }() // a stack that grew is not kept
		if <-served != nil {
			return
		}
	}
}

// serve serves one message. An error ends the connection.
func (s *socket) serve(ctx context.Context, b []byte) error {
	var m message
	if err := jmap.Unmarshal(b, &m); err != nil {
		problem := &jmap.RequestError{Type: jmap.ProblemNotRequest, Status: 400, Detail: err.Error()}
		if _, ok := errors.AsType[*jmap.SyntaxError](err); ok {
			problem.Type = jmap.ProblemNotJSON
		}
		return s.refuse(ctx, nil, problem)
	}
	switch m.Type {
	case "WebSocketPushEnable":
		return s.switchPush(ctx, &m)
	case "WebSocketPushDisable":
		return s.switchPush(ctx, nil)
	case "Request":
	default:
		return s.refuse(ctx, m.ID, &jmap.RequestError{Type: jmap.ProblemNotRequest, Status: 400, Detail: "@type is Request, WebSocketPushEnable or WebSocketPushDisable"})
	}
	var resp *jmap.Response
	err := guard(func() (err error) {
		resp, err = s.ws.Answer(ctx, s.user, b)
		return err
	})
	if err != nil {
		problem, ok := errors.AsType[*jmap.RequestError](err)
		if !ok {
			s.ws.logger().LogAttrs(ctx, slog.LevelError, "request failed", slog.String("user", s.user), slog.Any("error", err))
			problem = &jmap.RequestError{Status: 500, Detail: "internal error"}
		}
		return s.refuse(ctx, m.ID, problem)
	}
	head := []byte(`{"@type":"Response",`)
	if m.ID != nil {
		id, err := jmap.Marshal(m.ID)
		if err != nil {
			return err
		}
		head = append(append(append(head, `"requestId":`...), id...), ',')
	}
	body, err := resp.AppendJSON(nil)
	if err != nil {
		return err
	}
	return s.write(ctx, append(head, body[1:]...))
}

// guard calls f. A panic becomes an error: it is about one connection, not about those of others.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

func (s *socket) switchPush(ctx context.Context, m *message) error {
	d := demand{m, make(chan struct{})}
	select {
	case s.enable <- d:
	case <-ctx.Done():
		return ctx.Err()
	}
	select { // the next request sees nothing that would not be pushed
	case <-d.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refuse tells a RequestError (RFC 8887 §4.3.4).
func (s *socket) refuse(ctx context.Context, id *string, e *jmap.RequestError) error {
	if e.Type == "" {
		e.Type = "about:blank"
	}
	b, err := jmap.Marshal(struct {
		AtType    string  `json:"@type"`
		RequestID *string `json:"requestId"`
		Type      string  `json:"type"`
		Status    int     `json:"status"`
		Detail    string  `json:"detail,omitzero"`
		Limit     string  `json:"limit,omitzero"`
	}{"RequestError", id, e.Type, e.Status, e.Detail, e.Limit})
	if err != nil {
		return err
	}
	return s.write(ctx, b)
}

// write writes one message, or gives the client up: ten seconds, and one more for every 16 KiB.
func (s *socket) write(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout+time.Duration(len(b)/(16<<10))*time.Second)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// push pushes changes while they are asked for. It returns when ctx ends or the client is gone.
func (s *socket) push(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var st *stream // nil: nothing is pushed
	var feed <-chan struct{}
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.ws.Done:
			_ = s.conn.Close(websocket.StatusGoingAway, "the server stops")
			return nil
		case d := <-s.enable:
			stop()
			wg.Wait()
			st, feed = nil, nil
			if d.message != nil {
				watching, end := context.WithCancel(ctx)
				stop = end
				var err error
				if st, feed, err = s.watch(watching, &wg, d.message, changed); err != nil {
					return err
				}
			}
			close(d.done)
		case <-feed:
		}
		if st == nil {
			continue
		}
		now, err := st.read(ctx)
		if err != nil {
			return err
		}
		change := st.change(now)
		if len(change.Changed) == 0 {
			continue
		}
		b, err := jmap.Marshal(pushed{change, now.id()})
		if err != nil {
			return err
		}
		if s.write(ctx, b) != nil {
			return nil
		}
	}
}

// watch subscribes to the user's accounts. What it returns is their one feed, or changed, to which those of several are
// forwarded.
func (s *socket) watch(ctx context.Context, wg *sync.WaitGroup, m *message, changed chan struct{}) (*stream, <-chan struct{}, error) {
	watchers, err := s.ws.Watchers(ctx, s.user)
	if err != nil {
		return nil, nil, err
	}
	st := &stream{watchers: watchers, last: parseID(m.PushState)}
	if m.DataTypes != nil {
		st.types = make(map[string]bool)
		for _, t := range m.DataTypes {
			st.types[t] = true
		}
	}
	feed := (<-chan struct{})(changed)
	for _, w := range watchers {
		ready := w.Watch(ctx)
		if len(watchers) == 1 {
			feed = ready
			break
		}
		wg.Go(func() { forward(ctx, ready, changed) })
	}
	if st.last == nil {
		st.last, err = st.read(ctx)
	}
	return st, feed, err
}

// keepAlive pings until ctx ends, and calls gone where the client does not answer. Between pings it takes no goroutine.
func (s *socket) keepAlive(ctx context.Context, wg *sync.WaitGroup, gone func()) {
	var timer *time.Timer
	wg.Add(1) // for the timer, which a ping under way keeps
	timer = time.AfterFunc(1<<62, func() {
		within, cancel := context.WithTimeout(ctx, pongWithin)
		err := s.conn.Ping(within)
		cancel()
		if err != nil || ctx.Err() != nil {
			gone()
			wg.Done()
			return
		}
		if timer.Reset(pingEvery); ctx.Err() != nil && timer.Stop() {
			wg.Done()
		}
	})
	timer.Reset(pingEvery)
	context.AfterFunc(ctx, func() {
		if timer.Stop() {
			wg.Done()
		}
	})
}

func (ws *WebSocket) logger() *slog.Logger {
	if ws.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return ws.Logger
}
