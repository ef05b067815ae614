package push

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// feed is a Watcher whose states a test sets.
type feed struct {
	mu     sync.Mutex
	states map[string]jmap.State
	ready  map[chan struct{}]bool
}

func newFeed() *feed {
	return &feed{states: map[string]jmap.State{"Email": "1", "Mailbox": "1"}, ready: map[chan struct{}]bool{}}
}

func (f *feed) Watch(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready[c] = true
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.ready, c)
	})
	return c
}

func (f *feed) States(context.Context) (map[string]jmap.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]jmap.State{}
	maps.Copy(out, f.states)
	return out, nil
}

func (f *feed) set(typ string, st jmap.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states[typ] = st
	for c := range f.ready {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// recorder is a ResponseWriter that may be read while it is written.
type recorder struct {
	mu       sync.Mutex
	deadline time.Time
	*httptest.ResponseRecorder
}

func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
	return nil
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ResponseRecorder.Write(b)
}

// take returns what came since the last call, the ids hidden.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for line := range strings.Lines(r.Body.String()) {
		if strings.HasPrefix(line, "id: ") {
			line = "id\n"
		}
		out = append(out, line)
	}
	r.Body.Reset()
	return strings.Join(out, "")
}

// connect begins to serve one connection; stop ends it and waits.
func connect(e *EventSource, query string, header ...string) (w *recorder, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequest("GET", "/?"+query, nil).WithContext(ctx)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w = &recorder{ResponseRecorder: httptest.NewRecorder()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Serve(w, r, "alice")
	}()
	synctest.Wait()
	return w, func() { cancel(); <-done }
}

func source(f *feed) *EventSource {
	return &EventSource{Watchers: func(context.Context, string) (map[jmap.ID]jmap.Watcher, error) {
		return map[jmap.ID]jmap.Watcher{"A": f}, nil
	}}
}

func expect(t *testing.T, w *recorder, want string) {
	t.Helper()
	synctest.Wait()
	if got := w.take(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		w, stop := connect(source(f), "types=*&closeafter=no&ping=0")
		defer stop()
		expect(t, w, "id\n\n")
		f.set("Email", "2")
		expect(t, w, "event: state\nid\ndata: {\"@type\":\"StateChange\",\"changed\":{\"A\":{\"Email\":\"2\"}}}\n\n")
		f.set("Email", "2") // nothing new
		expect(t, w, "")
		time.Sleep(time.Hour) // no pings
		expect(t, w, "")
		f.set("Mailbox", "3")
		expect(t, w, "event: state\nid\ndata: {\"@type\":\"StateChange\",\"changed\":{\"A\":{\"Mailbox\":\"3\"}}}\n\n")
		if got := w.Result().Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
			t.Errorf("Content-Type %s", got)
		}
	})
}

// TestIdle: no deadline is left behind while there is nothing to write, since HTTP/2 ends the stream when it passes.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		w, stop := connect(source(f), "types=*&closeafter=no&ping=0")
		defer stop()
		f.set("Email", "2")
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.deadline.IsZero() {
			t.Errorf("deadline in %v", time.Until(w.deadline))
		}
	})
}

func TestTypesAndPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		w, stop := connect(source(f), "types=Mailbox,Thread&ping=1")
		defer stop()
		expect(t, w, "id\n\n")
		f.set("Email", "2")
		expect(t, w, "")
		time.Sleep(10 * time.Second)
		expect(t, w, "event: ping\ndata: {\"interval\":10}\n\n")
		time.Sleep(7 * time.Second)
		f.set("Mailbox", "2")
		expect(t, w, "event: state\nid\ndata: {\"@type\":\"StateChange\",\"changed\":{\"A\":{\"Mailbox\":\"2\"}}}\n\n")
		time.Sleep(7 * time.Second) // counted from the last event
		expect(t, w, "")
		time.Sleep(3 * time.Second)
		expect(t, w, "event: ping\ndata: {\"interval\":10}\n\n")
	})
}

func TestCloseAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		e := source(f)
		w, stop := connect(e, "types=*&closeafter=state")
		defer stop()
		f.set("Email", "2")
		expect(t, w, "id\n\nevent: state\nid\ndata: {\"@type\":\"StateChange\",\"changed\":{\"A\":{\"Email\":\"2\"}}}\n\n")
		if len(e.count.open) != 0 || len(f.ready) != 0 {
			t.Errorf("still open: %v, watched by %d", e.count.open, len(f.ready))
		}
	})
}

// A client that comes back learns what it missed.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		id := states{"A": {"Email": "1", "Mailbox": "1"}}.id()
		f.set("Email", "5")
		w, stop := connect(source(f), "types=*", "Last-Event-ID", id)
		expect(t, w, "event: state\nid\ndata: {\"@type\":\"StateChange\",\"changed\":{\"A\":{\"Email\":\"5\"}}}\n\nid\n\n")
		stop()
		for _, bad := range []string{"x", "!", strings.Repeat("A", maxID+1), "bnVsbA"} {
			w, stop := connect(source(f), "types=*", "Last-Event-ID", bad)
			expect(t, w, "id\n\n")
			stop()
		}
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := source(newFeed())
		e.Connections = 1
		done := make(chan struct{})
		e.Done = done
		_, stop := connect(e, "types=*")
		w, stop2 := connect(e, "types=*")
		stop2()
		if w.Code != http.StatusTooManyRequests {
			t.Errorf("second connection: %d", w.Code)
		}
		for _, bad := range []string{"ping=-1", "ping=x", "closeafter=never"} {
			w, stop := connect(e, bad)
			stop()
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d", bad, w.Code)
			}
		}
		close(done)
		synctest.Wait()
		if len(e.count.open) != 0 {
			t.Error("still open after Done")
		}
		stop()
	})
}
