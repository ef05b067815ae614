package jmapserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
)

// A ticket opens one connection of either kind, once, for a minute, and nothing else.
func TestTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := func(w http.ResponseWriter, _ *http.Request, user string) { _, _ = io.WriteString(w, "hello "+user) }
		s := &Server{Mux: new(Mux), EventSource: who, WebSocket: who,
			Accounts: func(context.Context, string) ([]Account, error) { return nil, nil },
			Authenticate: func(r *http.Request) (string, error) {
				if user, _, ok := r.BasicAuth(); ok {
					return user, nil
				}
				return "", &AuthError{Status: 401, Detail: "log in", Err: errors.New("no")}
			}}
		do := func(method, target, user string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, target, nil)
			if user != "" {
				r.SetBasicAuth(user, "x")
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w
		}
		issue := func(user string) string {
			t.Helper()
			w := do("POST", "/jmap/ticket", user)
			var got issued
			if err := jmap.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 201 || got.ExpiresIn != 60 || len(got.Ticket) < 20 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			return got.Ticket
		}
		expect := func(w *httptest.ResponseRecorder, code int, body string) {
			t.Helper()
			if w.Code != code || !strings.Contains(w.Body.String(), body) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, code, body)
			}
		}
		expect(do("POST", "/jmap/ticket", ""), 401, "log in")
		expect(do("GET", "/jmap/ticket", "alice"), 405, "")
		for _, path := range []string{"/jmap/eventsource", "/jmap/ws"} {
			k := issue("alice")
			expect(do("GET", "/jmap/api?ticket="+k, ""), 405, "")
			expect(do("GET", "/.well-known/jmap?ticket="+k, ""), 401, "log in")
			expect(do("GET", path+"?ticket="+k, ""), 200, "hello alice")
			expect(do("GET", path+"?ticket="+k, ""), 401, "used up")
			expect(do("GET", path+"?ticket="+k, "bob"), 401, "used up") // what is given counts
			expect(do("GET", path+"?ticket=x", ""), 401, "used up")
			expect(do("GET", path, "bob"), 200, "hello bob")
			k = issue("alice")
			time.Sleep(TicketLife)
			expect(do("GET", path+"?ticket="+k, ""), 401, "expired")
		}
		for range ticketsPerUser {
			issue("alice")
		}
		expect(do("POST", "/jmap/ticket", "alice"), 429, "too many")
		issue("bob")
		time.Sleep(TicketLife)
		issue("alice")
		if n := len(s.tickets.out); n != 1 {
			t.Errorf("%d tickets are out", n)
		}
		expect(do("GET", "/.well-known/jmap", "alice"), 200, `"urn:ietf:params:jmap:websocket":{"url":"ws://example.com/jmap/ws","supportsPush":true}`)
		expect(do("GET", "/.well-known/jmap", "alice"), 200, `"https://github.com/mailbricks/mailbricks/jmap/ticket":{"url":"http://example.com/jmap/ticket"}`)
		s.WebSocket = nil
		expect(do("GET", "/jmap/ws", "alice"), 501, "")
	})
}
