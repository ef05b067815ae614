package mailstore

import (
	"testing"

	"github.com/mailbricks/mailbricks/jmap/jmaptest"
	"github.com/mailbricks/mailbricks/jmap/push"
)

// TestSubscriptions: durable, over a restart after each change.
func TestSubscriptions(t *testing.T) {
	dir := t.TempDir()
	open := func(t *testing.T) push.SubscriptionStore {
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	jmaptest.TestSubscriptions(t, open, func(t *testing.T, s push.SubscriptionStore) push.SubscriptionStore {
		if err := s.(*Store).Close(); err != nil {
			t.Fatal(err)
		}
		return open(t)
	})
}
