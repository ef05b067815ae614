package jmaptest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/push"
)

// TestSubscriptions checks a push.SubscriptionStore. open returns an empty one, for users "alice" and "bob". reopen, if not
// nil, returns one of the same data as after a restart.
func TestSubscriptions(t *testing.T, open func(*testing.T) push.SubscriptionStore, reopen func(*testing.T, push.SubscriptionStore) push.SubscriptionStore) {
	ctx := t.Context()
	s := open(t)
	have := func(want ...*push.Subscription) {
		t.Helper()
		if reopen != nil {
			s = reopen(t, s)
		}
		all, err := s.Subscriptions(ctx)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(all, func(a, b *push.Subscription) int {
			return strings.Compare(a.User+" "+string(a.ID), b.User+" "+string(b.ID))
		})
		if !slices.EqualFunc(all, want, func(a, b *push.Subscription) bool { return text(t, a) == text(t, b) }) {
			t.Fatalf("%d subscriptions, want %d: %+v", len(all), len(want), all)
		}
	}
	put := func(x *push.Subscription) {
		t.Helper()
		if err := s.PutSubscription(ctx, x); err != nil {
			t.Fatal(err)
		}
	}
	have()
	full := &push.Subscription{User: "alice", Credential: "token-1", ID: "P1", DeviceID: "ä \"device\"", URL: "https://push.example/?a=b&c",
		Keys: &jmap.PushKeys{P256DH: "p", Auth: "a"}, Code: "code", Verified: true, Expires: time.Date(2026, 11, 5, 1, 2, 3, 0, time.UTC),
		Types: []string{"Email", "EmailDelivery"}, VAPID: "k", Told: map[jmap.ID]map[string]jmap.State{"A": {"Email": "7"}}}
	put(full)
	bare := &push.Subscription{User: "alice", ID: "P2", URL: "https://push.example/2"}
	put(bare)
	others := &push.Subscription{User: "bob", ID: "P1", URL: "https://push.example/3", Types: []string{}}
	put(others)
	have(full, bare, others)
	changed := *full
	changed.Types = []string{"Mailbox"}
	put(&changed)
	want := changed
	want.Types = []string{"Mailbox"}
	changed.Types[0], changed.URL = "changed", "https://other.example/" // the store has its own
	have(&want, bare, others)
	for range 2 {
		if err := s.DeleteSubscription(ctx, "alice", "P1"); err != nil {
			t.Fatal(err)
		}
		have(bare, others)
	}
}

func text(t *testing.T, s *push.Subscription) string {
	b, err := jmap.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
