package nats

import (
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
)

// TestDigests: of a grant's messages so many are remembered, for so long, and lapsed reservations do not pile up.
func TestDigests(t *testing.T) {
	var c tally
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	sum := func(message int) [32]byte { return [32]byte{byte(message), byte(message >> 8)} }
	commit := func(message int) {
		t.Helper()
		n, err := c.reserve(capability.Use{Now: now, Until: now.Add(time.Hour)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := c.holds(n, now.Unix())
		if err != nil {
			t.Fatal(err)
		}
		c.commit(h, sum(message), now.Unix())
	}
	for message := range MaxDigests + 1 {
		commit(message)
	}
	if c.committed(sum(0)) || !c.committed(sum(1)) || !c.committed(sum(MaxDigests)) || len(c.Digests) != MaxDigests {
		t.Errorf("%d digests", len(c.Digests))
	}
	if _, err := c.reserve(capability.Use{Now: now, Until: now.Add(time.Hour)}, nil); err != nil {
		t.Fatal(err)
	}
	now = now.Add(capability.KeepDigests + 2*time.Hour)
	commit(MaxDigests + 1)
	if len(c.Digests) != 1 || len(c.Held) != 0 {
		t.Errorf("later: %d digests, %d held", len(c.Digests), len(c.Held))
	}
}
