package imap

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Feed
		ctx, cancel := context.WithCancel(t.Context())
		w, other := f.Watch(ctx), f.Watch(t.Context())
		ready := func() bool {
			select {
			case <-w.Ready():
				return true
			default:
				return false
			}
		}
		if ready() || w.Take() != nil {
			t.Error("ready before anything happened")
		}
		for i := range 5 {
			f.Publish(Notice{"a", ModSeq(10 - i)})
			f.Publish(Notice{"b", ModSeq(i)})
		}
		if got := w.Take(); !ready() || !slices.Equal(got, []Notice{{"a", 10}, {"b", 4}}) {
			t.Errorf("notices %v", got)
		}
		cancel()
		synctest.Wait()
		f.Publish(Notice{"a", 11})
		if ready() || w.Take() != nil {
			t.Error("a notice after the end")
		}
		if got := other.Take(); len(got) != 2 || got[0].ModSeq != 11 {
			t.Errorf("the other has %v", got)
		}
	})
}
