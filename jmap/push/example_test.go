package push_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
	"github.com/mailbricks/mailbricks/jmap/push"
)

// How does a browser learn of new mail?
func ExampleEventSource() {
	store := jmaptest.NewStore("alice@example.com")
	events := &push.EventSource{Watchers: func(ctx context.Context, user string) (map[jmap.ID]jmap.Watcher, error) {
		accounts, err := store.Accounts(ctx, user)
		out := make(map[jmap.ID]jmap.Watcher)
		for _, a := range accounts {
			out["A1"] = a.Watcher
		}
		return out, err
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events.Serve(w, r, "alice@example.com")
	}))
	defer s.Close()

	resp, err := s.Client().Get(s.URL + "?types=Email&closeafter=state&ping=0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	store.Deliver("alice@example.com", "inbox", time.Now(), jmaptest.Message("bob@example.org", "Hi", "Hello."))
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			fmt.Println(name)
		}
	}
	// Output: state
}

// One connection carries requests, responses and pushed changes.
func ExampleWebSocket() {
	store := jmaptest.NewStore("alice@example.com")
	server := httptest.NewServer(mailserver.NewServer(store, func(*http.Request) (string, error) { return "alice@example.com", nil }))
	defer server.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, server.URL+"/jmap/ws", &websocket.DialOptions{Subprotocols: []string{"jmap"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	err = c.Write(ctx, websocket.MessageText, []byte(`{"@type": "Request", "id": "R1", "using": ["urn:ietf:params:jmap:core"], "methodCalls": [["Core/echo", {"hello": true}, "0"]]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, answer, err := c.Read(ctx)
	fmt.Printf("%.99s %v\n", answer, err)
	// Output: {"@type":"Response","requestId":"R1","methodResponses":[["Core/echo",{"hello": true},"0"]],"session <nil>
}
