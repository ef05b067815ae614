package imap

import (
	"context"
	"reflect"
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
		if got := w.Take(); !ready() || !reflect.DeepEqual(got, []Notice{{MailboxID: "a", ModSeq: 10}, {MailboxID: "b", ModSeq: 4}}) {
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

// TestFeedEntries: names of annotations coalesce, and a Watch that nobody reads holds so many at most.
func TestFeedEntries(t *testing.T) {
	var f Feed
	w, other := f.Watch(t.Context()), f.Watch(t.Context())
	names := []string{"/private/x", "/private/y"}
	f.Publish(Notice{MailboxID: "a", ModSeq: 3, Entries: names})
	f.Publish(Notice{MailboxID: "a", ModSeq: 2, Entries: []string{"/private/y", "/private/z"}})
	f.Publish(Notice{Entries: []string{"/private/y"}})
	want := []Notice{{MailboxID: "a", ModSeq: 3, Entries: []string{"/private/x", "/private/y", "/private/z"}}, {Entries: []string{"/private/y"}}}
	if got := w.Take(); !reflect.DeepEqual(got, want) || len(names) != 2 {
		t.Errorf("%v", got)
	}
	for i := range 3 * MaxNoticeEntries {
		f.Publish(Notice{MailboxID: strconv.Itoa(i % 2), Entries: []string{"/private/" + strconv.Itoa(i)}})
	}
	f.Publish(Notice{MailboxID: "b", ModSeq: 1})
	for _, w := range []*Watch{w, other} {
		n, dropped := 0, 0
		for _, x := range w.Take() {
			n += len(x.Entries)
			if x.MoreEntries {
				dropped++
			}
		}
		if n != MaxNoticeEntries || dropped != 2 {
			t.Errorf("%d names are held, of %d mailboxes there were more", n, dropped)
		}
	}
	f.Publish(Notice{MailboxID: "a", Entries: names})
	if got := w.Take(); len(got) != 1 || len(got[0].Entries) != 2 || got[0].MoreEntries {
		t.Errorf("after that: %v", got)
	}
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
