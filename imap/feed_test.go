package imap

import (
	"context"
	"slices"
	"strconv"
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
			f.Publish(Notice{MailboxID: "a", ModSeq: ModSeq(10 - i)})
			f.Publish(Notice{MailboxID: "b", ModSeq: ModSeq(i)})
		}
		if got := w.Take(); !ready() || !slices.Equal(got, []Notice{{MailboxID: "a", ModSeq: 10}, {MailboxID: "b", ModSeq: 4}}) {
			t.Errorf("notices %v", got)
		}
		cancel()
		synctest.Wait()
		f.Publish(Notice{MailboxID: "a", ModSeq: 11})
		if ready() || w.Take() != nil {
			t.Error("a notice after the end")
		}
		if got := other.Take(); len(got) != 2 || got[0].ModSeq != 11 {
			t.Errorf("the other has %v", got)
		}
	})
}

// BenchmarkFeed publishes changes of n mailboxes to one watch that nobody reads meanwhile.
func BenchmarkFeed(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var f Feed
			w := f.Watch(b.Context())
			ids := make([]string, n)
			for i := range ids {
				ids[i] = "mailbox" + strconv.Itoa(i)
				f.Publish(Notice{MailboxID: ids[i], ModSeq: 1})
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				f.Publish(Notice{MailboxID: ids[i%n], ModSeq: ModSeq(i)})
				i++
			}
			if len(w.Take()) != n {
				b.Error("notices are missing")
			}
		})
	}
}
