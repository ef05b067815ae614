package nats_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
	"github.com/mailbricks/mailbricks/capability/channel/channeltest"
	"github.com/mailbricks/mailbricks/capability/granttest"
	"github.com/mailbricks/mailbricks/examples/adapters/nats"
)

func openGrants(t *testing.T, at, bucket string, now func() time.Time) *nats.GrantStore {
	t.Helper()
	s, err := nats.OpenGrants(t.Context(), connect(t, at), bucket, 1, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGrants(t *testing.T) {
	at := start(t)
	var n atomic.Int32
	granttest.Run(t, func(t *testing.T, now func() time.Time) capability.Store {
		bucket := fmt.Sprintf("grants%d", n.Add(1))
		return granttest.Share(openGrants(t, at, bucket, now), openGrants(t, at, bucket, now))
	})
	granttest.RunGrants(t, func(t *testing.T) capability.GrantStore {
		return openGrants(t, at, fmt.Sprintf("grants%d", n.Add(1)), nil)
	})
}

func TestChannels(t *testing.T) {
	at := start(t)
	var n atomic.Int32
	open := func(t *testing.T, bucket string) *nats.ChannelStore {
		s, err := nats.OpenChannels(t.Context(), connect(t, at), bucket, 1)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	channeltest.Run(t, func(t *testing.T) channel.Store { return open(t, fmt.Sprintf("channels%d", n.Add(1))) })
	t.Run("what was refused is in nobody's list", func(t *testing.T) {
		s := open(t, "refused")
		c := channel.Channel{ID: capability.NewTagID(), Owner: "bob@example.com", Address: "x@example.com", State: channel.Open}
		other := c
		other.Owner = "carol@example.com"
		if err := s.Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := s.Add(t.Context(), other); err != channel.ErrExists {
			t.Error(err)
		}
		count := func(owner string) (n int) {
			for _, err := range s.List(t.Context(), owner) {
				if err != nil {
					t.Error(err)
				}
				n++
			}
			return n
		}
		if got := []int{count(c.Owner), count(other.Owner)}; !slices.Equal(got, []int{1, 0}) {
			t.Error(got)
		}
	})
}
