package push

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// Bounds of the interval between pings, in seconds; RFC 8620 §7.3 wants the one at most 30, the other at least 300.
const (
	MinPing = 10
	MaxPing = 900
)

// DefaultConnections is how many connections of one user are served at a time.
const DefaultConnections = 32

// writeTimeout is how long a client may take to read one event.
const writeTimeout = 10 * time.Second

// An EventSource serves pushed changes as events. Its fields are set before the first request.
type EventSource struct {
	// Watchers returns the change feeds of a user's accounts; required.
	Watchers func(ctx context.Context, user string) (map[jmap.ID]jmap.Watcher, error)
	// Connections bounds the connections of one user; 0 is DefaultConnections.
	Connections int
	// Done ends all connections when it is closed, so that a server can stop; nil is never.
	Done <-chan struct{}
	// Logger is told of failures of the stores; nil is silent.
	Logger *slog.Logger

	count counter
}

// states are the states of all types of all accounts.
type states map[jmap.ID]map[string]jmap.State

// A stream is one connection.
type stream struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	watchers map[jmap.ID]jmap.Watcher
	types    map[string]bool // nil is all
	ping     time.Duration   // 0: none
	last     states          // what the client knows
}

// Serve serves one connection of an authenticated user until the client goes. It is the field EventSource of a
// jmapserver.Server.
func (e *EventSource) Serve(w http.ResponseWriter, r *http.Request, user string) {
	q := r.URL.Query()
	s := &stream{w: w, rc: http.NewResponseController(w)}
	if types := q.Get("types"); types != "*" && types != "" {
		s.types = make(map[string]bool)
		for t := range strings.SplitSeq(types, ",") {
			s.types[t] = true
		}
	}
	ping, err := strconv.ParseUint(q.Get("ping"), 10, 31)
	if q.Get("ping") == "" {
		ping, err = 0, nil
	}
	closeAfter := q.Get("closeafter")
	if err != nil || closeAfter != "" && closeAfter != "no" && closeAfter != "state" {
		http.Error(w, "types is a list or *, closeafter is no or state, ping is a number of seconds", http.StatusBadRequest)
		return
	}
	if ping > 0 {
		s.ping = time.Duration(min(max(ping, MinPing), MaxPing)) * time.Second
	}
	if !e.count.enter(user, e.Connections) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many connections", http.StatusTooManyRequests)
		return
	}
	defer e.count.leave(user)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if s.watchers, err = e.Watchers(ctx, user); err == nil {
		err = s.run(ctx, r.Header.Get("Last-Event-ID"), closeAfter == "state", e.Done)
	}
	if err != nil && ctx.Err() == nil {
		e.logger().LogAttrs(ctx, slog.LevelError, "event source failed", slog.String("user", user), slog.Any("error", err))
	}
}

// run writes events until the client goes, done is closed, or once after a change.
func (s *stream) run(ctx context.Context, lastID string, once bool, done <-chan struct{}) error {
	changed := make(chan struct{}, 1)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer wg.Wait()
	defer cancel()
	for _, w := range s.watchers { // watched before the states are read, so that nothing falls between
		ready := w.Watch(ctx)
		wg.Go(func() { forward(ctx, ready, changed) })
	}
	now, err := s.read(ctx)
	if err != nil {
		http.Error(s.w, "cannot push now", http.StatusInternalServerError)
		return err
	}
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if s.last = parseID(lastID); s.last == nil {
		s.last = now
	}
	if sent, err := s.state(now); err != nil || sent && once {
		return nil // the client has gone, or has what it wanted
	}
	if err := s.write("id: " + now.id() + "\n\n"); err != nil {
		return nil
	}
	timer := time.NewTimer(s.interval())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-done:
			return nil
		case <-timer.C:
			if s.ping > 0 && s.write(fmt.Sprintf("event: ping\ndata: {\"interval\":%d}\n\n", int(s.ping.Seconds()))) != nil {
				return nil
			}
		case <-changed:
			if now, err = s.read(ctx); err != nil {
				return err
			}
			sent, err := s.state(now)
			if err != nil || sent && once {
				return nil
			}
			if !sent {
				continue
			}
		}
		timer.Reset(s.interval())
	}
}

// interval is the time to the next ping.
func (s *stream) interval() time.Duration {
	if s.ping == 0 {
		return MaxPing * time.Second
	}
	return s.ping
}

// forward passes signals on, once for several.
func forward(ctx context.Context, from <-chan struct{}, to chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-from:
			select {
			case to <- struct{}{}:
			default:
			}
		}
	}
}

// read reads the states of all accounts.
func (s *stream) read(ctx context.Context) (states, error) {
	out := make(states, len(s.watchers))
	for id, w := range s.watchers {
		st, err := w.States(ctx)
		if err != nil {
			return nil, err
		}
		out[id] = st
	}
	return out, nil
}

// change returns what is new to the client, of the types that it wants.
func (s *stream) change(now states) jmap.StateChange {
	change := jmap.StateChange{Type: "StateChange", Changed: make(map[jmap.ID]map[string]jmap.State)}
	for id, types := range now {
		for t, st := range types {
			if s.last[id][t] == st || s.types != nil && !s.types[t] {
				continue
			}
			if change.Changed[id] == nil {
				change.Changed[id] = make(map[string]jmap.State)
			}
			change.Changed[id][t] = st
		}
	}
	s.last = now
	return change
}

// state writes what is new to the client.
func (s *stream) state(now states) (sent bool, err error) {
	change := s.change(now)
	if len(change.Changed) == 0 {
		return false, nil
	}
	b, err := jmap.Marshal(change)
	if err != nil {
		return false, err
	}
	return true, s.write("event: state\nid: " + now.id() + "\ndata: " + string(b) + "\n\n")
}

// write writes one event, or gives the client up.
func (s *stream) write(event string) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // without it, the server's own limits hold
	if _, err := s.w.Write([]byte(event)); err != nil {
		return err
	}
	if err := s.rc.Flush(); err != nil {
		return err
	}
	_ = s.rc.SetWriteDeadline(time.Time{}) // over HTTP/2 a deadline that passes ends even a stream that has nothing to write
	return nil
}

// id is an event id: the states themselves, so that any server of the same store can go on from it.
func (s states) id() string {
	b, err := jmap.Marshal(s)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// maxID is the length of the longest event id that is read back.
const maxID = 64 << 10

// parseID reads what id returned, nil for anything else.
func parseID(s string) states {
	if s == "" || len(s) > maxID {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	var out states
	if jmap.Unmarshal(b, &out) != nil {
		return nil
	}
	return out
}

// A counter counts connections by user.
type counter struct {
	mu   sync.Mutex
	open map[string]int
}

// enter counts a connection, which leave ends. It reports whether there may be one more; limit 0 is DefaultConnections.
func (c *counter) enter(user string, limit int) bool {
	if limit == 0 {
		limit = DefaultConnections
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[string]int)
	}
	if c.open[user] >= limit {
		return false
	}
	c.open[user]++
	return true
}

func (c *counter) leave(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[user]--; c.open[user] == 0 {
		delete(c.open, user)
	}
}

func (e *EventSource) logger() *slog.Logger {
	if e.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Logger
}
