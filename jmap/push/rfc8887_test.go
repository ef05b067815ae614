package push

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/mailbricks/mailbricks/jmap"
)

// A line is a client's connection.
type line struct {
	t *testing.T
	*websocket.Conn
}

func (l line) send(text string) {
	l.t.Helper()
	if err := l.Write(l.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		l.t.Fatal(err)
	}
}

// expect reads one message; "…" in want is anything.
func (l line) expect(want string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	_, b, err := l.Read(ctx)
	if err != nil {
		l.t.Fatalf("%v instead of %s", err, want)
	}
	if !regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + "$").Match(b) {
		l.t.Fatalf("got  %s\nwant %s", b, want)
	}
	return string(b)
}

// echo answers like a server with Core/echo alone.
func echo(_ context.Context, user string, b []byte) (*jmap.Response, error) {
	r, err := jmap.ParseRequest(b)
	if err != nil {
		return nil, err
	}
	if len(r.MethodCalls) == 0 {
		return nil, errors.New("secret")
	}
	return &jmap.Response{MethodResponses: r.MethodCalls, SessionState: jmap.State(user)}, nil
}

func listen(t *testing.T, ws *WebSocket) (*httptest.Server, func() line) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ws.Serve(w, r, "alice") }))
	t.Cleanup(s.Close)
	return s, func() line {
		t.Helper()
		c, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{Subprotocols: []string{"jmap"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return line{t, c}
	}
}

// RFC 8887 §4.4.
func TestWebSocket(t *testing.T) {
	f := newFeed()
	var watched atomic.Int32
	ws := &WebSocket{Answer: echo, MaxMessage: 10_000, Watchers: func(context.Context, string) (map[jmap.ID]jmap.Watcher, error) {
		watched.Add(1)
		return map[jmap.ID]jmap.Watcher{"A1": f}, nil
	}}
	_, dial := listen(t, ws)
	c := dial()
	c.send(`{"@type":"Request","id":"R1","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{"hello":true,"high":5},"b3ff"]]}`)
	c.expect(`{"@type":"Response","requestId":"R1","methodResponses":[["Core/echo",{"hello":true,"high":5},"b3ff"]],"sessionState":"alice"}`)
	c.send(`{"@type":"Request","using":[],"methodCalls":[["a",{},"b"]]}`)
	c.expect(`{"@type":"Response","methodResponses":[["a",{},"b"]],"sessionState":"alice"}`)
	for bad, want := range map[string]string{
		"The quick brown fox":                   `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notJSON","status":400,…}`,
		`{"@type":"Request","@type":"Request"}`: `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notJSON",…}`,
		`{"@type":"Request","id":"R2"}`:         `{"@type":"RequestError","requestId":"R2","type":"urn:ietf:params:jmap:error:notRequest",…}`,
		`{"@type":"Request","id":3}`:            `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notRequest",…}`,
		`{"@type":"Nope","id":"R3"}`:            `{"@type":"RequestError","requestId":"R3","type":"urn:ietf:params:jmap:error:notRequest",…}`,
		`[]`:                                    `{"@type":"RequestError","requestId":null,"type":"urn:ietf:params:jmap:error:notRequest",…}`,
		`{"@type":"WebSocketPushEnable","dataTypes":"Email"}`:      `{"@type":"RequestError",…}`,
		`{"@type":"Request","id":"x","using":[],"methodCalls":[]}`: `{"@type":"RequestError","requestId":"x","type":"about:blank","status":500,"detail":"internal error"}`,
	} {
		c.send(bad)
		c.expect(want)
	}
	if watched.Load() != 0 {
		t.Error("watched without being asked to")
	}
	// Push: the types that are wanted, from now on.
	c.send(`{"@type":"WebSocketPushEnable","dataTypes":["Email"]}`)
	barrier := func(c line) {
		t.Helper()
		c.send(`{"@type":"Request","using":[],"methodCalls":[["a",{},"b"]]}`)
		c.expect(`{"@type":"Response",…`)
	}
	for watched.Load() == 0 {
		barrier(c)
	}
	awaitWatch(f, 1, func() { barrier(c) })
	f.set("Mailbox", "2")
	f.set("Email", "2")
	got := c.expect(`{"@type":"StateChange","changed":{"A1":{"Email":"2"}},"pushState":"…"}`)
	_, pushState, _ := strings.Cut(got, `"pushState":"`)
	pushState = strings.TrimSuffix(pushState, `"}`)
	// Off: nothing comes any more.
	c.send(`{"@type":"WebSocketPushDisable"}`)
	awaitWatch(f, 0, func() { barrier(c) })
	f.set("Email", "3")
	barrier(c)
	// Another connection that knows the last state is told at once what it missed.
	d := dial()
	d.send(`{"@type":"WebSocketPushEnable","dataTypes":null,"pushState":"` + pushState + `"}`)
	d.expect(`{"@type":"StateChange","changed":{"A1":{"Email":"3"}},"pushState":"…"}`)
	f.set("Mailbox", "9")
	d.expect(`{"@type":"StateChange","changed":{"A1":{"Mailbox":"9"}},"pushState":"…"}`)
	if err := d.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	awaitWatch(f, 0, func() { barrier(c) })
	// Binary data ends it, and so does a message that is too long.
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
		t.Error(err)
	}
	e := dial()
	e.send(strings.Repeat("x", 10_001))
	if _, _, err := e.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Error(err)
	}
}

