package jmapclient_test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
	"github.com/mailbricks/mailbricks/jmap/push"
)

// TestSocketResume: a WebSocket that breaks is made again, and what changed meanwhile is told, because the client says
// where it was.
func TestSocketResume(t *testing.T) {
	store := jmaptest.NewStore("alice@example.com")
	c, h := start(t, store)
	watchers := mailserver.New(store).Watchers
	stop := make(chan struct{})
	first := push.WebSocket{Watchers: watchers, Answer: h.Answer, Done: stop}
	then := push.WebSocket{Watchers: watchers, Answer: h.Answer}
	var connections atomic.Int32
	deliver := func() {
		store.Deliver("alice@example.com", "inbox", day, jmaptest.Message("a@example.com", "x", "y"))
	}
	h.WebSocket = func(w http.ResponseWriter, r *http.Request, user string) {
		switch connections.Add(1) {
		case 1:
			first.Serve(w, r, user)
			first.Wait()
			deliver() // nobody is told of this
		case 2:
			http.Error(w, "not now", http.StatusServiceUnavailable)
		default:
			then.Serve(w, r, user)
		}
	}
	var got []jmap.State
	for change, err := range c.Events(t.Context(), "Email") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, change.Changed["u1"]["Email"])
		switch len(got) {
		case 1:
			deliver()
		case 2:
			close(stop)
		}
		if len(got) == 3 {
			break
		}
	}
	if connections.Load() != 3 || got[0] != "" || slices.Contains(got[1:], "") || got[1] == got[2] {
		t.Errorf("%d connections, states %q", connections.Load(), got)
	}
}

// TestSocketRefused: where something between lets no WebSocket through, events come the other way, unless none is wanted.
func TestSocketRefused(t *testing.T) {
	for want, way := range map[int]jmapclient.Push{0: jmapclient.PushAny, 403: jmapclient.PushWebSocket} {
		c, h := start(t, jmaptest.NewStore("alice@example.com"))
		h.WebSocket = func(w http.ResponseWriter, _ *http.Request, _ string) {
			http.Error(w, "no", http.StatusForbidden)
		}
		c.Push = way
		for change, err := range c.Events(t.Context()) {
			status := 0
			if e, ok := err.(*jmap.RequestError); ok {
				status = e.Status
			}
			if status != want || want == 0 && (err != nil || change.Changed != nil) {
				t.Errorf("way %d: %+v, %v", way, change, err)
			}
			break
		}
	}
}
