package mailstore

import (
	"testing"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

func TestStore(t *testing.T) {
	jmaptest.TestStore(t, func(t *testing.T, users ...string) mail.Backend {
		s, err := OpenMemory(Options{})
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
