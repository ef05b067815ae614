package jmapserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapclient"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
)

// How is a method of one's own served? By its types of request and response.
func ExampleRegister() {
	type greet struct {
		Name string `json:"name"`
	}
	type greeting struct {
		Text string `json:"text"`
	}
	const capability = "https://example.com/greetings"
	mux := &jmapserver.Mux{}
	jmapserver.Register(mux, capability, "Greeting/make", func(_ context.Context, c *jmapserver.Call, r *greet) (*greeting, error) {
		if r.Name == "" {
			return nil, jmap.Errorf(jmap.InvalidArguments, "name is empty")
		}
		return &greeting{Text: "Hello, " + r.Name + ", from " + c.User}, nil
	})
	s := httptest.NewServer(&jmapserver.Server{
		Mux:          mux,
		Authenticate: func(*http.Request) (string, error) { return "alice", nil },
		Accounts:     func(context.Context, string) ([]jmapserver.Account, error) { return nil, nil },
	})
	defer s.Close()

	c := &jmapclient.Client{URL: s.URL, HTTP: s.Client()}
	for _, name := range []string{"Bob", ""} {
		g, err := jmapclient.Do[greeting](context.Background(), c, capability, "Greeting/make", greet{name})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(g.Text)
	}
	// Output:
	// Hello, Bob, from alice
	// jmap: invalidArguments: name is empty
}
