package mailstore

import (
	"net/http"
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
	"github.com/mailbricks/mailbricks/jmap/mailserver"
)

func TestStore(t *testing.T) {
	jmaptest.TestStore(t, func(t *testing.T, users ...string) mail.Backend {
		s, err := OpenMemory(Options{Quota: Quota{Octets: 10 << 20, Messages: 10_000}, Answers: sentAnswers(nil)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		for _, u := range users {
			user(t, s, u)
		}
		return s
	})
}

func TestQueries(t *testing.T) {
	s, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := user(t, s, "alice")
	jmaptest.TestQueries(t, mailserver.NewServer(s, func(*http.Request) (string, error) { return "alice", nil }), jmap.ID(a.ID))
}