// awaitWatch turns until the feed is watched n times.
func awaitWatch(f *feed, n int, turn func()) {
	for {
		f.mu.Lock()
		have := len(f.ready)
		f.mu.Unlock()
		if have == n {
			return
		}
		turn()
	}
}

// A panic ends one request, or the connection where it is in the feed, and is logged. The others go on.
func TestWebSocketPanic(t *testing.T) {
	var log logged
	var broken atomic.Bool
	ws := &WebSocket{Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Watchers: func(context.Context, string) (map[jmap.ID]jmap.Watcher, error) {
			if broken.Load() {
				panic("feed out of range")
			}
			return nil, nil
		},
		Answer: func(ctx context.Context, user string, b []byte) (*jmap.Response, error) {
			if strings.Contains(string(b), "break") {
				panic("index out of range")
			}
			return echo(ctx, user, b)
		}}
	_, dial := listen(t, ws)
	other, l := dial(), dial()
	const request = `{"@type":"Request","id":"%","using":["c"],"methodCalls":[["Core/echo",{},"0"]]}`
	l.send(strings.ReplaceAll(request, "%", "break"))
	l.expect(`{"@type":"RequestError","requestId":"break",…"status":500,"detail":"internal error"}`)
	l.send(strings.ReplaceAll(request, "%", "1"))
	l.expect(`{"@type":"Response","requestId":"1",…`)
	broken.Store(true)
	l.send(`{"@type":"WebSocketPushEnable"}`)
	if _, _, err := l.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInternalError {
		t.Errorf("feed: %v", err)
	}
	other.send(strings.ReplaceAll(request, "%", "2"))
	other.expect(`{"@type":"Response","requestId":"2",…`)
	for _, want := range []string{"index out of range", "feed out of range", "rfc8887_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("not logged: %s", want)
		}
	}
}

// A logged is what a logger wrote.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestWebSocketRefused(t *testing.T) {
	done := make(chan struct{})
	failing := errors.New("down")
	watchers := func(context.Context, string) (map[jmap.ID]jmap.Watcher, error) { return nil, failing }
	s, _ := listen(t, &WebSocket{Answer: echo, Origins: []string{"https://app.example.com"}, Watchers: watchers})
	// A page of another origin, and a client that speaks something else.
	for origin, want := range map[string]int{"https://evil.example": 403, "https://app.example.com": 101} {
		c, resp, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if resp == nil || resp.StatusCode != want {
			t.Fatalf("%s: %v, %v", origin, resp, err)
		}
		if c == nil {
			continue
		}
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Error(err)
		}
	}
	ws := &WebSocket{Answer: echo, Connections: 1, Done: done, Watchers: watchers}
	s, dial := listen(t, ws)
	c := dial()
	if _, resp, err := websocket.Dial(t.Context(), s.URL, nil); err == nil || resp.StatusCode != 429 {
		t.Errorf("one too many: %v", err)
	}
	c.send(`{"@type":"WebSocketPushEnable","dataTypes":null}`)
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInternalError || strings.Contains(err.Error(), "down") {
		t.Error(err)
	}
	for { // until it is gone
		ws.count.mu.Lock()
		n := len(ws.count.open)
		ws.count.mu.Unlock()
		if n == 0 {
			break
		}
	}
	c = dial()
	close(done)
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Error(err)
	}
}

// TestAhead: what a client sends before it has read that the connection is a WebSocket's is served, longer than the buffers.
func TestAhead(t *testing.T) {
	ws := &WebSocket{Answer: echo, Watchers: func(context.Context, string) (map[jmap.ID]jmap.Watcher, error) { return nil, nil }}
	server, _ := listen(t, ws)
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	pad := strings.Repeat("x", 3*slimBuffer)
	request := `{"@type":"Request","id":"R1","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{"a":"` + pad + `"},"b"]]}`
	frame := append([]byte{0x81, 0x80 | 126, byte(len(request) >> 8), byte(len(request)), 0, 0, 0, 0}, request...) // masked with zeros
	hello := "GET / HTTP/1.1\r\nHost: " + server.Listener.Addr().String() + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: jmap\r\n\r\n"
	if _, err := c.Write(append([]byte(hello), frame...)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil || head[0] != 0x81 || head[1] != 126 {
		t.Fatal(head, err)
	}
	b := make([]byte, int(head[2])<<8|int(head[3]))
	if _, err := io.ReadFull(r, b); err != nil || !strings.Contains(string(b), pad) || !strings.Contains(string(b), `"requestId":"R1"`) {
		t.Fatalf("%s, %v", b, err)
	}
	c.Close()
	ws.Wait()
}
