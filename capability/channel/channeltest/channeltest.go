// Package channeltest is the conformance suite for implementations of channel.Store.
//
//	func TestStore(t *testing.T) {
//		channeltest.Run(t, func(t *testing.T) channel.Store { return newStore(t) })
//	}
package channeltest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/capability"
	"github.com/mailbricks/mailbricks/capability/channel"
)

// Run tests the stores that open makes. Each subtest opens its own, empty one.
func Run(t *testing.T, open func(t *testing.T) channel.Store) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, channel.Store)
	}{
		{"what is added is what comes back", testAdd},
		{"what was not added is unknown", testUnknown},
		{"an update is whole or nothing", testUpdate},
		{"a list is of one owner, the last used first", testList},
		{"of fifty updates at once each sees the one before", testConcurrent},
		{"a context that has ended", testContext},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func full() channel.Channel {
	return channel.Channel{ID: capability.NewTagID(), Owner: "bob@example.com", Address: "bob+x@example.com", Note: "a \"shop\" \u00fc", Peer: "shop.example", Exact: true,
		Pinned: "orders@shop.example", State: channel.Paused, Created: start, Expires: start.AddDate(1, 0, 0), LastUse: start.Add(time.Hour), Uses: 3, Max: 9, Leaks: 2, Next: capability.NewTagID()}
}

func plain(owner, address string, last time.Time) channel.Channel {
	return channel.Channel{ID: capability.NewTagID(), Owner: owner, Address: address, State: channel.Open, LastUse: last}
}

func add(t *testing.T, s channel.Store, c channel.Channel) {
	t.Helper()
	if err := s.Add(t.Context(), c); err != nil {
		t.Fatal("Add:", err)
	}
}

func get(t *testing.T, s channel.Store, want channel.Channel) {
	t.Helper()
	if got, err := s.Get(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get: %+v, %v\nwant %+v", got, err, want)
	}
}

func testAdd(t *testing.T, s channel.Store) {
	a, b := full(), plain("bob@example.com", "b@example.com", time.Time{})
	add(t, s, a)
	add(t, s, b)
	get(t, s, a)
	get(t, s, b)
	other := b
	other.ID = a.ID
	if err := s.Add(t.Context(), other); !errors.Is(err, channel.ErrExists) {
		t.Errorf("the same id again: %v", err)
	}
	get(t, s, a)
}

func testUnknown(t *testing.T, s channel.Store) {
	add(t, s, full())
	id := capability.NewTagID()
	if c, err := s.Get(t.Context(), id); !errors.Is(err, channel.ErrUnknown) {
		t.Errorf("Get: %+v, %v", c, err)
	}
	if _, err := s.Update(t.Context(), id, func(*channel.Channel) error { t.Error("change was called"); return nil }); !errors.Is(err, channel.ErrUnknown) {
		t.Errorf("Update: %v", err)
	}
	for c, err := range s.List(t.Context(), "nobody@example.com") {
		t.Errorf("List: %+v, %v", c, err)
	}
}

func testUpdate(t *testing.T, s channel.Store) {
	c := full()
	add(t, s, c)
	no := errors.New("no")
	if _, err := s.Update(t.Context(), c.ID, func(x *channel.Channel) error { x.Note = "lost"; return no }); !errors.Is(err, no) {
		t.Errorf("Update: %v", err)
	}
	get(t, s, c)
	got, err := s.Update(t.Context(), c.ID, func(x *channel.Channel) error {
		if !reflect.DeepEqual(*x, c) {
			t.Errorf("change gets %+v", *x)
		}
		x.State, x.Pinned, x.LastUse = channel.Disconnected, "", start.AddDate(0, 0, 1)
		return nil
	})
	c.State, c.Pinned, c.LastUse = channel.Disconnected, "", start.AddDate(0, 0, 1)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("Update: %+v, %v", got, err)
	}
	get(t, s, c)
}

func list(t *testing.T, s channel.Store, owner string) []string {
	t.Helper()
	var out []string
	for c, err := range s.List(t.Context(), owner) {
		if err != nil {
			t.Fatal("List:", err)
		}
		out = append(out, c.Address)
	}
	return out
}

func testList(t *testing.T, s channel.Store) {
	late := plain("bob@example.com", "late@example.com", start)
	closed := plain("bob@example.com", "closed@example.com", start.Add(time.Hour))
	closed.State = channel.Disconnected
	for _, c := range []channel.Channel{plain("bob@example.com", "never@example.com", time.Time{}), late, closed,
		plain("carol@example.com", "carol@example.com", start), plain("bob@example.org", "org@example.org", start)} {
		add(t, s, c)
	}
	want := []string{"closed@example.com", "late@example.com", "never@example.com"}
	if got := list(t, s, "Bob@EXAMPLE.com"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := s.Update(t.Context(), late.ID, func(c *channel.Channel) error { c.LastUse = start.AddDate(0, 0, 1); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, "bob@example.com"); len(got) != 3 || got[0] != "late@example.com" {
		t.Errorf("after a use: %q", got)
	}
	n := 0
	for range s.List(t.Context(), "bob@example.com") { // it may be left early, and the store be used within
		if _, err := s.Get(t.Context(), late.ID); err != nil {
			t.Error(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d channels", n)
	}
}

func testConcurrent(t *testing.T, s channel.Store) {
	c := plain("bob@example.com", "x@example.com", time.Time{})
	add(t, s, c)
	var first atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			pinned := false // change may be called more than once: the last call counts
			_, err := s.Update(t.Context(), c.ID, func(x *channel.Channel) error {
				if pinned = x.Pinned == ""; pinned {
					x.Pinned = "shop.example"
				}
				x.Uses++
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if pinned {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	got, err := s.Get(t.Context(), c.ID)
	if err != nil || got.Uses != 50 || first.Load() != 1 {
		t.Errorf("%d uses, %d pinned, %v", got.Uses, first.Load(), err)
	}
}

func testContext(t *testing.T, s channel.Store) {
	c := full()
	add(t, s, c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Add(ctx, full()); !errors.Is(err, context.Canceled) {
		t.Errorf("Add: %v", err)
	}
	if _, err := s.Get(ctx, c.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.Update(ctx, c.ID, func(*channel.Channel) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
	for _, err := range s.List(ctx, c.Owner) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("List: %v", err)
		}
	}
}
